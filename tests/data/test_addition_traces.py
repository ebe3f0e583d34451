"""Traces that are done add; what was seen comes from the digits; a wrong action is told."""

import pytest
import torch

from fathom import data, seeding
from fathom.data import addition_traces as traces
from fathom.errors import InputError


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5), (999, 1), (123, 989), (7, 12345), (10**30 - 1, 10**29)])
def test_what_the_rule_does_is_addition(first, second):
    pad = traces.Pad.of(first, second)
    traces.calls(pad)
    assert pad.total() == str(first + second)


def test_many_pairs_add_up():
    for first, second in traces.pairs(seeding.generator(0), 200, 7):
        pad = traces.Pad.of(first, second)
        traces.calls(pad)
        assert int(pad.total()) == first + second


def test_the_calls_of_an_addition_are_those_of_the_paper():
    top, *others = traces.calls(traces.Pad.of(96, 125))
    assert [traces.PROGRAMS[step.program] for _, step in top[:-1]] == ["ADD1", "LSHIFT"] * 3
    assert top[-1][1] is None
    named = [traces.PROGRAMS[call[0][0][-1]] for call in others]
    assert named == ["ADD1", "CARRY", "LSHIFT", "ADD1", "CARRY", "LSHIFT", "ADD1", "LSHIFT"]
    assert [traces.describe(step) for _, step in others[1][:-1]] == [
        "ACT(move carry, left)",
        "ACT(write carry, 1)",
        "ACT(move carry, right)",
    ]
    assert top[0][0] == (6, 5, 10, 10, traces.ADD)
    assert top[1][0] == (6, 5, 10, 1, traces.ADD)


def test_a_split_holds_each_call_once_with_its_end():
    found = data.load("addition-traces,digits=3,examples=50")
    x, y = found.tensors["x"], found.tensors["y"]
    assert ((y[..., 0] == 1).sum(dim=1) == 1).all()
    assert (x[:, 0, -1] == traces.ADD).sum() == 50
    acts = y[..., 1] == traces.ACT
    assert (y[acts][:, 2:] >= 0).all()
    assert (y[~acts][:, 2:] == -1).all()
    assert x.min() >= 0
    assert not torch.equal(x[:9], data.load("addition-traces,digits=3,examples=50", "test").tensors["x"][:9])


@pytest.mark.parametrize(
    ("step", "said"),
    [((0, 3), r"ACT\(none, 3\)"), ((2, 11), r"ACT\(write sum, right\)"), ((4, 7), r"ACT\(move second, 7\)")],
)
def test_an_action_that_can_not_be_done_is_told(step, said):
    with pytest.raises(InputError, match=f"expected an action that can be done, got {said}"):
        traces.Pad.of(1, 2).act(*step)


def test_a_blank_between_digits_is_seen_in_the_sum():
    pad = traces.Pad.of(1, 2)
    assert pad.total() == "_"
    pad.act(traces.MOVE + 3, traces.LEFT)
    pad.act(traces.WRITE[3], 4)
    assert pad.total() == "4_"
