"""Full tables of sequences, and what is refused as a distribution."""

import itertools

import pytest
import torch

from fathom.errors import InputError
from fathom.ops.discrete_sequences import every_sequence, require_distribution, table_parameters


def test_every_sequence_is_there_once_and_in_order():
    rows = every_sequence(3, 5)
    assert rows.tolist() == [list(row) for row in itertools.product(range(3), repeat=5)]
    assert every_sequence(7, 1).tolist() == [[symbol] for symbol in range(7)]


def test_a_table_has_a_number_for_each_sequence_but_one():
    assert table_parameters(3, 5) == len(every_sequence(3, 5)) - 1


@pytest.mark.parametrize(
    ("rows", "got"),
    [
        ([0.5, 0.4], "got a sum of 0.9; divide them by it"),
        ([[0.5, 0.5], [0.5, 0.6]], "got a sum of 1.1"),
        ([1.2, -0.2], "at least 0, got -0.2"),
        ([float("nan"), 1.0], "at least 0, got nan"),
        ([], "expected the probability of at least one value, got none"),
    ],
)
def test_what_is_no_distribution_is_refused(rows, got):
    with pytest.raises(InputError, match=got):
        require_distribution("chances", torch.tensor(rows))


def test_a_distribution_is_given_back():
    shares = torch.full((2, 7), 1 / 7)
    assert require_distribution("chances", shares) is shares


def test_a_table_too_large_is_refused():
    with pytest.raises(InputError, match=r"expected at most 4,194,304 of them, got 27\^5"):
        every_sequence(27, 5)
