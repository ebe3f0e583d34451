"""Sums, echoes and walks keep their rules; who knows what can answer which."""

from itertools import pairwise

import pytest
import torch

from fathom import data
from fathom.data import feedback
from fathom.errors import InputError

TEST = data.load("feedback,steps=11", "test")
SYMBOLS, BEFORE, Y = TEST.tensors["x"][..., 0], TEST.tensors["x"][..., 1], TEST.tensors["y"]
KIND = feedback.kinds(SYMBOLS)


def test_the_three_kinds_are_there_in_turn():
    assert KIND[:7].tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_the_answers_before_stand_one_step_later():
    assert torch.equal(BEFORE[:, 1:], Y[:, :-1])
    assert (BEFORE[:, 0] == 5).all()


def test_each_kind_keeps_its_rule():
    for row in range(30):
        symbols, answers = SYMBOLS[row].tolist(), Y[row].tolist()
        if KIND[row] == 0:
            assert answers == [sum(symbols[: step + 1]) % 5 for step in range(11)]
        elif KIND[row] == 1:
            assert answers == [0, 0, 0, *(symbol - 5 for symbol in symbols[:-3])]
        else:
            stride = symbols[0] - 9
            assert symbols[1:] == [14] * 10
            assert all((after - before) % 5 == stride for before, after in pairwise(answers))


def determined(keys, kind, step):
    """Whether what is known at a step settles the answer there, in all rows of a kind."""
    chosen = kind == KIND
    known = {}
    for key, answer in zip(keys[chosen].tolist(), Y[chosen, step].tolist(), strict=True):
        known.setdefault(str(key), set()).add(answer)
    return all(len(answers) == 1 for answers in known.values())


def test_only_the_sum_is_settled_by_the_last_answer_and_the_input():
    now = torch.stack([SYMBOLS[:, 9], BEFORE[:, 9]], dim=1)
    assert [determined(now, kind, 9) for kind in range(3)] == [True, False, False]


def test_only_the_walk_is_not_settled_by_the_inputs():
    assert [determined(SYMBOLS[:, :10], kind, 9) for kind in range(3)] == [True, True, False]


def test_inputs_and_answers_settle_all():
    both = torch.cat([SYMBOLS[:, :10], BEFORE[:, :10]], dim=1)
    assert all(determined(both, kind, 9) for kind in range(3))


def test_too_short_a_row_is_refused():
    with pytest.raises(InputError, match="steps"):
        data.load("feedback,steps=4")
