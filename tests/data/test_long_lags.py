"""The adding problem and parity hold to their rules, and the error of who knows nothing is the variance of a sum."""

import pytest
import torch

from fathom import data
from fathom.errors import InputError


def drawn(name, split="train"):
    dataset = data.load(name, split)
    return dataset.tensors["x"], dataset.tensors["y"]


@pytest.mark.parametrize("length", [2, 7, 30])
def test_a_number_of_either_half_is_marked_and_their_sum_is_asked(length):
    x, y = drawn(f"adding,length={length},examples=211")
    assert x.shape == (211, length, 2)
    for (numbers, marks), answer in zip(x.transpose(1, 2), y, strict=True):
        first, second = marks.nonzero()[:, 0].tolist()
        assert first < length // 2 <= second
        assert set(marks.tolist()) <= {0.0, 1.0}
        assert answer.item() == pytest.approx((numbers[first] + numbers[second]).item())


def test_every_place_of_a_half_is_marked_about_as_often():
    x, _ = drawn("adding,length=7,examples=6000")
    shares = x[:, :, 1].mean(dim=0)
    torch.testing.assert_close(shares, torch.tensor([1 / 3] * 3 + [1 / 4] * 4), rtol=0.1, atol=0)


def test_always_answering_one_costs_a_sixth():
    _, y = drawn("adding,length=11,examples=50000")
    assert (y - 1).square().mean().item() == pytest.approx(1 / 6, rel=0.03)


def test_parity_is_that_of_the_ones_so_far():
    x, y = drawn("parity,length=13,examples=101")
    for bits, answers in zip(x.tolist(), y.tolist(), strict=True):
        state = 0
        for bit, answer in zip(bits, answers, strict=True):
            state ^= bit
            assert answer == state


def test_parity_is_even_and_odd_alike_and_no_single_bit_tells_it():
    x, y = drawn("parity,length=5,examples=8000")
    last = y[:, -1].double()
    assert last.mean().item() == pytest.approx(0.5, abs=0.02)
    for place in range(5):
        assert last[x[:, place] == 1].mean().item() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("name", ["adding", "parity"])
def test_splits_differ_and_a_seed_gives_the_same_rows_again(name):
    x, _ = drawn(f"{name},length=9,examples=50")
    assert torch.equal(x, drawn(f"{name},length=9,examples=50")[0])
    assert not torch.equal(x, drawn(f"{name},length=9,examples=50", "test")[0])
    assert not torch.equal(x, drawn(f"{name},length=9,examples=50,seed=1")[0])


@pytest.mark.parametrize("name", ["adding", "parity"])
def test_a_row_of_one_is_refused(name):
    with pytest.raises(InputError, match=f"{name}: length: expected a whole number from 2, got '1'"):
        data.load(f"{name},length=1")
