from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data.ngrams import NGramModel, count_ngrams
from fathom.errors import InputError, UnknownNameError

texts = st.lists(st.integers(0, 4), min_size=5, max_size=60).map(np.array)
orders = st.integers(1, 4)
smoothings = st.sampled_from(["laplace", "backoff"])
quick = settings(deadline=None, max_examples=40)


@quick
@given(texts, orders)
def test_counts_are_those_of_a_counter(tokens, n):
    runs, counts = count_ngrams(tokens, n, 5)
    expected = Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
    assert {tuple(run): count for run, count in zip(runs, counts, strict=True)} == expected
    assert list(counts) == sorted(counts, reverse=True)


@quick
@given(texts, orders, smoothings, st.lists(st.integers(0, 4), min_size=3, max_size=3))
def test_after_any_context_the_probabilities_are_positive_and_sum_to_one(tokens, n, smoothing, context):
    model = NGramModel(tokens, n, 5, smoothing, 0.6)
    contexts = np.tile(np.array(context)[: n - 1], (5, 1))
    probabilities = model(contexts, np.arange(5))
    assert probabilities.min() > 0
    assert probabilities.sum() == pytest.approx(1, abs=1e-9)


@quick
@given(texts, orders)
def test_laplace_is_its_formula(tokens, n):
    listed, strength = [int(token) for token in tokens], 0.7

    def expected(context, token):
        shorter = expected(context[1:], token) if context else 1 / 5
        after = [
            listed[i + len(context)] for i in range(len(listed) - len(context)) if listed[i:][: len(context)] == context
        ]
        return (after.count(token) + strength * shorter) / (len(after) + strength)

    model = NGramModel(tokens, n, 5, "laplace", strength)
    logs = model.log_probabilities(tokens)
    for place in range(len(listed)):
        context = listed[max(0, place - n + 1) : place]
        assert np.exp(logs[place]) == pytest.approx(expected(context, listed[place]), rel=1e-12)


def test_backing_off_takes_what_was_discounted():
    model = NGramModel(np.array([0, 1, 0, 1, 0, 2]), 2, 4, "backoff", 0.5)
    after_zero = model(np.zeros((4, 1), int), np.arange(4))
    assert after_zero[1] == pytest.approx(1.5 / 3)
    assert after_zero[2] == pytest.approx(0.5 / 3)
    assert after_zero[[0, 3]].sum() == pytest.approx(2 * 0.5 / 3)
    assert after_zero[0] > after_zero[3]  # for 0 was seen elsewhere


def test_without_context_and_all_equally_often_the_perplexity_is_the_number_of_tokens():
    tokens = np.tile(np.arange(7), 11)
    assert NGramModel(tokens, 1, 7).perplexity(tokens) == pytest.approx(7)


def test_a_longer_context_tells_more_of_a_cycle():
    tokens = np.tile([0, 1, 0, 2], 50)
    perplexities = [NGramModel(tokens, n, 3).perplexity(tokens) for n in (1, 2, 3)]
    assert perplexities[0] > perplexities[1] > perplexities[2]
    assert perplexities[2] < 1.1


def test_bad_numbers_are_refused():
    with pytest.raises(InputError, match="n-grams: expected at least n = 3 tokens"):
        NGramModel(np.array([1, 2]), 3, 5)
    with pytest.raises(InputError, match="strength: expected a number above 0 and below 1, got 1"):
        NGramModel(np.array([1, 2]), 1, 5, "backoff", 1.0)
    with pytest.raises(UnknownNameError, match="unknown smoothing 'back-off'; did you mean 'backoff'"):
        NGramModel(np.array([1, 2]), 1, 5, "back-off")
