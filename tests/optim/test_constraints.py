import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from fathom.errors import InputError
from fathom.optim import constraints, projections

quick = settings(max_examples=5, deadline=None)
seeds = st.integers(0, 2**32 - 1)
START = torch.zeros(3, dtype=torch.float64)


def problem(seed, dim=3, count=2):
    """A strictly convex quadratic and two half-spaces that hold 0 but, as a rule, not its minimum."""
    random = torch.Generator().manual_seed(seed)
    root, normals = (torch.randn(size, dim, generator=random, dtype=torch.float64) for size in (dim, count))
    centre = 3 * torch.randn(dim, generator=random, dtype=torch.float64)
    matrix = root @ root.T / (2 * dim) + torch.eye(dim, dtype=torch.float64)
    normals = normals / normals.norm(dim=1, keepdim=True)

    def objective(x):
        return (x - centre) @ matrix @ (x - centre) / 2

    return objective, lambda x: normals @ x - 0.5


def solved(objective, limits):
    """The minimum by a solver of another kind."""
    return torch.from_numpy(
        optimize.minimize(
            lambda x: objective(torch.from_numpy(x)).item(),
            START.numpy(),
            jac=lambda x: torch.func.grad(objective)(torch.from_numpy(x)).numpy(),
            constraints={"type": "ineq", "fun": lambda x: -limits(torch.from_numpy(x)).numpy()},
            method="SLSQP",
            options={"ftol": 1e-13, "maxiter": 100},
        ).x
    )


@quick
@given(seeds)
def test_at_the_minimum_that_the_augmented_lagrangian_finds_all_four_conditions_hold(seed):
    objective, limits = problem(seed)
    found = constraints.augmented_lagrangian(objective, limits, START)
    gaps = constraints.kkt_gaps(objective, limits, found)
    assert set(gaps) == {"stationarity", "feasibility", "sign", "complementarity"}
    assert max(gaps.values()) < 1e-6 * (1 + found.multipliers.max())  # prices of up to 100 multiply what is left
    torch.testing.assert_close(found.x, solved(objective, limits), atol=1e-5, rtol=0)


@settings(max_examples=3, deadline=None)
@given(seeds)
def test_dual_ascent_ends_in_the_same_point_with_the_same_prices(seed):
    objective, limits = problem(seed, count=1)
    found = constraints.dual_ascent(objective, limits, START, lr=1.0, rounds=80)
    other = constraints.augmented_lagrangian(objective, limits, START)
    torch.testing.assert_close(found.x, other.x, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.multipliers, other.multipliers, atol=1e-3, rtol=0)
    assert constraints.kkt_gaps(objective, limits, found)["feasibility"] < 1e-4


@quick
@given(seeds)
def test_the_lagrangian_at_any_prices_is_a_lower_bound_and_at_the_right_ones_it_is_met(seed):
    objective, limits = problem(seed)
    best = constraints.augmented_lagrangian(objective, limits, START)
    for prices in (best.multipliers, best.multipliers + 0.3, 0.5 * best.multipliers):
        x = constraints.minimise(lambda v, prices=prices: objective(v) + prices @ limits(v), START)
        bound = objective(x) + prices @ limits(x)
        assert bound <= objective(best.x) + 1e-6
        if prices is best.multipliers:
            torch.testing.assert_close(bound, objective(best.x), atol=1e-5, rtol=1e-6)


@quick
@given(seeds)
def test_a_growing_penalty_leads_to_the_constrained_minimum_from_outside(seed):
    objective, limits = problem(seed)
    best = constraints.augmented_lagrangian(objective, limits, START)
    path = constraints.penalty_path(objective, limits, START, [1.0, 10.0, 100.0, 1000.0, 10_000.0])
    distances = [(step.x - best.x).norm().item() for step in path]
    assert all(later <= earlier + 1e-7 for earlier, later in itertools.pairwise(distances))
    assert distances[-1] < 1e-3 * (1 + distances[0])
    torch.testing.assert_close(path[-1].multipliers, best.multipliers, atol=3e-3, rtol=3e-3)
    values = [objective(step.x).item() for step in path]
    assert all(value <= objective(best.x) + 1e-7 for value in values)


def test_ten_times_the_penalty_is_a_tenth_of_the_distance():
    objective, limits = problem(1)
    best = constraints.augmented_lagrangian(objective, limits, START)
    assert best.multipliers.max() > 0.1
    near, nearer = constraints.penalty_path(objective, limits, START, [1e3, 1e4])
    assert ((near.x - best.x).norm() / (nearer.x - best.x).norm()).item() == pytest.approx(10, rel=0.02)


def test_the_nearest_point_of_a_ball_is_a_minimum_under_a_constraint():
    x = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    found = constraints.augmented_lagrangian(
        lambda v: (v - x).square().sum() / 2, lambda v: (v.square().sum() - 1)[None] / 2, START
    )
    torch.testing.assert_close(found.x, projections.project_ball(x), atol=1e-7, rtol=0)
    assert found.multipliers.item() == pytest.approx(x.norm().item() - 1, abs=1e-6)


def test_a_constraint_that_holds_already_costs_nothing():
    found = constraints.augmented_lagrangian(
        lambda v: (v - 1).square().sum(), lambda v: v.sum()[None] - 100, START, rounds=3
    )
    torch.testing.assert_close(found.x, torch.ones(3, dtype=torch.float64))
    assert found.multipliers.tolist() == [0.0]


def test_each_of_the_four_conditions_is_seen_when_it_is_broken():
    def objective(v):
        return (v - 2).square().sum() / 2

    def limits(v):
        return v[:1] - 1

    right = constraints.Solution(torch.tensor([1.0, 2.0]), torch.tensor([1.0]))
    assert max(constraints.kkt_gaps(objective, limits, right).values()) == 0
    outside = constraints.kkt_gaps(objective, limits, constraints.Solution(torch.tensor([2.0, 2.0]), torch.zeros(1)))
    assert outside == {"stationarity": 0.0, "feasibility": 1.0, "sign": 0.0, "complementarity": 0.0}
    inside = constraints.kkt_gaps(objective, limits, constraints.Solution(torch.zeros(2), torch.ones(1)))
    assert inside == {"stationarity": 2.0, "feasibility": 0.0, "sign": 0.0, "complementarity": 1.0}
    wrong_way = constraints.kkt_gaps(objective, limits, constraints.Solution(torch.ones(2), -torch.ones(1)))
    assert wrong_way["sign"] == 1.0


def test_the_start_is_left_alone():
    start = torch.ones(2, dtype=torch.float64)
    constraints.minimise(lambda v: v.square().sum(), start)
    assert start.tolist() == [1.0, 1.0]
    assert not start.requires_grad


def test_a_penalty_must_be_above_zero():
    with pytest.raises(InputError, match="expected a penalty above 0, got 0"):
        constraints.augmented_lagrangian(lambda v: v.sum(), lambda v: v, START, penalty=0.0)
