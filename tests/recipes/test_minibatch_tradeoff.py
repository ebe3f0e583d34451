import dataclasses

import numpy as np
import pytest
import torch

from fathom import data
from fathom.errors import InputError
from fathom.recipes import minibatch_tradeoff as tradeoff
from fathom.records import RunFolder
from fathom.train import load_checkpoint

QUICK = {"device": "cpu", "threads": 1}


def ran(path, **changes):
    config = tradeoff.Config(**QUICK, **changes)
    folder = RunFolder.create("minibatch-tradeoff", dataclasses.asdict(config), path)
    return folder, tradeoff.run(config, folder)


def by_hand(size, rate, epochs, start):
    """The losses of mini-batch descent on the airfoil rows in NumPy, at each epoch's end."""
    train = data.load("airfoil").tensors
    x, y = (train[name].double().numpy() for name in ("x", "y"))
    w, b = (value.astype(np.float64) for value in start)
    batches, losses = data.Batches(train["x"], train["y"], batch_size=1500, shuffle=True, seed=0), []
    for _ in range(epochs):
        for rows, targets in batches:
            for place in range(0, 1500, size):
                part, target = (values[place : place + size].double().numpy() for values in (rows, targets))
                error = part @ w.T + b - target
                w, b = w - rate * error.T @ part / len(part), b - rate * error.mean()
        losses.append(0.5 * np.mean((x @ w.T + b - y) ** 2))
    return losses


@pytest.mark.parametrize(("size", "rate"), [(1500, 1.0), (77, 0.3)])
def test_a_line_learns_as_it_would_by_hand(size, rate):
    config = tradeoff.Config(**QUICK, sizes=(size,), rates=(rate,), epochs=3)
    torch.manual_seed(config.seed)
    start = [value.numpy() for value in tradeoff.build(config, {"example_shape": [5]}).state_dict().values()]
    history = tradeoff.run(config).history
    np.testing.assert_allclose(
        [record[f"batch_{size}_loss"] for record in history], by_hand(size, rate, 3, start), rtol=1e-4
    )


def test_the_books_losses_come_out():
    result = tradeoff.run(tradeoff.Config(**QUICK, sizes=(1500, 100), rates=(1.0, 0.4)))
    published = {figure.metric: figure.value for figure in result.published}
    for metric, tolerance in (("batch_1500_loss", 0.001), ("batch_100_early_loss", 0.003)):
        assert result.metrics[metric] == pytest.approx(published[metric], abs=tolerance)


def test_no_line_is_below_the_least_loss_and_descent_gets_there():
    result = tradeoff.run(tradeoff.Config(**QUICK, sizes=(1500,), rates=(0.9,), epochs=150))
    x, y = (values.double().numpy() for values in data.load("airfoil").tensors.values())
    (residual,) = np.linalg.lstsq(np.c_[x, np.ones(1500)], y, rcond=None)[1]
    assert result.metrics["least_loss"] == pytest.approx(0.5 * residual / 1500)
    assert -1e-7 < result.metrics["batch_1500_loss"] - result.metrics["least_loss"] < 1e-5  # the former is in float32


def test_the_target_is_reached_where_the_curve_first_meets_it(tmp_path):
    folder, result = ran(tmp_path / "run", sizes=(1500, 100), rates=(0.02, 0.4), epochs=2)
    curve = load_checkpoint(folder.last)["step"]["curves"]["batch_100"]
    assert [seen for seen, _ in curve] == list(range(0, 3001, 100))
    seen = result.metrics["batch_100_examples_to_target"]
    assert all((loss > 0.25) == (place < seen) for place, loss in curve if place <= seen)
    assert result.metrics["batch_100_updates_to_target"] == seen / 100
    assert "batch_1500_examples_to_target" not in result.metrics
    assert tradeoff.reached([(0, 2.0), (3, 1.0), (6, 0.5)], 1.0) == 3
    assert tradeoff.reached([(0, 2.0)], 1.0) is None


def test_it_predicts_decibels_from_hertz_and_metres(tmp_path):
    folder, result = ran(tmp_path / "run", sizes=(100, 1500), rates=(0.4, 1.0), epochs=3)
    prediction = tradeoff.predict(folder, "800,0,0.3048,71.3,0.00266337")
    best = min(("batch_100", "batch_1500"), key=lambda name: result.metrics[f"{name}_loss"])
    about, line = folder.data, tradeoff.trained(folder, tradeoff.Config(**folder.config))[best]
    x = (np.array([800, 0, 0.3048, 71.3, 0.00266337]) - about["means"]) / about["stds"]
    w, b = (value.double().numpy() for value in line.state_dict().values())
    assert prediction.label == pytest.approx((x @ w[0] + b[0]) * about["target_std"] + about["target_mean"], rel=1e-5)
    assert 110 < prediction.label < 140
    assert prediction.extra["by"] == best


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (10, 10, 1, 2)}, "--sizes: expected different numbers"),
        ({"sizes": (0, 1, 2, 3)}, "--sizes: expected different numbers of at least 1"),
        ({"rates": (1.0, 2.0)}, "--rates: expected 4 numbers above 0, one a size"),
        ({"rates": (1.0, 2.0, 3.0, 0.0)}, "--rates: expected 4 numbers above 0"),
        ({"every": 0}, "--every: expected a number at least 1"),
        ({"target": 0.0}, "--target: expected a number above 0"),
        ({"clip": 1.0}, "--clip: expected 0.0, since several models learn side by side"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        tradeoff.Config(**changes)
