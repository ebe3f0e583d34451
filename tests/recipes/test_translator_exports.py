"""Translators handed over: traced they say what they say under a teacher, whatever stands behind a row's end."""

import json
from types import SimpleNamespace

import pytest
import torch

from fathom import models
from fathom.data.pair_text import learn
from fathom.recipes.common.translator_exports import Teacher, Unrolled, of_pairs, read
from fathom.train.export import BATCHES, export

SOURCE, TARGET, LONGEST = 13, 11, 5
TRANSFORMER = {"d_model": 6, "num_heads": 2, "d_ff": 7, "num_layers": 2, "max_steps": 17}
RECURRENT = {"embedding_size": 3, "hidden_size": 6, "num_layers": 2}
ALL = {
    "transformer": ("transformer", TRANSFORMER),
    "relative": ("transformer", {**TRANSFORMER, "positions": "relative", "norm_first": True}),
    "learned": ("transformer", {**TRANSFORMER, "positions": "learned", "scaled": False, "averaged": True}),
    "seq2seq": ("seq2seq", RECURRENT),
    "seq2seq-both-ways": ("seq2seq", {**RECURRENT, "cell": "lstm", "bidirectional": True}),
    "bahdanau": ("bahdanau", {**RECURRENT, "num_layers": 1}),
    "bahdanau-both-ways": ("bahdanau", {**RECURRENT, "cell": "lstm", "bidirectional": True}),
}


def built(name):
    kind, arguments = ALL[name]
    return models.create(kind, source_vocab_size=SOURCE, target_vocab_size=TARGET, **arguments)


def handed_over(name, seed=0):
    torch.manual_seed(seed)
    words = {"source": "abcdefghi", "target": "tuvwxyz"}  # and four reserved ones
    sides = {side: learn([" ".join(letters)], {"min_count": 1}) for side, letters in words.items()}
    folder = SimpleNamespace(recipe="of-a-test", data={"sides": sides, "longest": LONGEST, "source": "…"})
    return of_pairs(folder, built(name).eval(), lambda: built(name))


def pairs(rows, source_steps, steps):
    lengths = torch.randint(1, source_steps + 1, (rows,))
    return torch.randint(SOURCE, (rows, source_steps)), lengths, torch.randint(TARGET, (rows, steps))


@pytest.mark.parametrize("name", ALL)
def test_what_is_traced_says_what_the_model_says(name, monkeypatch):
    torch.manual_seed(1)
    model = built(name).double().eval()
    wrapped = Teacher(model) if name in ("transformer", "relative", "learned") else Unrolled(model)
    batch = pairs(7, 5, 3)
    expected = model(*batch).unflatten(0, (7, 3))
    assert torch.equal(wrapped(*batch), expected)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(wrapped(*batch), expected)
    monkeypatch.undo()
    assert torch.equal(wrapped(*batch), expected)  # nothing is left behind in the model
    assert not any("forward" in vars(part) for part in model.modules())


def test_reading_step_by_step_stops_at_each_rows_end():
    torch.manual_seed(2)
    encoder = built("seq2seq-both-ways").encoder.double().eval()
    source, lengths, _ = pairs(7, 5, 1)
    present = torch.arange(5) < lengths[:, None]
    other = torch.where(present, source, (source + 1) % SOURCE)
    expected, states = encoder(source, lengths)
    for given in (source, other):
        outputs, after = read(encoder, given, present)
        torch.testing.assert_close(outputs, expected)
        torch.testing.assert_close(after, states)


def test_batches_of_a_transformer_differ_in_length_and_each_has_a_whole_row():
    what = handed_over("transformer")
    batches = [what.batch(sum(BATCHES[:place]), count) for place, count in enumerate(BATCHES)]
    assert [tuple(source.shape) for source, _, _ in batches] == [(1, 2), (3, 7), (7, 17)]
    assert all(lengths.max() == source.shape[1] for source, lengths, _ in batches)
    assert what.shapes["given"] == ["batch", "steps"]
    assert handed_over("seq2seq").shapes["given"] == ["batch", LONGEST]


def test_the_weights_carry_both_vocabularies_and_how_to_create_the_model(tmp_path):
    from safetensors import safe_open
    from safetensors.torch import load_file

    what, file = handed_over("bahdanau-both-ways"), tmp_path / "model.safetensors"
    assert export(what, file, "safetensors").largest_difference == 0
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    sides = json.loads(metadata["sides"])
    assert sides["source"]["vocab"] == ["<unk>", "<pad>", "<bos>", "<eos>", *"abcdefghi"]
    assert sides["target"]["vocab"][4:] == [*"tuvwxyz"]
    model = models.create(metadata["model"], **json.loads(metadata["arguments"])).eval()
    model.load_state_dict(load_file(file))
    batch = pairs(3, 5, 5)
    assert torch.equal(model(*batch), what.model(*batch).flatten(0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformer", "relative", "seq2seq-both-ways", "bahdanau"])
def test_the_program_takes_batches_of_any_size_and_a_transformers_rows_any_length(name, tmp_path):
    what, file = handed_over(name), tmp_path / "model.pt2"
    assert export(what, file, "torch").largest_difference < 1e-5
    program = torch.export.load(file).module()
    for rows in (1, 5):
        for source_steps, steps in ((2, 17), (17, 2), (3, 3)) if what.steps else ((LONGEST, LONGEST),):
            batch = pairs(rows, source_steps, steps)
            torch.testing.assert_close(program(*batch), what.model(*batch), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["transformer", "learned", "seq2seq", "bahdanau-both-ways"])
def test_onnxruntime_says_what_the_model_says(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    what, file = handed_over(name), tmp_path / "model.onnx"
    assert export(what, file, "onnx").largest_difference < 1e-5
    session = onnxruntime.InferenceSession(file)
    assert {given.name: given.shape for given in session.get_inputs()} == what.shapes
    assert "<bos> (2) in front" in session.get_modelmeta().custom_metadata_map["input"]
    for source_steps, steps in ((2, 17), (17, 2), (3, 3)) if what.steps else ((LONGEST, LONGEST),):
        batch = pairs(5, source_steps, steps)
        given = {name: tensor.numpy() for name, tensor in zip(what.inputs, batch, strict=True)}
        (logits,) = session.run(None, given)
        torch.testing.assert_close(torch.from_numpy(logits), what.model(*batch), atol=1e-5, rtol=1e-4)
