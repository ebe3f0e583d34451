"""Zipf's law on texts made to follow it, the mixture of n-grams against its parts, and what a leak is worth."""

import math

import numpy as np
import pytest
import torch

from fathom import data
from fathom.data.ngrams import NGramModel
from fathom.errors import DataError, InputError
from fathom.recipes import bidirectional_leak, ngram, zipf
from fathom.records import RunFolder


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.3])
def test_a_text_made_by_a_power_law_gives_its_exponent_back(exponent):
    shares = np.arange(1, 301) ** -exponent
    words = np.repeat(np.arange(1, 301), np.ceil(40_000 * shares / shares.sum()).astype(int))
    x = torch.from_numpy(np.random.default_rng(0).permutation(words))
    train = data.load("time-machine,unit=word,tokens=1000")
    text = data.Dataset(train.card, "train", {"x": x, "y": x}, train.used, {"vocab": range(301)})
    config = zipf.Config()
    at, logs = zipf.points(config, text)
    slope = np.polyfit(at, logs[:, 0], 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.03)


def test_descent_finds_the_line_of_least_squares():
    result = zipf.run(zipf.Config(epochs=50, threads=1, data="time-machine,unit=word,tokens=3000"))
    for name in ("words", "pairs", "triples"):
        assert result.metrics[f"{name}_slope"] == pytest.approx(result.metrics[f"{name}_least_squares"], abs=1e-3)


def test_too_few_words_for_a_law_are_told():
    with pytest.raises(DataError, match="expected at least 20 different words, got"):
        zipf.load_splits(zipf.Config(data="time-machine,unit=word,tokens=12"))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    config = ngram.Config(order=3, threads=1, epochs=5, data="time-machine,tokens=5000")
    folder = RunFolder.create("ngram", vars(config), tmp_path_factory.mktemp("ngram") / "run")
    return folder, ngram.run(config, folder)


def test_a_mixture_is_better_than_each_of_its_parts(mixture):
    _, result = mixture
    single = [result.metrics[f"test_backoff_{n}_perplexity"] for n in (1, 2, 3)]
    assert math.exp(result.metrics["best_test_loss"]) < min(single)
    assert sum(result.metrics[f"weight_{n}"] for n in (1, 2, 3)) == pytest.approx(1)


def test_a_score_is_the_mixture_of_what_the_parts_say(mixture):
    folder, _ = mixture
    train = data.load("time-machine,tokens=5000")
    vocab = train.about["vocab"]
    tokens = np.array([vocab.index(letter) for letter in "the time"])
    weights = ngram.trained(folder).weights.detach().softmax(0).numpy()
    parts = [NGramModel(train.tensors["x"].numpy(), n, len(vocab), "backoff", 0.75) for n in (1, 2, 3)]
    chances = sum(weight * np.exp(part.log_probabilities(tokens)) for weight, part in zip(weights, parts, strict=True))
    assert ngram.score(folder, "the time").label == pytest.approx(np.log(chances[1:]).sum(), rel=1e-5)


def test_what_follows_is_a_distribution(mixture):
    folder, _ = mixture
    reader = ngram.Reader(ngram.Config(**folder.config), ngram.trained(folder), len(folder.data["vocab"]))
    logits, seen = reader(torch.tensor([[3, 1, 4, 1], [5, 9, 2, 6]]), None)
    torch.testing.assert_close(logits.exp().sum(dim=1), torch.ones(2))
    assert seen.tolist() == [[4, 1], [2, 6]]


def test_a_text_of_one_token_has_no_score(mixture):
    with pytest.raises(InputError, match="'t': expected at least two tokens to score, got one"):
        ngram.score(mixture[0], "t")


@pytest.mark.slow
def test_a_net_that_reads_both_ways_has_seen_the_answer():
    config = bidirectional_leak.Config(
        hidden_size=24, steps=12, epochs=12, lr=0.02, threads=1, data="time-machine,tokens=3000"
    )
    metrics = bidirectional_leak.run(config).metrics
    assert metrics["both_ways_perplexity"] < 1.8
    assert metrics["both_ways_next_perplexity"] > metrics["one_way_next_perplexity"]
    assert metrics["one_way_perplexity"] > 4
