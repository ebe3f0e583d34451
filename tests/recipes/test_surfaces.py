"""Recipes on given functions: their paths against the source's figures, their numbers against theory."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize

from fathom.errors import InputError, UnknownNameError
from fathom.recipes import (
    adadelta,
    gradient_descent,
    momentum,
    newton,
    optimizer_race,
    plateau_reparametrisation,
    preconditioning,
    saddle_points,
)
from fathom.recipes.common import descent


def metrics(recipe, **changes):
    return recipe.run(recipe.Config(**changes)).metrics


@pytest.mark.parametrize("recipe", [gradient_descent, newton, momentum])
def test_the_source_prints_the_same_digits(recipe):
    found = metrics(recipe)
    for figure in recipe.PUBLISHED:
        assert found[figure["metric"]] == pytest.approx(figure["value"], abs=6e-7), figure["metric"]


# --- gradient descent -------------------------------------------------------------------------------------------------


def test_measured_critical_rates_are_those_of_theory():
    numbers = gradient_descent.critical_rates()
    for name, theory in (("parabola", 1.0), ("bowl", 0.5), ("wave", numbers["wave_critical_rate_theory"])):
        assert numbers[f"{name}_critical_rate_theory"] == pytest.approx(theory)
        assert numbers[f"{name}_critical_rate"] == pytest.approx(theory, rel=1e-6)


def test_the_waves_minimum_is_scipys():
    found = optimize.minimize_scalar(lambda x: x * math.cos(0.15 * math.pi * x), bracket=(-2.5, -1.8, -1), tol=1e-12)
    assert gradient_descent.wave_minimum() == pytest.approx(found.x, abs=1e-6)


def test_just_above_the_critical_rate_it_diverges_and_just_below_it_settles():
    critical = gradient_descent.critical_rates()["bowl_critical_rate"]
    below, above = (metrics(gradient_descent, lr=share * critical, epochs=60) for share in (0.97, 1.03))
    assert abs(below["bowl_x2_after_20"]) < 2 < abs(above["bowl_x2_after_20"])


# --- saddle points ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("eigenvalues", "kind"),
    [
        ([2.0, 3.0], "minimum"),
        ([-1.0, -2.0], "maximum"),
        ([-2.0, 2.0], "saddle"),
        ([0.0], "undecided"),
        ([0.0, 1.0], "undecided"),
        ([0.0, -1.0, 1.0], "saddle"),
    ],
)
def test_eigenvalues_say_what_a_critical_point_is(eigenvalues, kind):
    assert saddle_points.kind(np.array(eigenvalues)) == kind


def test_on_the_ridge_it_stays_and_beside_it_it_leaves():
    found = metrics(saddle_points)
    assert found["ridge_distance"] == 0.0
    assert found["beside_distance"] == pytest.approx(1e-3 * 1.2**40)
    assert found["noisy_distance"] > 0.01
    assert (found["saddle_least_eigenvalue"], found["saddle_greatest_eigenvalue"]) == (-2.0, 2.0)


@pytest.mark.parametrize("offset", [0.3, 1e-2, 1e-7])
@pytest.mark.parametrize("rate", [0.03, 0.1, 0.4])
def test_leaving_takes_as_long_as_the_eigenvalue_says(offset, rate):
    assert saddle_points.steps_to_leave(offset, rate) == saddle_points.steps_in_theory(offset, rate)


def test_descent_stalls_above_a_cubics_shoulder_and_finds_the_local_minimum():
    found = metrics(saddle_points, epochs=200)
    assert 0 < found["cubic_x"] < 0.1
    local = optimize.minimize_scalar(lambda x: x * math.cos(math.pi * x), bracket=(-0.6, -0.3, 0)).x
    assert found["local_x"] == pytest.approx(local, abs=1e-6)
    assert found["global_x"] == pytest.approx(1.09, abs=0.01)


# --- Newton's method --------------------------------------------------------------------------------------------------


def newton_path(function, start, updates, **remedies):
    def rule(parameters):
        return newton.Newton(parameters, function, **remedies)

    who = descent.Contender(title="", function=function, start=start, rule=rule)
    return descent.walk({"one": who}, updates)["one"]


def test_one_step_of_newtons_method_solves_a_quadratic():
    hessian = torch.tensor([[3.0, 1.0, 0.5], [1.0, 2.0, 0.2], [0.5, 0.2, 1.0]], dtype=torch.float64)
    offset = torch.tensor([1.0, -2.0, 0.7], dtype=torch.float64)

    def quadratic(x):
        return 0.5 * (x - offset) @ hessian @ (x - offset)

    path = newton_path(quadratic, (5.0, 3.0, -4.0), 1)
    np.testing.assert_allclose(path[-1], offset.numpy(), atol=1e-12)


def test_in_one_dimension_it_is_scipys_newton():
    start, expected = 1.3, []
    slope = lambda x: 0.5 * math.sinh(0.5 * x)  # noqa: E731
    curvature = lambda x: 0.25 * math.cosh(0.5 * x)  # noqa: E731
    for updates in (1, 2, 3):
        expected.append(optimize.newton(slope, start, fprime=curvature, maxiter=updates, tol=1e-300, disp=False))
    np.testing.assert_allclose(newton_path(newton.cosh, (start,), 3)[1:, 0], expected, rtol=1e-12)


def test_without_line_search_a_convex_function_can_throw_it_out():
    x = newton_path(newton.hyperbola, (1.1,), 3)[:, 0]
    np.testing.assert_allclose(x, [1.1, -(1.1**3), 1.1**9, -(1.1**27)], rtol=1e-9)
    assert abs(newton_path(newton.hyperbola, (1.1,), 6, backtrack=True)[-1, 0]) < 1e-9


def test_with_absolute_curvatures_and_line_search_the_value_always_falls():
    for start in (10.0, 2.0, -3.0, 13.0):
        path = newton_path(newton.wave, (start,), 12, absolute=True, backtrack=True)
        values = descent.values(newton.wave, path)
        assert (np.diff(values) <= 0).all()
        assert abs(newton.derivatives(newton.wave, float(path[-1, 0]), 1)[0]) < 1e-8


def test_plain_it_runs_to_a_maximum_of_the_wave():
    x = float(newton_path(newton.wave, (10.0,), 10)[-1, 0])
    slope, curvature = newton.derivatives(newton.wave, x, 2)
    assert abs(slope) < 1e-6
    assert curvature < 0


def test_the_error_is_squared_and_cubed_as_theory_says():
    numbers = newton.convergence()
    assert numbers["cosh_order_3_constant_theory"] == pytest.approx(1 / 12)
    for name in ("wave_order_2_constant", "cosh_order_3_constant"):
        assert numbers[name] == pytest.approx(numbers[f"{name}_theory"], rel=0.003)


def test_derivatives_are_those_of_the_function():
    x = 0.7
    half = [0.5 * math.sinh(x / 2), 0.25 * math.cosh(x / 2), 0.125 * math.sinh(x / 2), math.cosh(x / 2) / 16]
    assert newton.derivatives(newton.cosh, x, 4) == pytest.approx(half)


# --- preconditioning --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.3, 2.0, 7.0])
@pytest.mark.parametrize("correlation", [-0.7, 0.2])
def test_the_error_shrinks_by_kappa_minus_one_over_kappa_plus_one(scale, correlation):
    found = metrics(preconditioning, scale=scale, correlation=correlation, epochs=15)
    for name in ("plain", "scaled"):
        assert found[f"{name}_factor"] == pytest.approx(found[f"{name}_factor_theory"], rel=1e-6)
    assert found["scaled_condition_number"] == pytest.approx((1 + abs(correlation)) / (1 - abs(correlation)))
    assert found["scaled_condition_number"] <= found["plain_condition_number"]


def test_the_preconditioner_undoes_a_change_of_units():
    ends = [metrics(preconditioning, scale=scale, epochs=9)["train_scaled_loss"] for scale in (1.0, 3.0, 50.0)]
    first = [preconditioning.contenders(preconditioning.Config(scale=scale))["scaled"] for scale in (1.0, 3.0, 50.0)]
    starts = [float(each.function(descent.point(*each.start))) for each in first]
    shares = [end / start for end, start in zip(ends, starts, strict=True)]
    assert shares == pytest.approx([shares[0]] * 3)


def test_any_rate_but_the_best_is_slower():
    config = preconditioning.Config()
    factors = []
    for lr in (0.9, 1.0, 1.02):
        who = preconditioning.contenders(dataclasses.replace(config, lr=lr))["plain"]
        way = descent.walk({"plain": who}, 80)["plain"]
        factors.append(preconditioning.factor(preconditioning.lengths(config, "plain", way)))
    assert factors[1] == min(factors)
    assert len(set(factors)) == 3


# --- momentum ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 0.8])
def test_measured_rates_of_convergence_are_the_spectral_radii(beta):
    rates = (0.05, 0.2, 0.45, 0.55, 0.7)
    theory = [momentum.rate_in_theory(rate, beta) for rate in rates]
    np.testing.assert_allclose(momentum.measured_rates(rates, beta), theory, rtol=0.02)  # complex pairs oscillate


def test_no_setting_of_a_grid_beats_the_best_in_theory():
    rate, beta = momentum.best_settings()
    best = momentum.rate_in_theory(rate, beta)
    assert best == pytest.approx(math.sqrt(beta), rel=1e-6)
    grid = [momentum.rate_in_theory(r, b) for r in np.linspace(0.02, 2, 60) for b in np.linspace(0, 0.95, 60)]
    assert best <= min(grid)
    assert min(grid) == pytest.approx(best, rel=0.05)


@pytest.mark.parametrize("beta", momentum.REMEMBERED)
def test_momentum_remembers_one_over_one_minus_beta_gradients(beta):
    weights = momentum.weights_of_gradients(beta)
    np.testing.assert_allclose(weights[:30], beta ** np.arange(30), atol=1e-12)
    assert weights.sum() == pytest.approx(1 / (1 - beta))


# --- plateau ----------------------------------------------------------------------------------------------------------


def test_a_plateau_lasts_as_long_as_the_integral_of_one_over_the_slope():
    def slope(x):
        return (math.tanh(x) + 0.5) * (1 - math.tanh(x) ** 2)

    half = math.atanh(math.sqrt(0.5) * (math.tanh(3.0) + 0.5) - 0.5)
    expected = integrate.quad(lambda x: 1 / slope(x), half, 3.0)[0] / 0.2
    assert plateau_reparametrisation.updates_in_theory(3.0, 0.2) == pytest.approx(expected, rel=1e-8)


def test_the_reparametrised_one_leaves_at_once_and_the_plain_one_as_theory_says():
    found = metrics(plateau_reparametrisation, start=3.0, epochs=12)
    assert found["output_updates_until_left"] == 1
    assert found["plain_updates_until_left"] == pytest.approx(found["plain_updates_until_left_theory"], rel=0.05)
    assert found["plain_updates_until_left"] > 3 * found["adam_updates_until_left"]


def test_both_variables_have_the_same_value():
    x = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
    torch.testing.assert_close(plateau_reparametrisation.straightened(x.tanh()), plateau_reparametrisation.saturated(x))
    torch.testing.assert_close(plateau_reparametrisation.squared(x * x.abs()), plateau_reparametrisation.quartic(x))


def test_on_the_quartic_the_error_falls_as_the_root_of_time():
    assert plateau_reparametrisation.exponent(0.1) == pytest.approx(-0.5, abs=0.01)


# --- Adadelta ---------------------------------------------------------------------------------------------------------


def test_adadeltas_path_does_not_depend_on_the_functions_scale():
    gaps = [metrics(adadelta, scales=(1.0, 1000.0), epochs=10, eps=eps)["adadelta_gap"] for eps in (1e-4, 1e-6, 1e-8)]
    assert gaps[0] < 0.01  # what is left comes from eps under the root of the gradients
    assert gaps[0] > 20 * gaps[1] > 400 * gaps[2]


def test_sgds_path_does():
    assert metrics(adadelta, scales=(1.0, 3.0), epochs=4)["sgd_gap"] > 0.3


# --- race -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", optimizer_race.SURFACES)
def test_a_surfaces_minima_are_where_it_says(name):
    surface = optimizer_race.SURFACES[name]
    for place in surface.minima:
        value = surface.function(descent.point(*place))
        assert float(value) == pytest.approx(surface.least, abs=1e-9)
        found = optimize.minimize(lambda x, f=surface.function: float(f(torch.tensor(x))), np.array(place) + 0.05)
        np.testing.assert_allclose(found.x, place, atol=1e-3)


def test_arriving_means_staying():
    surface = optimizer_race.SURFACES["bowl"]
    assert optimizer_race.updates_to_arrive(surface, np.array([[1.0, 0], [0, 0], [1, 0], [0, 0], [0, 0]])) == 3
    assert optimizer_race.updates_to_arrive(surface, np.array([[1.0, 0], [1, 0]])) == 2


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["sgd", "momentum", "yogi"])
def test_the_rates_are_the_best_of_the_grid(rule):
    assert optimizer_race.best_rate("bowl", rule) == optimizer_race.SURFACES["bowl"].rates[rule]


def test_every_rule_has_a_rate_on_every_surface():
    assert all(surface.rates.keys() == optimizer_race.RULES.keys() for surface in optimizer_race.SURFACES.values())
    assert all(rate in optimizer_race.GRID for s in optimizer_race.SURFACES.values() for rate in s.rates.values())


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        (saddle_points, {"offset": 0.0}, "--offset: expected a number above 0, got 0.0"),
        (saddle_points, {"noise": math.nan}, "--noise: expected a number at least 0, got nan"),
        (newton, {"damping": -1.0}, "--damping: expected a number above 0"),
        (preconditioning, {"correlation": 1.0}, "--correlation: expected a number between -1 and 1, got 1.0"),
        (momentum, {"momentum": 1.0}, "--momentum: expected a number from 0 to below 1, got 1.0"),
        (plateau_reparametrisation, {"start": 9.0}, "--start: expected a number above 0 and at most 8, got 9.0"),
        (adadelta, {"scales": (2.0, 3.0)}, "--scales: expected different numbers above 0, 1 among them"),
        (adadelta, {"rho": 1.0}, "--rho: expected a number from 0 to below 1"),
    ],
)
def test_settings_out_of_range_are_refused(recipe, changes, message):
    with pytest.raises(InputError, match=message):
        recipe.Config(**changes)


def test_an_unknown_surface_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown surfaces 'rosenbrok'; did you mean 'rosenbrock'"):
        optimizer_race.Config(surfaces=("rosenbrok",))


def test_the_configs_fields_change_what_runs():
    config = dataclasses.replace(optimizer_race.Config(), surfaces=("saddle",), rules=("adam", "sgd"), lr=0.5)
    assert list(optimizer_race.contenders(config)) == ["saddle_adam", "saddle_sgd"]
    assert optimizer_race.reference(config) == "saddle_adam"
