"""Reservoirs against step-by-step evaluation, closed forms and torch's least squares."""

import pytest
import torch

from fathom.errors import InputError, ShapeError
from fathom.ops.reservoir import (
    Ridge,
    Triangle,
    compressed,
    orthogonal_reservoir,
    random_reservoir,
    reservoir_states,
    spectral_radius,
    with_radius,
)

SOLVERS = pytest.mark.parametrize("solver", [Ridge, Triangle])


def seeded():
    return torch.Generator().manual_seed(0)


def test_the_spectral_radius_is_the_greatest_eigenvalue_in_size():
    turn = torch.tensor([[0.0, -3.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 2.0]])  # eigenvalues ±3i and 2
    assert spectral_radius(turn) == pytest.approx(3.0)
    assert spectral_radius(with_radius(turn, 0.5)) == pytest.approx(0.5)


@pytest.mark.parametrize("density", [1.0, 0.2])
def test_a_drawn_reservoir_has_the_radius_and_the_density_asked_for(density):
    weights = random_reservoir(53, 0.7, density, seeded(), torch.float64)
    assert spectral_radius(weights) == pytest.approx(0.7)
    assert (weights != 0).double().mean().item() == pytest.approx(density, abs=0.03)


def test_every_eigenvalue_of_an_orthogonal_reservoir_has_one_size():
    weights = orthogonal_reservoir(13, 0.9, seeded(), torch.float64)
    torch.testing.assert_close(torch.linalg.eigvals(weights).abs(), torch.full((13,), 0.9, dtype=torch.float64))


@pytest.mark.parametrize("matrix", [torch.zeros(5, 5), torch.randn(7, 7, generator=seeded()).triu(1)])
def test_a_matrix_without_an_eigenvalue_can_not_be_scaled(matrix):
    with pytest.raises(InputError, match="got a spectral radius of 0, which no factor changes; draw weights with more"):
        with_radius(matrix, 0.9)


def test_weights_that_have_no_radius_are_told():
    with pytest.raises(InputError, match="matrix: expected finite numbers, got nan or inf"):
        spectral_radius(torch.tensor([[float("nan")]]))
    with pytest.raises(ShapeError, match=r"matrix: expected \(units, units\), got \(2, 3\)"):
        spectral_radius(torch.zeros(2, 3))
    with pytest.raises(InputError, match="radius: expected a finite number from 0, got -1"):
        with_radius(torch.eye(2), -1.0)
    with pytest.raises(InputError, match="density: expected a share above 0 and at most 1, got 0"):
        random_reservoir(5, 0.9, 0.0, seeded())


@pytest.mark.parametrize(("leak", "activation"), [(1.0, "tanh"), (0.3, "tanh"), (1.0, "identity"), (0.3, "identity")])
def test_states_are_those_of_the_equation_step_by_step(leak, activation):
    drive = torch.randn(11, 7, 3, generator=seeded(), dtype=torch.float64)
    weights, start = torch.randn(7, 7, dtype=torch.float64) / 5, torch.randn(7, 3, dtype=torch.float64)
    before, h, expected = drive.clone(), start, []
    for now in drive:
        total = now + weights @ h
        h = (1 - leak) * h + leak * (total.tanh() if activation == "tanh" else total)
        expected.append(h)
    torch.testing.assert_close(reservoir_states(drive, weights, start, leak, activation), torch.stack(expected))
    assert torch.equal(drive, before)


@pytest.mark.parametrize("batch", [1, 5])
def test_sparse_rows_give_what_the_dense_matrix_gives(batch):
    weights = random_reservoir(61, 0.9, 0.05, seeded(), torch.float64)
    fast = compressed(weights)
    assert fast.layout == torch.sparse_csr
    drive, start = torch.randn(13, 61, batch, dtype=torch.float64), torch.zeros(61, batch, dtype=torch.float64)
    torch.testing.assert_close(reservoir_states(drive, fast, start), reservoir_states(drive, weights, start))
    assert compressed(torch.ones(3, 3)).layout == torch.strided


def test_two_beginnings_are_forgotten_below_a_radius_of_one():
    weights = random_reservoir(31, 0.8, 0.3, seeded(), torch.float64)
    drive = torch.randn(300, 31, 1, dtype=torch.float64).expand(-1, -1, 2)
    states = reservoir_states(drive, weights, torch.randn(31, 2, dtype=torch.float64))
    assert (states[-1, :, 0] - states[-1, :, 1]).abs().max() < 1e-12


def rows():
    torch.manual_seed(0)
    return torch.randn(97, 7, dtype=torch.float64), torch.randn(97, 2, dtype=torch.float64)


@SOLVERS
@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_blocks_give_the_read_out_of_all_rows_at_once(solver, penalty):
    x, y = rows()
    readout = solver(7, 2, penalty)
    for start in (0, 3, 40):
        end = {0: 3, 3: 40, 40: 97}[start]
        readout.add(x[start:end], y[start:end])
    whole = torch.cat([x, penalty**0.5 * torch.eye(7, dtype=torch.float64)])
    expected = torch.linalg.lstsq(whole, torch.cat([y, torch.zeros(7, 2, dtype=torch.float64)])).solution
    torch.testing.assert_close(readout.solve(), expected)
    assert readout.rows == 97


@SOLVERS
def test_the_ridge_read_out_is_scikit_learns(solver):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, y = rows()
    readout = solver(7, 2, 1.7)
    readout.add(x, y)
    expected = linear_model.Ridge(alpha=1.7, fit_intercept=False).fit(x.numpy(), y.numpy()).coef_
    torch.testing.assert_close(readout.solve().mT.contiguous(), torch.from_numpy(expected).contiguous())


@SOLVERS
def test_a_saved_read_out_goes_on(solver):
    x, y = rows()
    first, second, whole = solver(7, 2, 0.1), solver(7, 2, 0.1), solver(7, 2, 0.1)
    first.add(x[:41], y[:41])
    second.load_state_dict(first.state_dict())
    second.add(x[41:], y[41:])
    whole.add(x[:41], y[:41])
    whole.add(x[41:], y[41:])
    assert torch.equal(second.solve(), whole.solve())


def test_the_triangle_keeps_what_the_sums_of_products_lose():
    torch.manual_seed(0)
    scales = torch.logspace(0, -11, 12, dtype=torch.float64)
    mixed = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64)).Q
    x = torch.linalg.qr(torch.randn(200, 12, dtype=torch.float64)).Q * scales @ mixed
    truth = torch.ones(12, 1, dtype=torch.float64)
    errors = {}
    for solver in (Ridge, Triangle):
        readout = solver(12, 1, 0.0)
        readout.add(x, x @ truth)
        errors[solver] = (readout.solve() - truth).abs().max().item()
    assert errors[Triangle] < 1e-3
    assert errors[Ridge] > 0.1


@SOLVERS
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_series_that_is_not_finite_is_told(solver, bad):
    x, y = rows()
    x[5, 3] = bad
    with pytest.raises(InputError, match="series: expected finite numbers, got nan or inf; look at the data"):
        solver(7, 2, 0.0).add(x, y)
    with pytest.raises(InputError, match="penalty: expected a finite number from 0, got"):
        solver(7, 2, bad)
