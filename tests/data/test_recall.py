import pytest
import torch

from fathom import data
from fathom.data.recall import ANSWERS, BREAK, MARK, NOISE, PADDING
from fathom.errors import InputError

TASKS = ("first-symbol", "marked-symbol", "since-the-break")


def drawn(task, length=23, examples=211, split="train"):
    dataset = data.load(f"{task},length={length},examples={examples}", split)
    return dataset.tensors["x"], dataset.tensors["y"]


def beginnings(x):
    """Where each row's padding ends."""
    begin = (x != PADDING).int().argmax(dim=1)
    assert (x[:, :-1][x[:, 1:] == PADDING] == PADDING).all()  # there is none in between
    return begin


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("length", [16, 23])
def test_rows_are_from_half_of_the_length_to_all_of_it_long(task, length):
    x, _ = drawn(task, length, 2000)
    begin = beginnings(x)
    assert begin.min() == 0
    assert begin.max() == length - length // 2


def test_the_first_symbol_is_the_answer_and_noise_follows():
    x, y = drawn("first-symbol")
    begin = beginnings(x)
    for symbols, start, answer in zip(x, begin, y, strict=True):
        assert symbols[start] == answer
        assert symbols[start + 1 :].min() >= NOISE


def test_the_symbol_behind_the_only_mark_is_the_answer():
    x, y = drawn("marked-symbol")
    row, place = (x == MARK).nonzero(as_tuple=True)
    assert torch.equal(row, torch.arange(len(x)))
    assert torch.equal(x[row, place + 1], y)
    assert (place >= beginnings(x)).all()
    assert ((x < ANSWERS).sum(dim=1) > 1).float().mean() > 0.9  # others stand there to mislead


@pytest.mark.parametrize("length", [16, 17, 50])
def test_the_marks_after_the_only_break_are_the_answer(length):
    x, y = drawn("since-the-break", length)
    row, place = (x == BREAK).nonzero(as_tuple=True)
    assert torch.equal(row, torch.arange(len(x)))
    after = torch.arange(length) > place[:, None]
    marks = x == MARK
    assert torch.equal((marks & after).sum(dim=1), y)
    assert (place + 3 < length).all()
    assert (place - beginnings(x) >= 3).all()
    assert 1.2 < (marks & ~after).sum(dim=1).float().mean() < 1.8  # as many stand before it, to mislead


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_even_and_splits_differ(task):
    x, y = drawn(task, examples=2000)
    assert torch.bincount(y, minlength=ANSWERS).min() > 400
    assert not torch.equal(x[:211], drawn(task, split="test")[0])
    assert torch.equal(x, drawn(task, examples=2000)[0])


def test_a_sequence_too_short_for_the_task_is_refused():
    with pytest.raises(InputError, match="length: expected a whole number from 16, got '15'"):
        data.load("first-symbol,length=15")
