"""Losses and what they assume: the noise under which the least loss is the most likely, and targets out of reach."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Laplace, Normal
from torch.nn import functional

from fathom.layers import namespace
from fathom.ops import losses as our_losses
from fathom.recipes.losses import density, of_error, slope

ERRORS = torch.linspace(-3, 3, 61, dtype=torch.float64)


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- squared, absolute, Huber ---------------------------------------------------------------------------------------


def test_the_derivatives_are_those_worked_out_by_hand():
    torch.testing.assert_close(slope(of_error("l2", 1.0), ERRORS), ERRORS)
    torch.testing.assert_close(slope(of_error("l1", 1.0), ERRORS), ERRORS.sign())
    torch.testing.assert_close(slope(of_error("huber", 1.5), ERRORS), ERRORS.clamp(-1.5, 1.5))


def test_hubers_loss_is_a_parabola_that_goes_on_as_its_tangents():
    delta = 0.8
    parabola, lines = 0.5 * ERRORS**2, delta * (ERRORS.abs() - 0.5 * delta)
    expected = torch.where(ERRORS.abs() <= delta, parabola, lines)
    torch.testing.assert_close(of_error("huber", delta)(ERRORS), expected)


def test_hubers_loss_lies_between_the_other_two():
    torch.testing.assert_close(of_error("huber", 1e6)(ERRORS), of_error("l2", 1.0)(ERRORS))
    torch.testing.assert_close(of_error("huber", 1e-6)(ERRORS) / 1e-6, ERRORS.abs(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("name", "noise"), [("l2", Normal(0.0, 1.0)), ("l1", Laplace(0.0, 1.0))])
def test_a_loss_is_minus_the_logarithm_of_its_noise(name, noise):
    torch.testing.assert_close(density(of_error(name, 1.0), ERRORS), noise.log_prob(ERRORS).exp())
    torch.testing.assert_close(slope(of_error(name, 1.0), ERRORS), slope(lambda error: -noise.log_prob(error), ERRORS))


def test_hubers_noise_has_a_bell_in_the_middle_and_longer_tails():
    huber, normal = (density(of_error(name, 1.0), ERRORS) for name in ("huber", "l2"))
    assert huber[30] < normal[30]
    assert huber[0] > 5 * normal[0]
    wide = torch.linspace(-60, 60, 60_001, dtype=torch.float64)
    assert torch.trapezoid(density(of_error("huber", 1.0), wide), wide).item() == pytest.approx(1)


# --- least loss, most likely ----------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 5))
def test_least_squares_is_most_likely_under_normal_noise_of_any_width(seed, std):
    x, y = drawn(11, 3, seed=seed), drawn(11, seed=seed + 1)
    least = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]

    def log_likelihood(w):
        return Normal(x @ w, std).log_prob(y).sum()

    torch.testing.assert_close(torch.func.grad(log_likelihood)(least), torch.zeros(3).double(), atol=1e-8, rtol=0)
    for moved in least + 0.1 * torch.eye(3, dtype=torch.float64):
        assert log_likelihood(moved) < log_likelihood(least)


def test_minus_the_log_likelihood_is_the_squared_loss_over_the_variance_and_a_constant():
    x, y, std = drawn(11, 3), drawn(11, seed=1), 0.7
    gaps = [
        -Normal(x @ w, std).log_prob(y).sum() - 0.5 * (x @ w - y).square().sum() / std**2 for w in drawn(5, 3, seed=2)
    ]
    constant = 11 * math.log(std * math.sqrt(2 * math.pi))
    torch.testing.assert_close(torch.stack(gaps), torch.full((5,), constant, dtype=torch.float64))


def test_the_mean_is_least_squares_and_the_median_is_least_absolute():
    y = drawn(11).sort().values
    places = torch.cat([y, y.mean()[None], torch.linspace(-3, 3, 100, dtype=torch.float64)])
    squared = (y - places[:, None]).square().sum(1)
    absolute = (y - places[:, None]).abs().sum(1)
    assert places[squared.argmin()] == y.mean()
    assert places[absolute.argmin()] == y.median()
    likelihood = Laplace(places[:, None], 1.0).log_prob(y).sum(1)
    assert likelihood.argmax() == absolute.argmin()


def test_one_outlier_moves_the_mean_without_bound_and_the_median_hardly():
    y = drawn(11)
    far = torch.cat([y, torch.tensor([1e6], dtype=torch.float64)])
    assert far.mean() - y.mean() > 8e4
    assert abs(far.median() - y.median()) < 1


# --- targets out of reach -------------------------------------------------------------------------------------------


def descend(target, steps, lr=1.0, classes=2):
    """Logits after gradient descent on the cross-entropy from 0, and the losses."""
    logits, losses = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True), []
    for _ in range(steps):
        loss = our_losses.cross_entropy(logits, target)
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = (logits - lr * gradient).detach().requires_grad_()
        losses.append(loss.item())
    return logits.detach()[0], losses


ONE_HOT = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
SOFT = torch.tensor([[0.1, 0.9]], dtype=torch.float64)


def gap(logits):
    return (logits[1] - logits[0]).item()


def test_a_one_hot_target_drives_the_logits_apart_without_bound():
    gaps = [gap(descend(ONE_HOT, steps)[0]) for steps in (10, 100, 1000)]
    assert gaps[0] < gaps[1] < gaps[2]
    for steps, found in zip((100, 1000), gaps[1:], strict=True):
        assert found == pytest.approx(math.log(2 * steps), rel=0.1)  # d gap / dt = 2 / (1 + exp gap)
    _, losses = descend(ONE_HOT, 300)
    assert all(later < before for before, later in itertools.pairwise(losses))
    assert losses[-1] > 0


@pytest.mark.parametrize("logit", [1.0, 10.0, 30.0])
def test_the_infimum_of_a_one_hot_target_is_not_attained(logit):
    logits = torch.tensor([[0.0, logit]], dtype=torch.float64)
    assert our_losses.cross_entropy(logits, ONE_HOT).item() == pytest.approx(math.log1p(math.exp(-logit)), rel=1e-3)
    assert our_losses.cross_entropy(logits, ONE_HOT) > our_losses.cross_entropy(2 * logits, ONE_HOT)


def test_a_target_of_nine_tenths_is_reached_at_a_gap_of_log_nine():
    logits, losses = descend(SOFT, 500)
    assert gap(logits) == pytest.approx(math.log(9), rel=1e-9)
    entropy = -(0.1 * math.log(0.1) + 0.9 * math.log(0.9))
    assert losses[-1] == pytest.approx(entropy)
    assert torch.softmax(logits, 0).tolist() == pytest.approx([0.1, 0.9])


@pytest.mark.parametrize("rung", ["torch", "scratch"])
@pytest.mark.parametrize("smoothing", [0.1, 0.3])
def test_label_smoothing_makes_any_one_hot_target_reachable(rung, smoothing):
    loss = namespace(rung).CrossEntropyLoss(label_smoothing=smoothing)
    classes = 5
    share = 1 - smoothing + smoothing / classes
    best = math.log(share / (smoothing / classes))
    logits = torch.zeros(1, classes, dtype=torch.float64)
    logits[0, 2] = best
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, torch.tensor([2])), logits)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-12, rtol=0)


def test_the_gradient_of_the_cross_entropy_is_probabilities_minus_target():
    logits, target = drawn(1, 5).requires_grad_(), torch.softmax(drawn(1, 5, seed=1), 1)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, target), logits)
    torch.testing.assert_close(gradient, (logits.softmax(1) - target).detach())
    (ours,) = torch.autograd.grad(our_losses.cross_entropy(logits, target), logits)
    torch.testing.assert_close(ours, gradient)
