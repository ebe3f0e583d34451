import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from fathom.errors import InputError
from fathom.optim import constraints
from fathom.recipes import adam_failure, convexity, risk, sgd_decay, sparse_features, vectorisation
from fathom.recipes.common import descent
from fathom.records import RunFolder

QUICK = {"device": "cpu", "threads": 1}


# --- convexity ------------------------------------------------------------------------------------------------------


def test_no_point_of_a_grid_inside_is_lower_than_the_constrained_minimum():
    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 301), np.linspace(-1.5, 1.5, 301))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    grid = torch.from_numpy(points[convexity.inside(points)])
    best = convexity.solution()
    assert convexity.objective(best.x) <= convexity.objective(grid).min() + 1e-7
    assert (best.multipliers > 0.1).all()  # both constraints hold it back
    assert (grid[convexity.objective(grid).argmin()] - best.x).norm() < 0.05


def test_the_nearest_point_is_the_minimum_of_the_distance():
    point = torch.tensor([2.0, 1.2], dtype=torch.float64)
    found = constraints.augmented_lagrangian(
        lambda x: (x - point).square().sum(), convexity.limits, torch.zeros(2, dtype=torch.float64)
    )
    torch.testing.assert_close(convexity.nearest(point), found.x, atol=1e-6, rtol=0)


def test_the_gradient_of_the_saddle_goes_down_in_x_and_up_in_the_prices():
    both = torch.tensor([0.7, -1.1, 0.3, 2.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(convexity.saddle(both), both)
    x = both.detach()[:2].requires_grad_()
    lagrangian = convexity.objective(x) + both.detach()[2:] @ convexity.limits(x)
    (by_x,) = torch.autograd.grad(lagrangian, x)
    torch.testing.assert_close(gradient[:2], by_x)
    torch.testing.assert_close(gradient[2:], -convexity.limits(x).detach())


def test_the_ways_end_in_the_constrained_minimum_and_the_convex_functions_are_told_from_the_others():
    metrics = convexity.run(convexity.Config(**QUICK, epochs=80, samples=200)).metrics
    assert metrics["projected_distance"] < 1e-6
    assert metrics["lagrangian_distance"] < 5e-3
    assert metrics["projected_outside"] == 0
    assert metrics["penalty_1_outside"] > metrics["penalty_10_outside"] > 0.1
    for name in ("log_sum_exp", "norm", "quadratic"):
        assert min(metrics[f"{name}_least_{what}"] for what in ("jensen_gap", "first_order_gap", "curvature")) > -1e-9
    for name in ("cube", "sine"):
        assert max(metrics[f"{name}_least_{what}"] for what in ("jensen_gap", "first_order_gap", "curvature")) < -0.5
    for name in convexity.FUNCTIONS:
        assert metrics[f"{name}_hessian_difference"] < 1e-12
    assert max(metrics[f"solution_{what}"] for what in ("stationarity", "feasibility", "sign")) < 1e-6


# --- risk -----------------------------------------------------------------------------------------------------------


def test_both_descents_end_where_a_fine_grid_has_its_least_value():
    metrics = risk.run(risk.Config(**QUICK, epochs=100, draws=1)).metrics
    x = torch.linspace(0.5, 1.5, 10_001, dtype=torch.float64)
    for name, function in risk.FUNCTIONS.items():
        assert metrics[f"{name}_x"] == pytest.approx(x[function(x[:, None]).argmin()].item(), abs=1e-3)
    assert metrics["empirical_x_risk"] > metrics["risk_x_risk"]
    assert metrics["empirical_x_empirical_risk"] < metrics["risk_x_empirical_risk"]


@pytest.mark.parametrize("examples", [16, 64, 512])
def test_least_squares_has_the_risk_that_theory_says(examples):
    config = risk.Config(**QUICK, draws=500, noise=0.7)
    measured, theory = (rule(config, examples) for rule in (risk.least_squares, risk.least_squares_theory))
    variance = config.noise**2
    assert measured[0] - variance == pytest.approx(theory[0] - variance, rel=0.15)
    assert measured[1] == pytest.approx(theory[1], rel=0.05)


# --- decay ----------------------------------------------------------------------------------------------------------


def simulated(config, eta, runs):
    """The descents by hand, `(updates + 1, runs, 2)`."""
    random = np.random.default_rng(0)
    x = np.broadcast_to(np.array(config.start), (runs, 2))
    way = [x]
    for rate in eta:
        x = x - rate * (x * [2.0, 4.0] + config.noise * random.standard_normal((runs, 2)))
        way.append(x)
    return np.stack(way)


@pytest.mark.parametrize("name", ["constant", "exponential", "polynomial"])
def test_the_expected_value_and_the_bound_agree_with_descents_by_hand(name):
    config = sgd_decay.Config(**QUICK, lr=0.2, noise=1.5)
    eta = sgd_decay.rates(config, name, 60)
    way = simulated(config, eta, 4000)
    values = (way**2 @ [1.0, 2.0]).mean(axis=1)
    np.testing.assert_allclose(sgd_decay.expected_gaps(config, eta), values, rtol=0.08)
    flat = way.reshape(len(way), -1)
    np.testing.assert_allclose(sgd_decay.gaps(flat), values)
    weighted = [
        (np.average(way[:end], axis=0, weights=eta[:end]) ** 2 @ [1.0, 2.0]).mean() for end in range(1, len(eta) + 1)
    ]
    np.testing.assert_allclose(sgd_decay.average_gaps(flat, eta), weighted)
    assert (np.array(weighted) < sgd_decay.bounds(config, eta)).all()
    squares = ((way[:-1] * [2.0, 4.0]) ** 2).sum(axis=2).mean(axis=1) + 2 * config.noise**2
    assert squares.max() <= sgd_decay.gradient_bound(config)


def test_without_noise_every_run_goes_the_plain_way():
    config = sgd_decay.Config(**QUICK, noise=0.0, runs=3)
    ways = descent.walk(sgd_decay.contenders(config), 7)
    for name, way in ways.items():
        expected = simulated(config, sgd_decay.rates(config, name, 7), 3)
        np.testing.assert_allclose(sgd_decay.by_run(way), expected, atol=1e-12)


def test_a_constant_rate_stops_falling_exponential_decay_stops_too_early_and_polynomial_decay_goes_on():
    config = sgd_decay.Config()
    constant, exponential, polynomial = (
        sgd_decay.expected_gaps(config, sgd_decay.rates(config, name, 1000)) for name in sgd_decay.schedules(config)
    )
    assert constant[-1] == pytest.approx(constant[200], rel=1e-3)
    assert exponential[-1] == pytest.approx(exponential[200], rel=1e-3)
    assert polynomial[-1] < 0.6 * polynomial[200] < 0.2 * constant[-1] < 0.1 * exponential[-1]


# --- Adam's failure -------------------------------------------------------------------------------------------------


def by_hand(rule, slopes, lr, beta1, beta2, x):
    """x before each loss, by the papers' equations in plain Python; Adam's as torch has them, bias corrected."""
    m = v = top = 0.0
    seen = []
    for t, g in enumerate(slopes, 1):
        seen.append(x)
        m = beta1 * m + (1 - beta1) * g
        if rule == "yogi":
            v -= (1 - beta2) * math.copysign(1, v - g * g) * g * g if v != g * g else 0
            x -= lr / math.sqrt(t) * m / (math.sqrt(v) + 1e-3)
        else:
            v = beta2 * v + (1 - beta2) * g * g
            top = max(top, v) if rule == "amsgrad" else v
            x -= lr / math.sqrt(t) * m / (1 - beta1**t) / (math.sqrt(top / (1 - beta2**t)) + 1e-8)
        x = min(1.0, max(-1.0, x))
    return np.array(seen)


@pytest.mark.parametrize("rung", ["torch", "scratch"])
@pytest.mark.parametrize("rule", adam_failure.TITLES)
def test_x_and_regret_are_those_of_the_equations(rule, rung):
    config = adam_failure.Config(**QUICK, runs=2, rung=rung, steep=2.7)  # at 3, Yogi's square ties with the gradient's
    torch.manual_seed(3)
    step = adam_failure.Online(config)
    step()
    step()
    torch.manual_seed(3)
    problems = adam_failure.problems(config)
    found = step.history()[rule]
    steps = torch.arange(1, 203)
    for column, (name, betas) in enumerate({"theorem": (0.0, 1 / 8.29), "online": (0.9, 0.99)}.items()):
        slopes = problems[name].slopes(steps)[:, 0].numpy()
        x = by_hand(rule, slopes.tolist(), config.lr, *betas, config.start)
        np.testing.assert_allclose(found["x"][:, column], x.reshape(2, 101).mean(axis=1), atol=1e-9)
        regret = (slopes * (x + 1)).cumsum() / np.arange(1, 203)
        np.testing.assert_allclose(found["regret"][:, column], regret[[100, 201]], rtol=1e-9)


def test_the_mean_slope_of_each_problem_is_what_it_says():
    torch.manual_seed(0)
    problems = adam_failure.problems(adam_failure.Config(runs=200))
    for problem in problems.values():
        slopes = problem.slopes(torch.arange(1, 3 * 101 * 4 + 1))
        assert slopes.shape == (1212, problem.count)
        assert slopes.mean().item() == pytest.approx(problem.mean, abs=1e-9 if not problem.drawn else 0.7)


def test_adam_ends_at_the_worst_point_of_the_theorems_problem_and_the_others_at_the_best():
    metrics = adam_failure.run(adam_failure.Config(**QUICK, epochs=1, limit=8, runs=1)).metrics
    assert metrics["adam_theorem_x"] > 0.97
    assert metrics["amsgrad_theorem_x"] < -0.97
    assert metrics["yogi_theorem_x"] < -0.97
    assert metrics["adam_theorem_regret"] >= 2 / 3 - 1e-9  # theorem 1's bound: 2C - 4 in three steps
    assert metrics["amsgrad_theorem_regret"] < 0.1


def test_yogis_running_square_grows_to_the_largest_square_and_adams_forgets_it():
    yogi = adam = 0.0
    for t in range(1, 101 * 200 + 1):
        square = 1010.0**2 if t % 101 == 1 else 100.0
        yogi -= 0.01 * math.copysign(1, yogi - square) * square
        adam = 0.99 * adam + 0.01 * square
    assert math.sqrt(yogi) == pytest.approx(1010, rel=0.02)
    assert math.sqrt(adam) < 80  # just before the next large one; with it, 127


# --- sparse features ------------------------------------------------------------------------------------------------

SPARSE = {**QUICK, "features": 11, "runs": 2, "examples": 3}


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_one_update_of_each_rule_is_that_of_its_equation(rung):
    config = sparse_features.Config(**SPARSE, rung=rung)
    torch.manual_seed(1)
    race = sparse_features.Race(config)
    race()
    torch.manual_seed(1)
    x = sparse_features.draw_inputs(config, 3)
    y = torch.bernoulli(torch.sigmoid(sparse_features.scores(x, race.truth)))
    gradient = ((0.5 - y)[:, :, None] * x).mean(dim=1)
    for place, rate in enumerate(race.rates):
        for name in ("sgd", "sgd_decay"):
            torch.testing.assert_close(race.weights[name][place].detach(), -rate * gradient)
        adagrad = -rate * gradient / (gradient.abs() + 1e-10)
        torch.testing.assert_close(race.weights["adagrad"][place].detach(), adagrad)
    race()
    assert race.rules["sgd_decay"].param_groups[0]["lr"] == pytest.approx(race.rates[0] / math.sqrt(2))


def test_the_excess_loss_is_the_relative_entropy_and_zero_at_the_truth():
    config = sparse_features.Config(**SPARSE)
    x, true = sparse_features.draw_inputs(config, 7).double(), sparse_features.truth(config).double()
    other = true + 0.5
    p, q = (torch.sigmoid(sparse_features.scores(x, weights)) for weights in (true, other))
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean(dim=-1)
    torch.testing.assert_close(sparse_features.excess_loss(x, other, true), expected)
    assert sparse_features.excess_loss(x, true, true).abs().max() == 0


def test_features_are_as_frequent_as_the_power_law_says():
    config = sparse_features.Config(features=29, runs=3, exponent=1.5)
    torch.manual_seed(0)
    drawn = sparse_features.draw_inputs(config, 20_000).mean(dim=(0, 1))
    torch.testing.assert_close(drawn, 0.5 * torch.arange(1, 30) ** -1.5, atol=5e-3, rtol=0)
    bins = sparse_features.by_frequency(config)
    assert sorted(np.concatenate(bins).tolist()) == list(range(29))


def test_adagrad_at_its_best_rate_wins_where_features_are_rare_and_most_in_the_rarest():
    metrics = sparse_features.run(sparse_features.Config(**QUICK, features=60, runs=4, epochs=2)).metrics
    for other in ("sgd", "sgd_decay"):
        assert metrics["adagrad_excess"] < 0.85 * metrics[f"{other}_excess"]
        assert metrics["adagrad_rare_error"] < metrics[f"{other}_rare_error"]


# --- vectorisation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 3, 7, 100])
def test_every_product_is_the_product(width):
    b, c = torch.randn(3, 5, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    torch.testing.assert_close(vectorisation.by_block(b, c, width), b @ c)
    torch.testing.assert_close(vectorisation.by_element(b, c), b @ c)


def test_the_three_descents_stay_together():
    result = vectorisation.run(vectorisation.Config(**QUICK, epochs=10, size=5))
    assert result.metrics["element_difference"] < 1e-13
    assert result.metrics["column_difference"] < 1e-13
    assert result.metrics["train_loss"] < result.history[0]["train_loss"] / 5


def test_widths_double_and_end_with_all():
    assert vectorisation.widths(12) == [1, 2, 4, 8, 12]
    assert vectorisation.widths(8) == [1, 2, 4, 8]
    assert vectorisation.widths(1) == [1]


def test_a_run_is_timed_once_and_loops_over_elements_are_slowest(tmp_path):
    config = vectorisation.Config(**QUICK, matrix=48)
    folder = RunFolder.create("vectorisation", dataclasses.asdict(config), tmp_path / "run")
    speeds = vectorisation.timings(folder, config)
    assert vectorisation.timings(folder, config) == speeds
    assert speeds["element"] < speeds["1"]
    assert speeds["element"] < speeds["48"] / 10


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        (adam_failure, {"steep": 2.0}, "--steep: expected a number above 2, got 2.0"),
        (adam_failure, {"start": 1.5}, "--start: expected a number at least -1 and at most 1"),
        (adam_failure, {"runs": 0}, "--runs: expected a number at least 1, got 0"),
        (sgd_decay, {"lr": 0.3}, "--lr: expected a number above 0 and at most 0.25, got 0.3"),
        (sgd_decay, {"noise": -1.0}, "--noise: expected a number at least 0"),
        (sgd_decay, {"start": (math.nan, 0.0)}, "--start: expected"),
        (sparse_features, {"exponent": -1.0}, "--exponent: expected a number at least 0"),
        (sparse_features, {"features": 3}, "--features: expected a number at least 8"),
        (sparse_features, {"data": "mnist"}, "--data: expected none"),
        (risk, {"features": 6}, "--features: expected a number at least 1 and at most 5, got 6"),
        (risk, {"optimizer": "adam"}, "--optimizer: expected sgd"),
        (vectorisation, {"size": 0}, "--size: expected a number at least 1"),
        (convexity, {"samples": 0}, "--samples: expected a number at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(recipe, changes, message):
    with pytest.raises(InputError, match=message):
        recipe.Config(**changes)


def test_a_run_of_the_race_holds_a_model_for_each_rule_and_rate():
    weights = sparse_features.Race(sparse_features.Config(**SPARSE)).weights
    assert isinstance(weights, nn.ModuleDict)
    assert {name: len(list(part.parameters())) for name, part in weights.items()} == dict.fromkeys(
        sparse_features.RULES, len(sparse_features.FACTORS)
    )
