import dataclasses
import json

import pytest
import torch
from torch.nn.functional import cross_entropy

from fathom import recipes
from fathom.cli import main
from fathom.errors import InputError
from fathom.metrics import corpus_bleu
from fathom.recipes.common import translation
from fathom.records import RunFolder
from fathom.train import evaluate

SMALL = {"embedding_size": 16, "hidden_size": 32, "num_layers": 1, "dropout": 0.0, "threads": 1, "device": "cpu"}
NUMBERS = "number-words,pairs=300,most=999"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Pairs that a net can learn by heart, in a file of one's own."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.tsv"
    english, french = ["the cat", "the dog", "the bird", "a cat", "a dog", "a bird"], {}
    words = {"the": "le", "a": "un", "cat": "chat", "dog": "chien", "bird": "merle", "sleeps": "dort", "eats": "mange"}
    for subject in english:
        for verb in ("sleeps", "eats"):
            sentence = f"{subject} {verb} ."
            french[sentence] = " ".join(words.get(word, word) for word in sentence.split())
    path.write_text("".join(f"{source}\t{target}\n" for source, target in french.items()) * 2, encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["seq2seq", "bahdanau"])
def learnt(request, file, tmp_path_factory):
    """A run that has learnt the file by heart, by the command line."""
    run = tmp_path_factory.mktemp(request.param) / "run"
    words = ["train", request.param, "--data", f"pairs:{file},test=0,min_count=1", "--out", str(run), "--quiet"]
    settings = ["--epochs", "40", "--hidden-size", "32", "--num-layers", "1", "--batch-size", "8", "--lr", "0.02"]
    assert main([*words, *settings, "--threads", "1"]) == 0
    return request.param, run


def test_a_file_never_seen_before_is_learnt_and_translated(learnt, capsys):
    _, run = learnt
    assert main(["predict", str(run), "The dog eats.", "A cat sleeps."]) == 0
    out = capsys.readouterr().out
    assert "The dog eats.: le chien mange.\n" in out
    assert "A cat sleeps.: un chat dort.\n" in out


def test_the_next_best_and_the_alignment_are_shown(learnt, capsys):
    name, run = learnt
    assert main(["predict", str(run), "A bird eats.", "--best", "2", "--width", "5", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["predictions"]
    scores = [entry["score"] for entry in found["extra"]["translations"]]
    assert found["extra"]["translations"][0]["text"] == found["label"] == "un merle mange."
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)
    if name == "bahdanau":
        seen = found["extra"]["alignment"]
        assert seen["source"] == ["a", "bird", "eats", ".", "<eos>"]
        assert seen["target"] == ["un", "merle", "mange", ".", "<eos>"]
        assert [sum(row) for row in seen["weights"]] == pytest.approx([1.0] * 5)
        assert main(["predict", str(run), "A bird eats.", "--plot"]) == 0
        assert "merle │" in capsys.readouterr().out
    else:
        assert main(["predict", str(run), "A bird eats.", "--plot"]) == 2
        assert "--plot: expected a run of a model with attention" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["xyzzy"], "'xyzzy': expected a token that the training text has"),
        ([""], "expected a sentence, got ''"),
        (["a cat .", "--width", "0"], "width: expected a beam of at least 1, got 0"),
        (["a cat .", "--best", "9"], "best: expected at most 4, the beam's width, got 9"),
        (["a cat .", "--alpha", "-1"], "alpha: expected a number of at least 0"),
        (["a cat .", "--temperature", "2"], "--temperature: expected with a language model"),
    ],
)
def test_bad_input_of_a_translation_is_one_line(learnt, words, message, capsys):
    assert main(["predict", str(learnt[1]), *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_sentence_longer_than_allowed_is_said(file, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", "seq2seq", "--data", f"pairs:{file},steps=5", "--epochs", "1", "--out", str(run)]) == 0
    capsys.readouterr()
    assert main(["predict", str(run), "the cat sleeps the cat ."]) == 2
    assert "expected at most 4 tokens, got 6" in capsys.readouterr().err


def test_data_that_are_no_pairs_are_said():
    with pytest.raises(InputError, match="xor: expected pairs of sentences"):
        recipes.load("seq2seq").run(recipes.load("seq2seq").Config(data="xor"))
    with pytest.raises(InputError, match="--data: expected a set with held-out pairs"):
        recipes.load("beam-width").run(recipes.load("beam-width").Config(data=f"{NUMBERS},test=0"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": 1.5}, "--teacher: expected a number at least 0 and at most 1, got 1.5"),
        ({"cell": "rnn"}, "--cell: expected gru or lstm, got 'rnn'"),
        ({"hidden_size": 0}, "--hidden-size: expected a number at least 1, got 0"),
        ({"dropout": 1.0}, "--dropout: expected a probability 0 <= p < 1, got 1.0"),
        ({"translations": -1}, "--translations: expected a number at least 0, got -1"),
    ],
)
def test_settings_that_can_not_be_are_said(changes, message):
    with pytest.raises(InputError, match=message):
        recipes.load("bahdanau").Config(**changes)


def test_beams_that_can_not_be_are_said():
    for widths in ((), (0, 1), (4, 2), (2, 2)):
        with pytest.raises(InputError, match="--widths: expected beams of at least 1, each wider"):
            recipes.load("beam-width").Config(widths=widths)


def built(**changes):
    config = recipes.load("bahdanau").Config(**{**SMALL, "data": NUMBERS, **changes})
    train, test = translation.load_splits(config.data)
    torch.manual_seed(0)
    return config, train, test, translation.recurrent("bahdanau")(config, train.about).eval()


@pytest.mark.parametrize("changes", [{"batch_size": 7}, {"batch_size": 30}, {"batch_tokens": 50}])
def test_the_measured_loss_does_not_depend_on_the_batches(changes):
    config, _, test, model = built(**changes)
    loss = translation.TokenLoss("torch")
    unseen = translation.batches(config, test, False, torch.device("cpu"))
    record = evaluate(model, unseen, {"loss": loss, "nats": loss.nats, "tokens": loss.tokens})
    translation.per_token(record)
    total, tokens = 0.0, 0
    for row in range(len(test)):
        x, length = test.tensors["x"][row : row + 1].long(), test.tensors["x_length"][row : row + 1]
        y = test.tensors["y"][row, : int(test.tensors["y_length"][row])].long()
        logits = model(x, length, torch.cat([torch.tensor([2]), y[:-1]])[None])
        total += cross_entropy(logits, y, reduction="sum").item()
        tokens += len(y)
    assert record["test_loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert set(record) == {"test_loss", "test_perplexity"}


def test_translations_do_not_depend_on_how_many_are_searched_at_once(monkeypatch):
    _, train, test, model = built()
    rows = torch.arange(len(test))
    together = translation.translated(model.double(), test, train.about, rows, width=3)
    monkeypatch.setattr(translation, "ROWS", 4)
    apart = translation.translated(model, test, train.about, rows, width=3)
    assert [said.text for said in apart] == [said.text for said in together]
    assert [said.score for said in apart] == pytest.approx([said.score for said in together])


def test_greedy_search_is_a_beam_of_one_and_says_no_unknown_word():
    _, train, test, model = built()
    with torch.no_grad():
        model.output.bias[:4] = torch.tensor([50.0, 50.0, 50.0, -5.0])
    said = translation.translated(model, test, train.about, torch.arange(5))
    assert all(text and "<" not in text for text, _ in said)


def test_bleu_is_of_evenly_spaced_pairs():
    config, train, test, model = built(translations=7)
    rows = translation.spaced(test, 7)
    assert len(rows) == 7
    assert rows.tolist() == [len(test) * number // 7 for number in range(7)]
    said = translation.translated(model, test, train.about, rows)
    expected = corpus_bleu([text for text, _ in said], [[test.target_texts[row]] for row in rows.tolist()])
    assert translation.points(model, config, train, test) == {"test_bleu": expected, "test_exact": 0.0}


@pytest.mark.parametrize("name", ["seq2seq", "bahdanau"])
def test_it_trains_in_half_precision(name):
    module = recipes.load(name)
    config = module.Config(**SMALL, data=NUMBERS, epochs=1, limit=3, batch_size=16, translations=3)
    full, half = (module.run(dataclasses.replace(config, precision=precision)) for precision in ("fp32", "bf16"))
    assert half.metrics["train_loss"] == pytest.approx(full.metrics["train_loss"], rel=0.02)  # of 8 bits a number


def test_a_source_with_several_translations_counts_once_with_all_of_them():
    class Pairs:
        source_texts = ("go .", "hi .", "go .")
        target_texts = ("va maintenant et ici !", "salut à toi , ami !", "pars maintenant et ici !")

    said = [translation.Said(text, 0.0) for text in (Pairs.target_texts[2], *Pairs.target_texts[1:])]
    rows = torch.arange(3)
    assert translation.bleu_of(said, Pairs, rows, every=True) == pytest.approx(100)
    assert translation.bleu_of(said, Pairs, rows) < 95


@pytest.mark.slow
@pytest.mark.parametrize("name", ["seq2seq", "bahdanau"])
def test_number_words_are_translated_after_some_epochs(name, tmp_path):
    """Fifteen hundred numbers below ten thousand, of which a tenth is held out."""
    module = recipes.load(name)
    config = module.Config(
        **{**SMALL, "hidden_size": 64}, data="number-words,pairs=1500,most=9999", epochs=5, lr=0.01, batch_size=32
    )
    folder = RunFolder.create(name, dataclasses.asdict(config), tmp_path / "run")
    result = module.run(config, folder)
    assert result.metrics["test_bleu"] > 80
    measured = module.measure(folder)
    assert measured.metrics["test_bleu"] == result.metrics["best_test_bleu"]
    assert "held-out pairs" in measured.notes[0]


def test_scheduled_sampling_trains_and_resumes(tmp_path):
    module = recipes.load("bahdanau")
    config = module.Config(**SMALL, data=NUMBERS, epochs=2, limit=4, teacher=0.2, batch_size=16)
    whole = module.run(config)
    folder = RunFolder.create("bahdanau", dataclasses.asdict(config), tmp_path / "run")
    assert module.run(config, folder).history == whole.history
    plain = module.run(dataclasses.replace(config, teacher=1.0))
    assert plain.history[-1]["train_loss"] != whole.history[-1]["train_loss"]
