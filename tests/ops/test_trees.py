"""Forests by level equal forests node by node, and other trees over the same leaves are what they say."""

import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.errors import ShapeError
from fathom.ops import trees


def forest(*sizes, seed=0):
    """Random binary trees of so many leaves, whose words are numbered from 1 on."""
    source, rows, word = random.Random(seed), [], 0

    def grow(count):
        nonlocal word
        if count == 1:
            word += 1
            rows.append((word, 0, 0, 0))
            return len(rows) - 1
        first = source.randrange(1, count)
        left, right = grow(first), grow(count - first)
        rows.append((0, len(rows) - left, len(rows) - right, 1 + max(rows[left][3], rows[right][3])))
        return len(rows) - 1

    for size in sizes:
        grow(size)
    return torch.tensor(rows)


def leaves(of, features=3, seed=0):
    random_numbers = torch.Generator().manual_seed(seed)
    count = int((of[:, trees.HEIGHT] == 0).sum())
    return torch.randn(count, features, generator=random_numbers, dtype=torch.float64)


def by_node(states, of, combine):
    return torch.cat(trees.fold_by_node(states.split(1), of, combine))


def by_level(states, of, combine):
    plan = trees.levels(of)
    rank = (of[:, trees.HEIGHT] == 0).cumsum(0) - 1
    return trees.fold(states[rank[plan.leaves]], plan, combine)


def uneven(left, right):
    return (2 * left - right.roll(1, dims=1)).tanh()


@given(st.lists(st.integers(1, 13), min_size=1, max_size=7), st.integers(0, 1000))
def test_by_level_equals_by_node(sizes, seed):
    of = forest(*sizes, seed=seed)
    states = leaves(of)
    torch.testing.assert_close(by_level(states, of, uneven), by_node(states, of, uneven), rtol=1e-14, atol=1e-14)


@given(st.lists(st.integers(1, 11), min_size=1, max_size=5), st.integers(0, 1000))
def test_gradients_by_level_equal_those_by_node(sizes, seed):
    of = forest(*sizes, seed=seed)
    gradients = []
    for fold in (by_level, by_node):
        states = leaves(of).requires_grad_()
        fold(states, of, uneven).sin().sum().backward()
        gradients.append(states.grad)
    torch.testing.assert_close(*gradients, rtol=1e-13, atol=1e-13)


def test_each_level_is_combined_once():
    of, calls = forest(7, 5, 11, 2), []

    def combine(left, right):
        calls.append(len(left))
        return left + right

    by_level(leaves(of), of, combine)
    assert len(calls) == int(of[:, trees.HEIGHT].max())
    assert sum(calls) == 6 + 4 + 10 + 1


def test_a_sum_over_a_tree_is_the_sum_of_its_leaves():
    of = forest(7, 1, 5)
    states = leaves(of)
    sums = by_level(states, of, torch.add)[trees.roots(of)]
    torch.testing.assert_close(sums, torch.stack([part.sum(0) for part in states.split([7, 1, 5])]))


def test_two_forests_below_each_other_are_one():
    first, second = forest(5, 3, seed=1), forest(2, 7, seed=2)
    whole = torch.cat([first, second])
    states = leaves(whole)
    apart = torch.cat([by_level(states[:8], first, uneven), by_level(states[8:], second, uneven)])
    assert torch.equal(by_level(states, whole, uneven), apart)


def test_roots_are_the_last_of_each_tree():
    assert trees.roots(forest(1, 3, 1, 1, 5)).tolist() == [0, 5, 6, 7, 16]


@pytest.mark.parametrize("wrong", [torch.zeros(0, 4).long(), torch.zeros(3, 5).long(), torch.zeros(4).long()])
def test_what_is_no_forest_is_refused(wrong):
    with pytest.raises(ShapeError, match=r"forest: expected nodes \(nodes, 4\), got"):
        trees.levels(wrong)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 13])
@pytest.mark.parametrize("kind", trees.KINDS)
def test_a_shape_is_a_tree_of_its_kind(kind, count):
    rows = trees.shape(count, kind)
    of = torch.cat([torch.zeros(len(rows), 1).long(), rows], dim=1)
    assert len(rows) == 2 * count - 1
    assert int((of[:, trees.HEIGHT] == 0).sum()) == count
    assert trees.roots(of).tolist() == [2 * count - 2]
    heights = {"balanced": math.ceil(math.log2(count)), "left": count - 1, "right": count - 1}
    assert int(rows[-1, 2]) == heights[kind]


def bracketed(of):
    """Each tree as nested brackets of its words, by plain recursion."""

    def text(row):
        word, left, right, height = of[row].tolist()
        return f"({text(row - left)} {text(row - right)})" if height else str(word)

    return [text(row) for row in trees.roots(of).tolist()]


def test_other_trees_stand_over_the_same_words():
    of = forest(4, 1, 3)
    assert bracketed(trees.shaped(of, "balanced")) == ["((1 2) (3 4))", "5", "((6 7) 8)"]
    assert bracketed(trees.shaped(of, "right")) == ["(1 (2 (3 4)))", "5", "(6 (7 8))"]
    assert bracketed(trees.shaped(of, "left")) == ["(((1 2) 3) 4)", "5", "((6 7) 8)"]
