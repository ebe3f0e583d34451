import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from fathom.errors import InputError, ShapeError
from fathom.ops.activations import log_softmax
from fathom.ops.divergences import binary_cross_entropy_with_logits, kl_div
from fathom.ops.losses import cross_entropy

logits = st.lists(st.floats(-50, 50), min_size=3, max_size=3).map(
    lambda values: torch.tensor([values], dtype=torch.float64)
)


@settings(deadline=None)
@given(p=logits, q=logits)
def test_a_divergence_is_not_negative_and_0_from_itself(p, q):
    p, q = log_softmax(p, 1), log_softmax(q, 1)
    assert kl_div(q, p.exp(), reduction="sum").item() >= -1e-12
    assert kl_div(p, p, reduction="sum", log_target=True).item() == 0


@settings(deadline=None)
@given(p=logits, q=logits)
def test_cross_entropy_is_entropy_and_divergence(p, q):
    target = log_softmax(p, 1).exp()
    entropy = -torch.xlogy(target, target).sum()
    divergence = kl_div(log_softmax(q, 1), target, reduction="batchmean")
    torch.testing.assert_close(cross_entropy(q, target), entropy + divergence)


def test_a_target_of_probability_0_costs_nothing():
    assert kl_div(
        torch.tensor([[math.log(0.5), math.log(0.5)]]), torch.tensor([[1.0, 0.0]]), reduction="sum"
    ).item() == pytest.approx(math.log(2))


def test_the_mean_over_all_entries_is_torchs_though_it_warns():
    x, target = torch.randn(3, 5).log_softmax(1), torch.randn(3, 5).softmax(1)
    with pytest.warns(UserWarning, match="batchmean"):
        expected = functional.kl_div(x, target)
    torch.testing.assert_close(kl_div(x, target), expected)


@pytest.mark.parametrize("x", [-1e4, -1.0, 0.0, 1.0, 1e4])
@pytest.mark.parametrize("target", [0.0, 0.3, 1.0])
def test_binary_cross_entropy_overflows_nowhere_and_its_derivative_is_sigmoid_less_target(x, target):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    target = torch.tensor(target, dtype=torch.float64)
    loss = binary_cross_entropy_with_logits(x, target)
    (gradient,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(loss, functional.binary_cross_entropy_with_logits(x, target))
    torch.testing.assert_close(gradient, torch.sigmoid(x.detach()) - target)


def test_a_binary_choice_is_a_softmax_over_two_logits_one_of_them_0():
    x, target = torch.randn(7, dtype=torch.float64), torch.randint(2, (7,))
    both = torch.stack([torch.zeros_like(x), x], 1)
    torch.testing.assert_close(binary_cross_entropy_with_logits(x, target.double()), cross_entropy(both, target))


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"target: expected the shape of the predictions, \(3, 1\), got \(3,\)"):
        binary_cross_entropy_with_logits(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(ShapeError, match="target: expected the shape"):
        kl_div(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(InputError, match="reduction: expected 'mean', 'sum' or 'none', got 'average'"):
        kl_div(torch.zeros(3), torch.zeros(3), reduction="average")
    with pytest.raises(InputError, match="reduction='batchmean': expected x with a batch axis"):
        kl_div(torch.zeros(()), torch.zeros(()), reduction="batchmean")
