import pytest
import torch

from fathom import data
from fathom.data.recall import ANSWERS, BREAK, MARK, NOISE
from fathom.errors import InputError

TASKS = ("first-symbol", "marked-symbol", "since-the-break")


def drawn(task, length=13, examples=211, split="train"):
    dataset = data.load(f"{task},length={length},examples={examples}", split)
    return dataset.tensors["x"], dataset.tensors["y"]


def test_the_first_symbol_is_the_answer_and_noise_follows():
    x, y = drawn("first-symbol")
    assert torch.equal(x[:, 0], y)
    assert x[:, 1:].min() >= NOISE


def test_the_symbol_behind_the_only_mark_is_the_answer():
    x, y = drawn("marked-symbol")
    row, place = (x == MARK).nonzero(as_tuple=True)
    assert torch.equal(row, torch.arange(len(x)))
    assert torch.equal(x[row, place + 1], y)
    assert ((x < ANSWERS).sum(dim=1) > 1).float().mean() > 0.9  # others stand there to mislead


@pytest.mark.parametrize("length", [8, 13, 30])
def test_more_than_half_of_what_stands_after_the_break_is_the_answer(length):
    x, y = drawn("since-the-break", length)
    (place,) = (x == BREAK).nonzero(as_tuple=True)[1:]
    assert len(place) == len(x)
    before = 0
    for symbols, end, answer in zip(x, place, y, strict=True):
        after = symbols[end + 1 :]
        assert len(after) >= 3
        assert (after == answer).sum() * 2 > len(after)
        before += int(symbols[:end].mode().values == answer)
    assert before / len(x) < 0.4  # what stood before does not help


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_even_and_splits_differ(task):
    x, y = drawn(task, examples=2000)
    assert torch.bincount(y, minlength=ANSWERS).min() > 400
    assert not torch.equal(x[:211], drawn(task, split="test")[0])
    assert torch.equal(x, drawn(task, examples=2000)[0])


def test_a_sequence_too_short_for_the_task_is_refused():
    with pytest.raises(InputError, match="length: expected a whole number from 8, got '7'"):
        data.load("first-symbol,length=7")
