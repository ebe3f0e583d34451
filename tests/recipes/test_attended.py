import dataclasses
import json

import pytest
import torch
from PIL import Image

from fathom import cli, recipes
from fathom.errors import InputError
from fathom.recipes import vit
from fathom.recipes.common import attended
from fathom.records import RunFolder

SHORT = {"epochs": 1, "limit": 2, "threads": 1, "device": "cpu", "batch_size": 8}
SENTENCE = "nine hundred"
PAIR = ("uavbz", "zbvau")  # the same symbols in two orders
RUNS = {
    "gpt-char": {"hidden_size": 6, "num_heads": 2, "num_layers": 3, "steps": 13, "data": "time-machine,tokens=900"},
    "layer-norm-not-batch-norm": {
        "hidden_size": 6,
        "num_heads": 2,
        "num_layers": 3,
        "steps": 14,
        "data": "time-machine,tokens=900",
    },
    "positional-encoding": {
        "hidden_size": 6,
        "num_heads": 3,
        "num_layers": 2,
        "data": "since-the-break,length=17,examples=30",
    },
    "char-gru": {"hidden_size": 5, "data": "time-machine,tokens=2000"},
    "bahdanau": {"hidden_size": 6, "embedding_size": 3, "translations": 3, "data": "number-words,pairs=90"},
    "vit": {
        "sizes": (8,),
        "hidden_size": 4,
        "num_heads": 2,
        "num_layers": 1,
        "test_examples": 8,
        "augment": "",
        "data": "drawn-shapes,size=8",
    },
    "seq2seq": {"hidden_size": 6, "embedding_size": 3, "translations": 3, "data": "number-words,pairs=90"},
    "transformer-numbers": {
        "d_model": 6,
        "num_heads": 3,
        "num_layers": 2,
        "d_ff": 5,
        "translations": 3,
        "data": "number-words,pairs=90",
    },
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Gives a tiny run of a recipe, trained when first asked for."""
    made = {}

    def run(name):
        if name not in made:
            module = recipes.load(name)
            config = module.Config(**{**SHORT, **RUNS[name]})
            made[name] = RunFolder.create(name, dataclasses.asdict(config), tmp_path_factory.mktemp(name) / "run")
            module.run(config, made[name])
        return made[name]

    return run


def looks(run, name, source):
    return attended.of_run(recipes.load(name), run(name), source)


def sums_to_one(layer):
    torch.testing.assert_close(layer.weights.sum(-1), torch.ones(layer.weights.shape[:-1]))


@pytest.mark.parametrize("name", ["gpt-char", "layer-norm-not-batch-norm"])
def test_every_head_of_every_block_of_a_gpt_is_seen_and_none_looks_ahead(runs, name):
    found = looks(runs, name, "the time")
    assert [layer.name for layer in found] == ["block 1", "block 2", "block 3"]
    for layer in found:
        assert layer.weights.shape == (2, 8, 8)
        assert layer.weights.triu(1).abs().max() == 0
        assert layer.queries == layer.keys == list("the␣time")
        sums_to_one(layer)


def test_of_a_transformer_both_sides_and_what_is_between_them_are_seen(runs):
    found = {layer.name: layer for layer in looks(runs, "transformer-numbers", SENTENCE)}
    assert sorted(found) == sorted(
        f"{side} {number}{what}"
        for number in (1, 2)
        for side, what in (("encoder", ""), ("decoder", ""), ("decoder", ", the source"))
    )
    between, above = found["decoder 2, the source"], found["decoder 2"]
    assert between.weights.shape == (3, len(between.queries), len(between.keys))
    assert between.keys[-1] == "<eos>"
    assert between.keys == found["encoder 1"].keys == found["encoder 1"].queries
    assert list(above.keys) == ["<bos>", *between.queries[:-1]]
    for layer in found.values():
        sums_to_one(layer)


def test_of_a_recurrent_translator_the_alignment_is_seen(runs):
    (layer,) = looks(runs, "bahdanau", SENTENCE)
    assert layer.weights.shape == (1, len(layer.queries), len(layer.keys))
    sums_to_one(layer)


def test_every_block_of_the_net_of_each_kind_of_positions_is_seen(runs):
    found = {layer.name: layer for layer in looks(runs, "positional-encoding", "uavbz")}
    kinds = ["sinusoidal", "learned", "relative", "none"]
    assert list(found) == [f"{kind}, block {number}" for kind in kinds for number in (1, 2)]
    for layer in found.values():
        assert layer.weights.shape == (3, 5, 5)
        assert layer.queries == layer.keys == list("uavbz")
        sums_to_one(layer)


def test_without_positions_symbols_in_another_order_look_at_the_same_symbols(runs):
    one, other = ({layer.name: layer.weights for layer in looks(runs, "positional-encoding", text)} for text in PAIR)
    back = one["none, block 2"].flip(1, 2)
    torch.testing.assert_close(other["none, block 2"], back)
    for kind in ("sinusoidal", "learned", "relative"):
        assert (other[f"{kind}, block 1"] - one[f"{kind}, block 1"].flip(1, 2)).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["lenet", "memory-network"])
def test_a_recipe_that_shows_no_attention_is_said_to_show_none_not_to_have_none(tmp_path, name):
    folder = RunFolder.create(name, {}, tmp_path / "run")
    message = f"expected a run of a recipe that shows attention, but {name} shows none; try one of gpt-char"
    with pytest.raises(InputError, match=message):
        attended.of_run(recipes.load(name), folder, "the time")


@pytest.mark.parametrize("name", ["seq2seq", "char-gru"])
def test_a_model_without_attention_is_said(runs, name):
    with pytest.raises(InputError, match=f"expected a run whose model has attention, but that of {name} has none"):
        looks(runs, name, SENTENCE if name == "seq2seq" else "the time")


def test_the_command_draws_a_picture_for_each_layer_and_measures_nothing(runs, capsys):
    folder = runs("transformer-numbers").path
    assert cli.main(["eval", str(folder), "--attention", SENTENCE]) == 0
    said = capsys.readouterr().out.split()
    names = ["decoder-1-the-source", "decoder-1", "decoder-2-the-source", "decoder-2", "encoder-1", "encoder-2"]
    assert sorted(said) == sorted(str(folder / "pictures" / f"attention-{name}.png") for name in names)
    assert all((folder / "pictures" / f"attention-{name}.png").read_bytes()[:4] == b"\x89PNG" for name in names)


def test_the_weights_come_as_json_too(runs, capsys):
    assert cli.main(["eval", str(runs("gpt-char").path), "--attention", "the", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [layer["layer"] for layer in said["attention"]] == ["block 1", "block 2", "block 3"]
    assert said["attention"][0]["weights"][1][0] == [1.0, 0.0, 0.0]
    assert len(said["pictures"]) == 3


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("gpt-char", ["--attention", "the time traveller"], "expected at most 13 tokens"),
        ("layer-norm-not-batch-norm", ["--attention", "the time traveller"], "expected at most 14 steps, got 18"),
        ("positional-encoding", ["--attention", "uavbz" * 5], "expected at most 17 steps, got 25"),
        ("positional-encoding", ["--attention", "the"], "expected some of"),
        ("char-gru", ["--attention", "the"], "expected a run whose model has attention"),
        ("gpt-char", ["--attention", "the", "--pictures"], "--attention: expected without --pictures"),
    ],
)
def test_what_can_not_be_looked_at_is_said(runs, capsys, name, words, message):
    assert cli.main(["eval", str(runs(name).path), *words]) == 2
    assert message in capsys.readouterr().err


def test_of_a_picture_the_patches_look_at_each_other_and_the_class_token_at_all(tmp_path, runs):
    Image.new("RGB", (8, 8), (200, 30, 40)).save(tmp_path / "red.png")
    found = looks(runs, "vit", str(tmp_path / "red.png"))
    assert [layer.name for layer in found] == ["block 1", "block 1, class token"]
    whole, by_class = found
    assert whole.weights.shape == (2, 5, 5)
    assert list(whole.queries) == ["class", "1,1", "1,2", "2,1", "2,2"]
    assert whole.xlabel == "where it looks: patch, by row and column"
    sums_to_one(whole)
    torch.testing.assert_close(by_class.weights.flatten(1), whole.weights[:, 0, 1:])
    assert all(path.is_file() for path in attended.draw(runs("vit"), found))


def test_of_many_patches_the_axes_say_what_the_numbers_are(tmp_path, runs, monkeypatch):
    monkeypatch.setattr(vit, "MOST_NAMES", 4)
    Image.new("RGB", (8, 8), (200, 30, 40)).save(tmp_path / "red.png")
    whole, by_class = looks(runs, "vit", str(tmp_path / "red.png"))
    assert whole.ylabel == "what looks: patch; 0 is the class token"
    assert by_class.ylabel == "row of patches"


@pytest.mark.parametrize(("heads", "length", "in_a_row"), [(5, 11, 4), (3, 29, 2), (1, 29, 1)])
def test_the_more_names_the_fewer_heads_stand_side_by_side(tmp_path, monkeypatch, heads, length, in_a_row):
    drawn = []
    monkeypatch.setattr(attended, "attention_maps", lambda *given, columns, **_: drawn.append(columns or 4))
    names = [f"word{number}" for number in range(length)]
    layer = attended.Looks(name="block 1", weights=torch.ones(heads, length, length), queries=names, keys=names)
    attended.draw(RunFolder(tmp_path), [layer])
    assert drawn == [in_a_row]


def test_sequences_too_long_for_names_are_drawn_with_numbers(tmp_path):
    folder = RunFolder(tmp_path)
    names = [f"a long name {number}" for number in range(67)]
    layer = attended.Looks(name="block 1", weights=torch.eye(67)[None], queries=names, keys=names)
    (drawn,) = attended.draw(folder, [layer])
    with Image.open(drawn) as picture:
        assert max(picture.size) < 1500
