"""A sequence as one operation against the same steps one by one, and its derivatives against finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.ops import recurrence, sequences

KINDS = {"rnn": (1, 1), "gru": (3, 1), "lstm": (4, 2)}  # gates, states
every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(kind, steps=4, batch=2, features=3, hidden=5, bias=True, seed=0):
    """Inputs of an operation, in float64, all asking for a gradient."""
    gates, states = KINDS[kind]
    generator = torch.Generator().manual_seed(seed)
    rows = gates * hidden
    shapes = [(steps, batch, features), *[(batch, hidden)] * states, (rows, features), (rows, hidden)]
    shapes += [(rows,), (rows,)] if bias else []
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def both(kind, **options):
    one, steps = getattr(sequences, kind), getattr(recurrence, f"{kind}_by_steps")
    return (lambda *inputs: one(*inputs, **options)), (lambda *inputs: steps(*inputs, **options))


def gradients(results, inputs):
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(y.shape, generator=generator, dtype=y.dtype) for y in results]
    return torch.autograd.grad(results, inputs, weights)


@pytest.mark.parametrize(
    ("kind", "options"), [("rnn", {}), ("rnn", {"nonlinearity": "relu"}), ("gru", {}), ("lstm", {})], ids=str
)
@settings(max_examples=20, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 5)] * 4), bias=st.booleans(), seed=st.integers(0, 1000))
def test_a_sequence_equals_its_steps_in_value_and_gradient(kind, options, sizes, bias, seed):
    inputs = drawn(kind, *sizes, bias=bias, seed=seed)
    one, steps = (run(*inputs) for run in both(kind, **options))
    torch.testing.assert_close(one, steps)
    torch.testing.assert_close(gradients(one, inputs), gradients(steps, inputs))


@every_kind
@pytest.mark.parametrize("bias", [True, False])
def test_first_and_second_derivatives_equal_finite_differences(kind, bias):
    inputs = drawn(kind, steps=3, hidden=2, bias=bias)
    assert torch.autograd.gradcheck(both(kind)[0], inputs)
    assert torch.autograd.gradgradcheck(both(kind)[0], inputs)


@every_kind
@pytest.mark.parametrize("place", range(3))
def test_one_result_alone_has_the_right_gradient(kind, place):
    inputs = drawn(kind)
    one, steps = (run(*inputs) for run in both(kind))
    if place < len(one):
        found, expected = (torch.autograd.grad(r[place].square().sum(), inputs) for r in (one, steps))
        torch.testing.assert_close(found, expected)


@every_kind
def test_the_graph_may_be_walked_twice(kind):
    inputs = drawn(kind)
    total = both(kind)[0](*inputs)[0].square().sum()
    first = torch.autograd.grad(total, inputs, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(total, inputs), first)


@every_kind
def test_inputs_that_want_no_gradient_get_none(kind):
    inputs = drawn(kind)
    for number in range(len(inputs)):
        wanted = inputs[number]
        for x in inputs:
            x.requires_grad_(x is wanted)
        one, steps = (torch.autograd.grad(run(*inputs)[0].square().sum(), wanted) for run in both(kind))
        torch.testing.assert_close(one, steps)
        (second,) = torch.autograd.grad(both(kind)[0](*inputs)[0].square().sum(), wanted, create_graph=True)
        torch.testing.assert_close(second, one[0])


def test_one_tensor_as_both_states_has_its_gradients_added_once():
    x, h, _, *weights = drawn("lstm")
    one, steps = (run(x, h, h, *weights)[0].square().sum() for run in both("lstm"))
    for again in (False, True):
        found, expected = (torch.autograd.grad(y, h, create_graph=again, retain_graph=True) for y in (one, steps))
        torch.testing.assert_close(found, expected)


@every_kind
def test_inputs_are_left_as_they_were(kind):
    inputs = drawn(kind)
    before = [x.detach().clone() for x in inputs]
    both(kind)[0](*inputs)[0].sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))


@every_kind
def test_an_output_changed_in_place_is_noticed(kind):
    inputs = drawn(kind)
    outputs = both(kind)[0](*inputs)[0]
    result = outputs.square().sum()
    with torch.no_grad():
        outputs.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()


@every_kind
def test_autocast_chooses_the_dtype(kind):
    inputs = [x.detach().float().requires_grad_() for x in drawn(kind)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = both(kind)[0](*inputs)[0]
    exact = both(kind)[0](*inputs)[0]
    assert (outputs - exact).abs().max() < 0.05
    outputs.float().sum().backward()
    assert all(x.grad is not None for x in inputs)
