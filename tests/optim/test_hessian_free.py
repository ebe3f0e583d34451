"""Gauss-Newton products against the whole matrix, conjugate gradients against a solver, and updates that descend."""

import math

import numpy as np
import pytest
import torch

from fathom.errors import InputError
from fathom.ops.recurrence import rnn_by_steps
from fathom.optim.hessian_free import HessianFree, conjugate_gradients, gauss_newton

SHAPES = [(3, 2), (3, 3), (3,), (2, 3)]  # of an RNN of 3 units and its read-out to 2 numbers
COUNT = sum(math.prod(shape) for shape in SHAPES)


@pytest.fixture
def problem():
    torch.manual_seed(0)
    x, y = torch.randn(5, 7, 2, dtype=torch.float64), torch.randint(2, (7,))

    def forward(flat):
        sizes = [math.prod(shape) for shape in SHAPES]
        parts = [part.view(shape) for part, shape in zip(flat.split(sizes), SHAPES, strict=True)]
        states, last = rnn_by_steps(x, x.new_zeros(7, 3), parts[0], parts[1], parts[2])
        return last @ parts[3].T, states

    def loss(outputs):
        return torch.nn.functional.cross_entropy(outputs, y)

    return forward, loss, 0.7 * torch.randn(COUNT, dtype=torch.float64)


def whole_matrix(forward, loss, parameters, holding=0.0):
    """Jᵀ H J from its Jacobian and Hessian, entry by entry."""
    outputs, _ = forward(parameters)
    jacobian = torch.autograd.functional.jacobian(lambda p: forward(p)[0].flatten(), parameters)
    hessian = torch.autograd.functional.hessian(lambda z: loss(z.view_as(outputs)), outputs.flatten())
    moved = torch.autograd.functional.jacobian(lambda p: forward(p)[1].flatten(), parameters)
    return jacobian.T @ hessian @ jacobian + holding * moved.T @ moved


@pytest.mark.parametrize("holding", [0.0, 0.3])
def test_a_product_is_that_of_the_whole_gauss_newton_matrix(problem, holding):
    forward, loss, parameters = problem
    matrix = whole_matrix(forward, loss, parameters, holding)
    product = gauss_newton(forward, loss, parameters, holding)
    torch.testing.assert_close(torch.stack([product(row) for row in torch.eye(COUNT).double()]), matrix)
    assert torch.linalg.eigvalsh(matrix).min() > -1e-12


def test_for_a_linear_model_it_is_the_hessian():
    torch.manual_seed(0)
    x, y = torch.randn(11, 3, dtype=torch.float64), torch.randint(2, (11,)).double()

    def loss(z):
        return torch.nn.functional.binary_cross_entropy_with_logits(z, y)

    parameters, vector = torch.randn(3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(lambda p: loss(x @ p), parameters)
    product = gauss_newton(lambda p: (x @ p, p[:0]), loss, parameters)
    torch.testing.assert_close(product(vector), hessian @ vector)


def positive(count, seed=0):
    torch.manual_seed(seed)
    root = torch.randn(count, count, dtype=torch.float64)
    return root @ root.T / count + 0.1 * torch.eye(count, dtype=torch.float64), torch.randn(count, dtype=torch.float64)


def test_conjugate_gradients_solve_in_as_many_products_as_there_are_unknowns():
    matrix, target = positive(9)
    ways = conjugate_gradients(lambda v: matrix @ v, target, torch.zeros_like(target), most=9, tolerance=0.0)
    np.testing.assert_allclose(ways[-1].x, np.linalg.solve(matrix.numpy(), target.numpy()), rtol=1e-8)


def test_every_iterate_has_the_value_that_it_says_and_each_is_lower():
    matrix, target = positive(23)
    start = torch.randn(23, dtype=torch.float64)
    ways = conjugate_gradients(lambda v: matrix @ v, target, start, most=20)
    for way in ways:
        assert way.value == pytest.approx(float(0.5 * way.x @ matrix @ way.x - target @ way.x))
    values = [way.value for way in ways]
    assert values == sorted(values, reverse=True)
    assert len(values) > 4


def test_it_stops_where_ten_products_gain_less_than_half_a_percent():
    torch.manual_seed(0)
    scales = torch.logspace(0, -6, 400, dtype=torch.float64)  # the last directions matter little and take long
    target = torch.randn(400, dtype=torch.float64) * scales
    ways = conjugate_gradients(lambda v: scales * v, target, torch.zeros_like(target), most=400)
    stopped = ways[-1].products
    further = conjugate_gradients(lambda v: scales * v, target, torch.zeros_like(target), most=stopped, tolerance=0.0)
    assert 10 < stopped < 400
    assert further[-1].value == pytest.approx(ways[-1].value)
    back = max(10, math.ceil(stopped / 10))
    early = conjugate_gradients(
        lambda v: scales * v, target, torch.zeros_like(target), most=stopped - back, tolerance=0.0
    )
    assert (ways[-1].value - early[-1].value) / ways[-1].value < back * 5e-4


def test_one_update_of_a_linear_least_squares_problem_arrives():
    torch.manual_seed(0)
    x, y = torch.randn(23, 5, dtype=torch.float64), torch.randn(23, dtype=torch.float64)
    rule = HessianFree(damping=1e-9)
    parameters, report = rule.step(
        lambda p: (x @ p, p[:0]), lambda z: 0.5 * (z - y).square().mean(), torch.zeros(5, dtype=torch.float64)
    )
    np.testing.assert_allclose(parameters, np.linalg.lstsq(x.numpy(), y.numpy(), rcond=None)[0], rtol=1e-5)
    assert report.ratio == pytest.approx(1, abs=1e-4)
    assert report.damping == pytest.approx(1e-9 / 1.5)


def test_no_update_raises_the_loss_and_many_fit_the_batch(problem):
    forward, loss, parameters = problem
    rule, losses = HessianFree(damping=0.1, structural=0.1, most=30), []
    for _ in range(12):
        parameters, report = rule.step(forward, loss, parameters)
        losses.append(report.value)
        assert report.reached <= report.value
        assert report.reached == pytest.approx(float(loss(forward(parameters)[0])))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.3 * losses[0]


def test_where_the_quadratic_lies_the_damping_rises():
    rule = HessianFree(damping=1e-6)
    start = torch.tensor([3.0], dtype=torch.float64)  # tanh(3)'s slope says nothing of how far it is to 0
    moved, report = rule.step(lambda p: (p.tanh(), p[:0]), lambda z: z.square().sum(), start)
    assert report.ratio < 0.25
    assert report.damping == pytest.approx(1.5e-6)
    assert report.reached < report.value
    assert moved.abs() < start.abs() or report.reached < 0.99


def test_its_state_comes_back(problem):
    forward, loss, parameters = problem
    first, second = HessianFree(), HessianFree()
    parameters, _ = first.step(forward, loss, parameters)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.step(forward, loss, parameters)[0], second.step(forward, loss, parameters)[0])


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="expected above 0, at least 0 and at least 1, got 0, 0 and 5"):
        HessianFree(damping=0.0, most=5)
