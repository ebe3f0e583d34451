import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.losses import mse_loss
from fathom.ops.robust_losses import huber_loss, l1_loss, smooth_l1_loss

errors = st.lists(st.floats(-100, 100), min_size=1, max_size=7).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)
distances = st.floats(0.01, 100)


@settings(deadline=None)
@given(error=errors, delta=distances)
def test_huber_lies_below_both_the_parabola_and_the_line(error, delta):
    zero = torch.zeros_like(error)
    loss = huber_loss(error, zero, "none", delta)
    assert (loss >= 0).all()
    assert (loss <= mse_loss(error, zero, reduction="none") / 2 * (1 + 1e-12)).all()
    assert (loss <= delta * l1_loss(error, zero, reduction="none") * (1 + 1e-12)).all()


@settings(deadline=None)
@given(error=errors, delta=distances)
def test_the_derivative_of_huber_is_the_error_cut_off_at_delta(error, delta):
    error.requires_grad_()
    (gradient,) = torch.autograd.grad(huber_loss(error, torch.zeros_like(error), "sum", delta), error)
    torch.testing.assert_close(gradient, error.detach().clamp(-delta, delta))


def test_a_far_delta_is_half_the_square_and_a_near_beta_is_the_distance():
    x, target = torch.randn(7, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    torch.testing.assert_close(huber_loss(x, target, delta=1e6), mse_loss(x, target) / 2)
    torch.testing.assert_close(smooth_l1_loss(x, target, beta=1e-12), l1_loss(x, target))


def test_the_second_derivative_of_huber_is_1_in_the_middle():
    curvature = torch.autograd.functional.hessian(lambda x: huber_loss(x, torch.zeros(())), torch.zeros(()))
    assert curvature.item() == 1


def test_shapes_that_would_broadcast_are_refused():
    for loss in (l1_loss, huber_loss, smooth_l1_loss):
        with pytest.raises(ShapeError, match="target: expected the shape of the predictions"):
            loss(torch.zeros(3, 1), torch.zeros(3))


def test_distances_below_zero_are_refused():
    with pytest.raises(InputError, match="delta: expected a distance above 0, got 0"):
        huber_loss(torch.zeros(3), torch.zeros(3), delta=0)
    with pytest.raises(InputError, match="beta: expected a distance of at least 0, got -1"):
        smooth_l1_loss(torch.zeros(3), torch.zeros(3), beta=-1)
