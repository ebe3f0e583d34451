import math

import numpy as np
import pytest
import torch

from fathom.errors import InputError
from fathom.layers.positions import frequencies, relative_scores, rotation, sinusoids


def test_the_table_is_the_papers_formula():
    table = sinusoids(7, 6)
    for place in range(7):
        for pair in range(3):
            angle = place / 10_000 ** (2 * pair / 6)
            assert table[place, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-7)
            assert table[place, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-7)


@pytest.mark.parametrize("distance", [1, 5, 23])
def test_a_later_position_is_a_fixed_rotation_of_an_earlier_one(distance):
    turn, table = rotation(distance, 32), sinusoids(60 + distance, 32)
    np.testing.assert_allclose(table[:60] @ turn.T, table[distance:], atol=1e-6)
    np.testing.assert_allclose(turn @ turn.T, np.eye(32), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_rotations_add_up():
    np.testing.assert_allclose(rotation(3, 10) @ rotation(4, 10), rotation(7, 10), atol=1e-12)


def test_every_pair_has_length_one_and_turns_slower_than_the_one_before():
    table = sinusoids(11, 8)
    np.testing.assert_allclose(table[:, 0::2] ** 2 + table[:, 1::2] ** 2, 1, atol=1e-6)
    assert bool((np.diff(frequencies(8)) < 0).all())


def test_the_product_of_two_positions_depends_on_their_distance_alone():
    products = sinusoids(30, 16).astype(float) @ sinusoids(30, 16).T.astype(float)
    for distance in range(29):
        diagonal = np.diagonal(products, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-5)


def test_an_odd_number_of_features_ends_with_a_sine_and_does_not_turn():
    with pytest.raises(InputError, match="features: expected an even number, whose columns are pairs, got 5"):
        rotation(1, 5)
    assert sinusoids(3, 5).shape == (3, 5)
    np.testing.assert_allclose(sinusoids(3, 5)[:, 4], np.sin(np.arange(3) * frequencies(5)[2]), atol=1e-7)


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (2, 7), (1, 4)])
def test_relative_scores_are_those_of_a_loop(queries, keys):
    random = torch.Generator().manual_seed(0)
    q = torch.randn(2, 3, queries, 4, generator=random, dtype=torch.float64)
    vectors = torch.randn(2 * 2 + 1, 4, generator=random, dtype=torch.float64)
    expected = torch.empty(2, 3, queries, keys, dtype=torch.float64)
    for query in range(queries):
        for key in range(keys):
            distance = min(max(key - (keys - queries + query), -2), 2)
            expected[..., query, key] = q[..., query, :] @ vectors[distance + 2] / 2
    torch.testing.assert_close(relative_scores(q, vectors, keys), expected)
