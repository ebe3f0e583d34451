"""Where a function has no derivative, ours takes the same sub-derivative as torch; far out, none overflows."""

import pytest
import torch
from torch.nn import functional as theirs

from fathom.errors import InputError, ShapeError
from fathom.layers import functional as ours

POINTS = torch.tensor([[0.0, 1.5, -1.5, 1e4, -1e4]], dtype=torch.float64)
NONLINEARITIES = [
    ("relu", ()),
    ("leaky_relu", (0.3,)),
    ("prelu", (torch.tensor([0.3], dtype=torch.float64),)),
    ("elu", (0.7,)),
    ("gelu", ()),
    ("silu", ()),
    ("softplus", (2.0, 3.0)),
    ("sigmoid", ()),
    ("tanh", ()),
]


def value_and_derivative(function, *arguments):
    x = POINTS.clone().requires_grad_()
    y = function(x, *arguments)
    return y.detach(), torch.autograd.grad(y.sum(), x)[0]


@pytest.mark.parametrize(("name", "arguments"), NONLINEARITIES)
def test_a_nonlinearity_has_torchs_derivative_at_0_and_far_out(name, arguments):
    for mine, torchs in zip(
        value_and_derivative(getattr(ours, name), *arguments),
        value_and_derivative(getattr(theirs, name), *arguments),
        strict=True,
    ):
        torch.testing.assert_close(mine, torchs)


def test_softplus_has_torchs_derivative_at_its_threshold():
    x = torch.tensor([1.0, 1.0 + 1e-12, 1.0 - 1e-12], dtype=torch.float64)
    gradients = []
    for function in (ours.softplus, theirs.softplus):
        point = x.clone().requires_grad_()
        gradients.append(torch.autograd.grad(function(point, 2.0, 2.0).sum(), point)[0])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", ["l1_loss", "huber_loss", "smooth_l1_loss"])
def test_a_loss_has_torchs_derivative_at_error_0_and_where_parabola_meets_line(name):
    gradients = []
    for namespace in (ours, theirs):
        x = torch.tensor([0.0, 1.0, -1.0, 1e4, -1e4], dtype=torch.float64, requires_grad=True)
        gradients.append(torch.autograd.grad(getattr(namespace, name)(x, torch.zeros_like(x), reduction="sum"), x)[0])
    torch.testing.assert_close(*gradients)


def test_of_equal_entries_in_a_window_the_same_one_gets_the_gradient():
    gradients = []
    for namespace in (ours, theirs):
        x = torch.ones(1, 1, 4, 6, requires_grad=True)
        gradients.append(torch.autograd.grad(namespace.max_pool2d(x, (2, 3)).sum(), x)[0])
    assert torch.equal(*gradients)


def test_prelu_wants_a_slope_for_each_channel():
    with pytest.raises(ShapeError, match=r"x: expected \(batch, 5, \.\.\.\), a slope for each channel, got \(2, 3\)"):
        ours.prelu(torch.zeros(2, 3), torch.zeros(5))


def test_gelu_knows_two_formulas():
    with pytest.raises(InputError, match="approximate: expected 'none' or 'tanh', got 'sigmoid'"):
        ours.gelu(torch.zeros(2), "sigmoid")
