"""What one works out by hand about derivatives, held against torch and against our engine."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom import autograd, layers
from fathom.ops import activations
from fathom.recipes import losses

# When it is first used, torch's forward mode compiles parts of itself with torch.jit.script, which torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ours(x):
    return autograd.tensor(x.numpy())


# --- shapes ---------------------------------------------------------------------------------------------------------

SHAPES = {"scalar": (), "vector": (3,), "matrix": (5, 2)}


@pytest.mark.parametrize("result", SHAPES)
@pytest.mark.parametrize("by", SHAPES)
def test_a_derivative_has_the_shape_of_the_result_and_then_of_the_variable(result, by):
    weights = drawn(*SHAPES[result], *SHAPES[by])
    axes = len(SHAPES[by])

    def linear(x):
        return torch.tensordot(weights, x, dims=axes)

    jacobian = torch.func.jacrev(linear)(drawn(*SHAPES[by], seed=1))
    assert jacobian.shape == SHAPES[result] + SHAPES[by]
    torch.testing.assert_close(jacobian, weights)


def test_the_derivative_of_a_dot_product_is_the_other_vector():
    a, x = drawn(5), drawn(5, seed=1)
    torch.testing.assert_close(torch.func.grad(lambda x: a @ x)(x), a)
    torch.testing.assert_close(torch.func.grad(lambda x: x @ x)(x), 2 * x)


def test_the_derivative_of_a_matrix_times_x_is_the_matrix_and_of_x_times_a_matrix_its_transpose():
    x = drawn(3)
    rows, columns = drawn(5, 3, seed=1), drawn(3, 5, seed=2)
    torch.testing.assert_close(torch.func.jacrev(lambda x: rows @ x)(x), rows)
    torch.testing.assert_close(torch.func.jacrev(lambda x: x @ columns)(x), columns.T)


def test_the_derivative_of_a_quadratic_form():
    a, x = drawn(5, 5), drawn(5, seed=1)
    torch.testing.assert_close(torch.func.grad(lambda x: x @ a @ x)(x), (a + a.T) @ x)
    torch.testing.assert_close(torch.func.hessian(lambda x: x @ a @ x)(x), a + a.T)


def test_the_gradient_of_the_squared_error_by_the_weights():
    x, y, w = drawn(7, 3), drawn(7, seed=1), drawn(3, seed=2)
    gradient = torch.func.grad(lambda w: (x @ w - y).square().sum())(w)
    torch.testing.assert_close(gradient, 2 * x.T @ (x @ w - y))


# --- chain rule -----------------------------------------------------------------------------------------------------


def inner(x):
    return torch.stack([x[0] * x[1], x[1].sin(), x[2].exp(), x.square().sum(), x[0] - x[2]])


def outer(u):
    return torch.stack([u[0] * u[3] + u[4], (u[1] * u[2]).tanh()])


def test_the_chain_rule_multiplies_jacobians():
    x = drawn(3)
    jacobian = torch.func.jacrev
    product = jacobian(outer)(inner(x)) @ jacobian(inner)(x)  # (2, 5) times (5, 3)
    torch.testing.assert_close(jacobian(lambda x: outer(inner(x)))(x), product)


def test_reverse_mode_multiplies_from_the_left_and_forward_mode_from_the_right():
    x, row, column = drawn(3), drawn(2, seed=1), drawn(3, seed=2)
    at, through = torch.func.jacrev(outer)(inner(x)), torch.func.jacrev(inner)(x)
    _, pull = torch.func.vjp(lambda x: outer(inner(x)), x)
    torch.testing.assert_close(pull(row)[0], (row @ at) @ through)
    _, push = torch.func.jvp(lambda x: outer(inner(x)), (x,), (column,))
    torch.testing.assert_close(push, at @ (through @ column))


def test_the_chain_rule_by_hand_for_one_squared_error():
    x, w, y = drawn(3), drawn(3, seed=1).requires_grad_(), 0.7
    a = x @ w
    b = a - y
    z = b.square()
    z.backward()
    by_hand = 2 * b * 1 * x  # dz/db, db/da, da/dw
    torch.testing.assert_close(w.grad, by_hand.detach())


def test_a_variable_used_twice_gets_the_sum_over_both_ways():
    x = drawn(3).requires_grad_()
    (x.sin() * x).sum().backward()
    torch.testing.assert_close(x.grad, (x.cos() * x + x.sin()).detach())


# --- jacobian -------------------------------------------------------------------------------------------------------


def ours_inner(x):
    return autograd.stack([x[0] * x[1], (x[1] + x[2]).tanh(), x[2].exp(), (x * x).sum(), x[0] - x[2]])


def torch_inner(x):
    return torch.stack([x[0] * x[1], (x[1] + x[2]).tanh(), x[2].exp(), (x * x).sum(), x[0] - x[2]])


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_our_jacobian_equals_torchs(mode):
    x = drawn(3)
    expected = torch.func.jacrev(torch_inner)(x)
    torch.testing.assert_close(torch.func.jacfwd(torch_inner)(x), expected)
    torch.testing.assert_close(torch.autograd.functional.jacobian(torch_inner, x), expected)
    np.testing.assert_allclose(autograd.jacobian(ours_inner, ours(x), mode=mode).numpy(), expected.numpy(), atol=1e-12)


def test_our_jacobian_of_a_matrix_by_a_matrix_equals_torchs():
    x, w = drawn(2, 3), drawn(3, 5, seed=1)
    expected = torch.func.jacrev(lambda x: (x @ w).tanh())(x)
    found = autograd.jacobian(lambda x: (x @ ours(w)).tanh(), ours(x))
    assert found.shape == (2, 5, 2, 3)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-12)


# --- contour lines --------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.floats(-2, 4), st.floats(-3, 2), st.integers(0, 5))
def test_the_gradient_is_at_right_angles_to_the_contour_line(first, second, seed):
    centre, form = drawn(2, seed=seed), drawn(2, 2, seed=seed + 10)
    form = form @ form.T + 0.1 * torch.eye(2, dtype=torch.float64)

    def height(w):
        return 0.5 * (w - centre) @ form @ (w - centre)

    w = torch.tensor([first, second], dtype=torch.float64)
    gradient = torch.func.grad(height)(w)
    along = torch.stack([-gradient[1], gradient[0]])  # a quarter turn
    along = along / along.norm().clamp(min=1e-12)
    change = torch.func.jvp(height, (w,), (along,))[1]
    assert abs(change.item()) <= 1e-9 * (1 + gradient.norm().item())


def test_the_contour_picture_shows_points_of_equal_loss(tmp_path):
    x, y = losses.regression_data()
    w = torch.tensor([2.5, -1.0], dtype=torch.float64)
    expected = 0.5 * (x @ w - y[:, 0]).square().mean()
    torch.testing.assert_close(losses.squared_loss(x, y, w[0], w[1]), expected)
    picture = losses.draw_contours(tmp_path / "contours.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


# --- kinks ----------------------------------------------------------------------------------------------------------

KINKS = {
    "abs": (torch.abs, lambda x: abs(x), 0.0),
    "relu": (torch.relu, lambda x: x.relu(), 0.0),
    "maximum with 0": (lambda x: torch.maximum(x, torch.zeros_like(x)), None, 0.5),
    "leaky relu": (lambda x: torch.nn.functional.leaky_relu(x, 0.1), None, 0.1),
    "clamp": (lambda x: x.clamp(min=0), None, 1.0),
}


@pytest.mark.parametrize("name", KINKS)
def test_torch_chooses_one_sub_derivative_at_a_kink(name):
    function, _, expected = KINKS[name]
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    function(x).sum().backward()
    assert x.grad.item() == pytest.approx(expected)
    left, right = ((function(x + h) - function(x)).item() / h for h in (-1e-6, 1e-6))
    assert min(left, right) - 1e-6 <= x.grad.item() <= max(left, right) + 1e-6  # any of these is a sub-derivative


def test_our_layers_choose_as_torch_does():
    x = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(layers.ReLU()(x).sum(), x)
    assert gradient.tolist() == [0, 0, 1]
    (gradient,) = torch.autograd.grad(activations.relu(x).sum(), x)
    assert gradient.tolist() == torch.autograd.grad(torch.relu(x).sum(), x)[0].tolist()


def test_our_max_pooling_gives_a_tie_to_one_winner_as_torch_does():
    x = torch.tensor([[[[2.0, 2.0], [2.0, 1.0]]]], requires_grad=True)
    (mine,) = torch.autograd.grad(layers.MaxPool2d(2)(x).sum(), x)
    (theirs,) = torch.autograd.grad(torch.nn.MaxPool2d(2)(x).sum(), x)
    assert torch.equal(mine, theirs)
    assert mine.sum() == 1


@pytest.mark.parametrize("name", [name for name, (_, mine, _) in KINKS.items() if mine])
def test_our_engine_chooses_as_torch_does(name):
    _, mine, expected = KINKS[name]
    x = autograd.tensor(np.zeros(1)).requires_grad_()
    mine(x).sum().backward()
    assert x.grad.numpy().item() == expected


def test_our_engine_shares_a_tie_as_torch_does():
    for way in ("maximum", "max"):
        theirs, mine = torch.tensor([3.0, 3.0], requires_grad=True), autograd.tensor([3.0, 3.0]).requires_grad_()
        if way == "maximum":
            torch.maximum(theirs[0], theirs[1]).backward()
            autograd.maximum(mine[0], mine[1]).backward()
        else:
            theirs.amax().backward()
            mine.amax().backward()
        assert mine.grad.numpy().tolist() == theirs.grad.tolist() == [0.5, 0.5]
