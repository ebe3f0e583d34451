import math

import pytest
import torch

from fathom import data
from fathom.errors import InputError
from fathom.recipes.polynomial import Config, powers, run


def settings(**changes):
    return Config(device="cpu", threads=1, **changes)


@pytest.fixture(scope="module")
def fitted():
    return run(settings(epochs=150, lr=0.02))  # about 300 of the book's epochs


def test_two_terms_underfit(fitted):
    assert fitted.metrics["train_terms_2_loss"] > 1
    assert fitted.metrics["test_terms_2_loss"] > 1


def test_four_terms_find_the_true_weights(fitted):
    assert fitted.metrics["terms_4_weight_error"] < 0.1
    assert fitted.metrics["test_terms_4_loss"] < 0.02  # the noise alone is 0.01


def test_twenty_terms_overfit(fitted):
    assert fitted.metrics["train_terms_20_loss"] < 0.03
    assert fitted.metrics["test_terms_20_loss"] > 2 * fitted.metrics["test_terms_4_loss"]


def test_the_sum_is_the_sum(fitted):
    parts = [fitted.metrics[f"test_terms_{terms}_loss"] for terms in (2, 4, 20)]
    assert fitted.metrics["test_loss"] == pytest.approx(sum(parts))


def test_side_by_side_each_polynomial_learns_as_if_alone():
    together = run(settings(epochs=3, terms=(4, 2)))
    alone = run(settings(epochs=3, terms=(4,)))  # the first to be built, so it starts from the same weights
    theirs = [record["test_terms_4_loss"] for record in together.history]
    assert theirs == pytest.approx([record["test_terms_4_loss"] for record in alone.history], rel=1e-5)


def test_powers_are_the_columns_of_the_data():
    split = data.load("polynomial")
    torch.testing.assert_close(powers(split.tensors["t"][:, 0], 20), split.tensors["x"])
    assert powers(torch.tensor([3.0]), 5)[0].tolist() == pytest.approx([3**i / math.factorial(i) for i in range(5)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"terms": ()}, "--terms: expected different numbers of at least 1"),
        ({"terms": (2, 2)}, "--terms: expected different numbers of at least 1"),
        ({"terms": (0,)}, "--terms: expected different numbers of at least 1"),
        ({"clip": 1.0}, "--clip: expected 0.0, since the polynomials learn side by side"),
        ({"patience": 3}, "--patience: expected 0, since"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        settings(**changes)


@pytest.mark.parametrize("changes", [{"terms": (21,)}, {"data": "synthetic-linear"}])
def test_data_with_too_few_terms_are_refused(changes):
    with pytest.raises(InputError, match=r"expected the set polynomial with at least 2\d terms, got"):
        run(settings(**changes))


def test_more_terms_may_be_asked_of_the_data():
    result = run(settings(terms=(21,), data="polynomial,columns=21", epochs=1, limit=1))
    assert math.isfinite(result.metrics["test_terms_21_loss"])
