"""Pascanu's penalty against its definition, with Jacobians that autograd takes, and its immediate derivative."""

import pytest
import torch

from fathom.errors import ShapeError
from fathom.ops.norm_preserving import omega

STEPS, BATCH, SIZE = 5, 3, 4


@pytest.fixture
def net():
    torch.manual_seed(0)
    weight = 1.2 * torch.randn(SIZE, SIZE, dtype=torch.float64) / SIZE**0.5
    inputs = torch.randn(STEPS, BATCH, SIZE, dtype=torch.float64)
    return weight, inputs, torch.randn(BATCH, SIZE, dtype=torch.float64)


def activations(weight, inputs):
    """What stands before each tanh, in the order of steps; each hangs on the one before."""
    found = [inputs[0].clone().requires_grad_()]
    for product in inputs[1:]:
        found.append(found[-1].tanh() @ weight.T + product)
    return found


def parts(net):
    weight, inputs, readout = net
    found = activations(weight, inputs)
    error = (found[-1].tanh() * readout).sum().sin()
    gradients = torch.stack(torch.autograd.grad(error, found, retain_graph=True))
    return weight, gradients, torch.stack([1 - a.tanh() ** 2 for a in found]).detach(), found


def test_it_is_the_papers_sum(net):
    weight, gradients, slopes, found = parts(net)
    total = 0.0
    for k in range(STEPS - 1):
        for row in range(BATCH):
            product = net[1][k + 1, row]
            jacobian = torch.autograd.functional.jacobian(
                lambda a, product=product: weight @ a.tanh() + product, found[k][row].detach()
            )
            after = gradients[k + 1, row]
            total += ((after @ jacobian).norm() / after.norm() - 1) ** 2
    assert omega(weight, gradients, slopes).item() == pytest.approx(total.item() / BATCH)


def test_its_derivative_is_the_immediate_one(net):
    weight, gradients, slopes, _ = parts(net)
    asked = weight.clone().requires_grad_()
    (found,) = torch.autograd.grad(omega(asked, gradients, slopes), asked)
    assert torch.autograd.gradcheck(lambda w: omega(w, gradients, slopes), asked)
    step = torch.zeros_like(weight)
    step[1, 2] = 1e-6
    slope = (omega(weight + step, gradients, slopes) - omega(weight - step, gradients, slopes)) / 2e-6
    assert found[1, 2].item() == pytest.approx(slope.item(), rel=1e-6)


def test_the_scale_of_the_error_does_not_matter(net):
    weight, gradients, slopes, _ = parts(net)
    torch.testing.assert_close(omega(weight, 7 * gradients, slopes), omega(weight, gradients, slopes))


def test_an_orthogonal_linear_recurrence_costs_nothing(net):
    turn = torch.linalg.qr(net[0])[0]
    gradients = torch.randn(STEPS, BATCH, SIZE, dtype=torch.float64)
    assert omega(turn, gradients, torch.ones_like(gradients)).item() == pytest.approx(0, abs=1e-20)
    assert omega(2 * turn, gradients, torch.ones_like(gradients)).item() == pytest.approx(STEPS - 1)


def test_a_step_that_no_gradient_reaches_counts_nothing_and_has_a_finite_derivative(net):
    weight, gradients, slopes, _ = parts(net)
    gradients[:3] = 0
    asked = weight.clone().requires_grad_()
    value = omega(asked, gradients, slopes)
    (found,) = torch.autograd.grad(value, asked)
    assert found.isfinite().all()
    torch.testing.assert_close(value, omega(weight, gradients[2:], slopes[2:]).detach(), check_dtype=False)


def test_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"expected both \(steps, batch, hidden_size\) with two steps or more"):
        omega(torch.eye(3), torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
