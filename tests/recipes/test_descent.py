"""The shared part of the recipes that walk over given functions: paths, noise, schedules, what may be set."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from fathom.errors import InputError, RunFolderError
from fathom.recipes import gradient_descent, saddle_points
from fathom.recipes.common import curvature, descent
from fathom.records import RunFolder


def bowl(x):
    return x[..., 0].square() + 2 * x[..., 1].square()


def contender(rule=None, **changes):
    fields = {"title": "", "function": bowl, "start": (-5.0, -2.0), "rule": rule or descent.by_name("sgd", 0.1)}
    return descent.Contender(**{**fields, **changes})


def test_a_path_is_that_of_the_plain_loop():
    x1, x2, expected = -5.0, -2.0, [(-5.0, -2.0)]
    for _ in range(7):
        x1, x2 = x1 - 0.1 * 2 * x1, x2 - 0.1 * 4 * x2
        expected.append((x1, x2))
    found = descent.walk({"one": contender()}, 7)["one"]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_contenders_do_not_touch_one_another():
    both = {"one": contender(), "two": contender(rule=descent.by_name("adam", 0.3))}
    ways = descent.walk(both, 5)
    for name, each in both.items():
        np.testing.assert_array_equal(ways[name], descent.walk({"alone": each}, 5)["alone"])


def test_a_schedule_multiplies_the_rate_by_the_update():
    way = descent.walk({"one": contender(schedule=lambda done: 1 / (1 + done))}, 3)["one"][:, 0]
    np.testing.assert_allclose(way[1:] / way[:-1], [1 - 0.2, 1 - 0.1, 1 - 0.2 / 3])


def test_noise_has_the_deviation_asked_for_and_the_values_are_without_it():
    torch.manual_seed(0)
    flat = contender(
        function=lambda x: 0.0 * x.sum(-1), start=(0.0,) * 997, noise=0.3, rule=descent.by_name("sgd", 1.0)
    )
    walk = descent.Descent({"one": flat}, "one")
    assert walk()["one_loss"] == 0.0
    assert walk.paths["one"][1].std() == pytest.approx(0.3, rel=0.05)


def test_one_whose_gradient_is_not_finite_stays_and_stops_nobody():
    root = contender(function=lambda x: x[..., 0].sqrt(), start=(0.04,), rule=descent.by_name("sgd", 1.0))
    walk = descent.Descent({"good": contender(), "root": root}, "good")
    seen = [walk() for _ in range(3)]
    assert [values["root_loss"] for values in seen] == [0.2, math.inf, math.inf]
    assert walk.paths["root"][-1] == walk.paths["root"][1]
    assert seen[2]["loss"] == seen[2]["good_loss"] < seen[0]["loss"]


def test_a_descent_put_back_goes_on_as_if_never_stopped():
    both = {"one": contender(rule=descent.by_name("adam", 0.3)), "two": contender(rule=descent.by_name("sgd", 0.1))}
    first, second, whole = (descent.Descent(both, "one") for _ in range(3))
    for _ in range(5):
        whole()
    for _ in range(2):
        first()
    second.points.load_state_dict(first.points.state_dict())
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        second()
    for name in both:
        np.testing.assert_array_equal(second.paths[name], whole.paths[name])


# --- theory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curvatures", [(0.2,), (0.7, 3.0), (1.0, 2.0, 5.0)])
def test_the_critical_rate_is_two_over_the_greatest_curvature(curvatures):
    weights = torch.tensor(curvatures, dtype=torch.float64)
    origin = [0.0] * len(curvatures)

    def quadratic(x):
        return 0.5 * (weights * x.square()).sum(-1)

    assert curvature.critical_rate(quadratic, origin) == pytest.approx(2 / max(curvatures))
    measured = curvature.measured_critical_rate(quadratic, origin, high=20.0)
    assert measured == pytest.approx(2 / max(curvatures), rel=1e-5)


def test_the_contraction_is_that_of_the_slowest_eigenvector():
    rates = np.array([0.05, 0.2, 0.35, 0.45, 0.55])
    expected = np.maximum(abs(1 - 2 * rates), abs(1 - 4 * rates))
    np.testing.assert_allclose(curvature.contraction(bowl, (0.0, 0.0), rates), expected, rtol=1e-6)


def test_a_bracket_without_the_critical_rate_is_refused():
    with pytest.raises(InputError, match=r"critical rate: expected one below 0\.4, but descent settles there"):
        curvature.measured_critical_rate(bowl, (0.0, 0.0), high=0.4)


def test_first_below_counts_updates():
    assert descent.first_below(np.array([3.0, 1.0, 2.0]), 2.0) == 1
    assert descent.first_below(np.array([3.0, 3.0]), 2.0) == 2


# --- settings and folders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 2}, "--batch-size: expected 1, since there are no examples"),
        ({"data": "fashion-mnist"}, "--data: expected none, since there are no examples"),
        ({"optimizer": "adam"}, "--optimizer: expected sgd, since each contender moves by the plain rule"),
        ({"schedule": "cosine"}, "--schedule: expected constant, since each contender"),
        ({"seed": 3}, "--seed: expected 0, since nothing is drawn at random; got 3; leave it out"),
        ({"device": "cuda"}, "--device: expected auto or cpu, since one point moves, got cuda"),
        ({"start": (math.inf, 0.0)}, "--start: expected 2 finite numbers, got"),
    ],
)
def test_what_has_no_meaning_for_a_point_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        gradient_descent.Config(**changes)


def test_a_recipe_with_noise_takes_a_seed():
    assert saddle_points.Config(seed=3).seed == 3


def test_prediction_walks_from_the_given_point_as_long_as_the_run(tmp_path):
    config = gradient_descent.Config(epochs=4)
    folder = RunFolder.create("gradient-descent", dataclasses.asdict(config), tmp_path / "run")
    with pytest.raises(RunFolderError, match="has no checkpoint yet"):
        descent.paths(folder)
    gradient_descent.run(config, folder)
    prediction = gradient_descent.predict(folder, "0.5,2")
    end = [0.5 * 0.8**4, 2 * 0.6**4]
    assert prediction.extra["bowl_end"] == pytest.approx(end)
    assert prediction.extra["path"][0] == [0.5, 2.0]
    assert len(prediction.extra["path"]) == 5
    assert prediction.label == pytest.approx(end[0] ** 2 + 2 * end[1] ** 2)
    with pytest.raises(InputError, match="expected 2 numbers with commas between them"):
        gradient_descent.predict(folder, "0.5")
