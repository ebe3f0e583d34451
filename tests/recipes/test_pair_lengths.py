"""Vocabularies and lengths by unit: counted by hand, fitted as in closed form."""

import numpy as np
import pytest

from fathom import data, recipes
from fathom.errors import DataError, InputError
from fathom.records import RunFolder

SETTINGS = {
    "data": "number-words,pairs=600",
    "pieces": (80,),
    "batch_size": 600,
    "lr": 0.1,
    "epochs": 60,
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def lengths():
    pytest.importorskip("tokenizers")
    return recipes.load("pair-lengths")


@pytest.fixture
def result(lengths, known={}):  # noqa: B006  (one run for all tests in this file)
    if not known:
        known["result"] = lengths.run(lengths.Config(**SETTINGS))
    return known["result"]


def test_counts_are_those_made_by_hand(result):
    train, test = (data.load("number-words,pairs=600", split) for split in ("train", "test"))
    for texts, more, end in (
        (train.source_texts, test.source_texts, "source"),
        (train.target_texts, test.target_texts, "target"),
    ):
        words = [text.split() for text in texts]
        assert result.metrics[f"word_{end}_tokens"] == pytest.approx(np.mean([len(row) for row in words]))
        assert result.metrics[f"char_{end}_tokens"] == pytest.approx(np.mean([len(text) for text in texts]))
        assert result.metrics[f"char_{end}_short"] == pytest.approx(np.mean([len(text) < 20 for text in texts]))
        every = " ".join([*texts, *more]).split()
        assert result.metrics[f"twice_{end}_vocab"] == 4 + sum(every.count(word) > 1 for word in set(every))
        assert result.metrics[f"subword_80_{end}_vocab"] == 80


def test_pieces_lie_between_characters_and_words(result):
    for end in ("source", "target"):
        sizes = [result.metrics[f"{unit}_{end}_tokens"] for unit in ("word", "subword_80", "char")]
        assert sizes == sorted(sizes)


def test_slopes_are_those_of_least_squares(result):
    train = data.load("number-words,pairs=600")
    counted = [[len(text.split()) for text in texts] for texts in (train.source_texts, train.target_texts)]
    assert result.metrics["word_slope_least_squares"] == pytest.approx(np.polyfit(*counted, 1)[0], rel=1e-5)
    for unit in ("char", "subword_80", "word"):
        closed = result.metrics[f"{unit}_slope_least_squares"]
        assert result.metrics[f"{unit}_slope"] == pytest.approx(closed, rel=1e-4)  # 60 updates, each of all pairs
    unexplained = 1 - np.corrcoef(*counted)[0, 1] ** 2
    assert result.history[-1]["train_word_loss"] == pytest.approx(unexplained, rel=1e-3)


def test_without_pieces_the_package_is_not_needed(lengths, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    found = lengths.run(lengths.Config(**{**SETTINGS, "pieces": (), "epochs": 1}))
    assert "word_slope" in found.metrics
    assert not any(name.startswith("subword") for name in found.metrics)


def test_a_sentence_is_cut_in_every_unit(lengths, tmp_path):
    config = lengths.Config(**SETTINGS)
    folder = RunFolder.create("pair-lengths", vars(config), tmp_path / "run")
    lengths.run(config, folder)
    found = lengths.predict(folder, "seven million")
    assert found.extra["word"]["tokens"] == ["seven", "million"]
    assert len(found.extra["char"]["tokens"]) == len("seven million")
    assert found.label == found.extra["word"]["translation"] == pytest.approx(2, abs=1)
    with pytest.raises(InputError, match="expected a token that the training text has"):
        lengths.predict(folder, "犬")


def test_what_it_settles_itself_is_refused(lengths):
    with pytest.raises(InputError, match="--data: expected no unit=, for this recipe tries several"):
        lengths.Config(data="number-words,unit=char")
    with pytest.raises(InputError, match="--pieces: expected different sizes of at least 1"):
        lengths.Config(pieces=(80, 80))
    with pytest.raises(DataError, match="expected pairs of sentences; try eng-fra"):
        lengths.run(lengths.Config(data="time-machine"))
