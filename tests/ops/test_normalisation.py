import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.normalisation import batch_norm, group_norm, layer_norm

shapes = st.tuples(st.integers(2, 5), st.integers(1, 3), st.integers(2, 4), st.integers(1, 4))


@settings(deadline=None, max_examples=25)
@given(shape=shapes, seed=st.integers(0, 99))
def test_a_normalised_batch_has_mean_0_and_variance_1(shape, seed):
    x = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    y = batch_norm(x, None, None, training=True, eps=0.0)
    zero, one = (torch.full((shape[1],), value, dtype=torch.float64) for value in (0.0, 1.0))
    torch.testing.assert_close(y.mean((0, 2, 3)), zero)
    torch.testing.assert_close(y.var((0, 2, 3), correction=0), one)


@settings(deadline=None, max_examples=25)
@given(scale=st.floats(0.1, 100), shift=st.floats(-100, 100))
def test_layer_norm_sees_neither_scale_nor_shift(scale, shift):
    x = torch.randn(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = layer_norm(x, (7,), eps=0.0)
    torch.testing.assert_close(layer_norm(scale * x + shift, (7,), eps=0.0), expected, rtol=1e-9, atol=1e-9)


def test_an_example_does_not_see_its_batch_in_layer_and_group_norm():
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(layer_norm(x, (6, 5))[:1], layer_norm(x[:1], (6, 5)))
    torch.testing.assert_close(group_norm(x, 3)[:1], group_norm(x[:1], 3))


def test_one_group_is_layer_norm_over_all_but_the_batch():
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    torch.testing.assert_close(group_norm(x, 1), layer_norm(x, (6, 5)))


def running_statistics_by_hand(batches, momentum, biased):
    """Plain Python on plain numbers: one running mean and one running variance."""
    mean, variance = 0.0, 1.0
    for batch in batches:
        n = len(batch)
        batch_mean = sum(batch) / n
        squares = sum((value - batch_mean) ** 2 for value in batch)
        mean = (1 - momentum) * mean + momentum * batch_mean
        variance = (1 - momentum) * variance + momentum * squares / (n if biased else n - 1)
    return mean, variance


@pytest.mark.parametrize("biased", [True, False])
def test_running_statistics_are_what_a_loop_finds(biased):
    batches = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, variance = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    for batch in batches:
        batch_norm(batch[:, None], mean, variance, training=True, momentum=0.3, biased_running_variance=biased)
    assert (mean.item(), variance.item()) == pytest.approx(running_statistics_by_hand(batches.tolist(), 0.3, biased))


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    mean, variance = torch.tensor([1.0, -1.0]), torch.tensor([4.0, 0.25])
    y = batch_norm(torch.tensor([[3.0, 0.0]]), mean, variance, eps=0.0)
    assert y.tolist() == [[1.0, 2.0]]
    assert mean.tolist() == [1.0, -1.0]


def test_a_constant_channel_becomes_0_not_nan():
    assert batch_norm(torch.full((3, 2), 7.0), None, None, training=True).abs().max() == 0


def test_second_derivatives_are_torchs():
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    ours = torch.autograd.functional.hessian(
        lambda x: (batch_norm(x, None, None, training=True) ** 3).sum() * math.pi, x
    )
    theirs = torch.autograd.functional.hessian(
        lambda x: (torch.nn.functional.batch_norm(x, None, None, training=True) ** 3).sum() * math.pi, x
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: batch_norm(torch.zeros(1, 3), None, None, training=True),
            r"x: expected at least two numbers a channel to take a variance of, got \(1, 3\)",
        ),
        (
            lambda: batch_norm(torch.zeros(2, 3), torch.zeros(5), torch.ones(5)),
            r"x: expected \(batch, 5, \.\.\.\), got \(2, 3\)",
        ),
        (lambda: batch_norm(torch.zeros(3), None, None, training=True), r"x: expected \(batch, channels, \.\.\.\)"),
        (lambda: batch_norm(torch.zeros(2, 3), None, None), "running_mean, running_var: expected both unless training"),
        (lambda: layer_norm(torch.zeros(2, 3), (5,)), r"x: expected \(\.\.\., 5\), got \(2, 3\)"),
        (lambda: group_norm(torch.zeros(2, 3), 2), r"x: expected channels in 2 groups of equal size, got \(2, 3\)"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ShapeError) or "running" in message
