import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from fathom import data, models
from fathom.errors import DivergedError, InputError, UnknownNameError
from fathom.layers import namespace
from fathom.recipes import (
    initialisation,
    initialiser_grid,
    layerwise_pretraining,
    losses,
    symmetry,
    vanishing_gradients,
)
from fathom.recipes.common import contest, stability
from fathom.records import RunFolder

QUICK = {"device": "cpu", "threads": 1, "batch_size": 64}
ABOUT = {"example_shape": [1, 28, 28], "classes": list("abcdefghij"), "kind": "images"}


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- theory ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", stability.INITIALISERS)
def test_an_initialiser_draws_the_deviation_it_states(name):
    torch.manual_seed(0)
    initialiser, weight = stability.INITIALISERS[name], torch.empty(300, 200)
    initialiser.draw(weight)
    assert weight.square().mean().sqrt().item() == pytest.approx(initialiser.std(200, 300), rel=0.02)


@pytest.mark.parametrize("rung", ["torch", "scratch"])
@pytest.mark.parametrize("name", stability.ACTIVATIONS)
def test_an_activation_and_its_slope_are_those_of_its_layer(name, rung):
    activation = stability.ACTIVATIONS[name]
    x = torch.tensor([-7.0, -1.3, -0.1, 0.2, 2.0, 9.0], dtype=torch.float64, requires_grad=True)
    y = activation.layer(namespace(rung))(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(activation.value(x.detach().numpy()), y.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(activation.slope(x.detach().numpy()), gradient.numpy(), atol=1e-12)


def test_the_scaled_sigmoid_is_the_identity_near_zero():
    x = torch.tensor([0.0, 1e-4], dtype=torch.float64)
    scaled = stability.ScaledSigmoid(nn.Sigmoid())
    torch.testing.assert_close(scaled(x), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(scaled(100 * x), 2 * torch.tanh(50 * x))


def test_means_over_the_normal_distribution_are_exact_where_they_are_known():
    mean = stability.gaussian_mean
    assert mean(lambda z: z**2, 3.0) == pytest.approx(3.0)
    assert mean(lambda z: np.maximum(z, 0) ** 2, 3.0) == pytest.approx(1.5)
    assert mean(lambda z: (z > 0).astype(float), 3.0) == pytest.approx(0.5)
    assert mean(np.cos, 2.0) == pytest.approx(math.exp(-1.0))


def test_in_theory_kaiming_keeps_a_signal_through_relu_and_xavier_halves_it():
    sizes = [50] * 12
    for name, factor in (("kaiming", 1.0), ("xavier", 0.5), ("large", 25.0), ("small", 25e-4), ("zero", 0.0)):
        forward, backward = stability.predict_signals(sizes, name, "relu", 1.0, 1.0)
        assert len(forward) == len(backward) == 11
        assert stability.factor(forward) == pytest.approx(factor)
        if name != "zero":
            assert stability.factor(backward[::-1]) == pytest.approx(factor)


@pytest.mark.parametrize("activation", stability.ACTIVATIONS)
@pytest.mark.parametrize("start", ["small", "large", "xavier", "kaiming"])
def test_wide_layers_do_what_theory_says(activation, start):
    torch.manual_seed(0)
    sizes = [60, 500, 400, 500, 300, 7]
    network = stability.deep(60, sizes[1:-1], 7, activation)
    stability.initialise(network, start)
    measured = stability.measure_signals(network, drawn(40, 60), torch.arange(40) % 7)
    forward, backward = stability.predict_signals(
        sizes, start, activation, measured.source, float(measured.backward[-1])
    )
    ratio = measured.forward[:-1] / forward[:-1]  # the logits are only seven
    np.testing.assert_allclose(ratio, 1, atol=0.2)
    steps = (measured.backward[:-2] / measured.backward[1:-1]) / (backward[:-2] / backward[1:-1])
    np.testing.assert_allclose(steps, 1, atol=0.25)


def test_signals_are_the_variances_of_outputs_and_gradients_by_hand():
    network = stability.deep(5, [3], 2, "tanh").double()
    x, y = drawn(4, 5), torch.tensor([0, 1, 1, 0])
    first = network[1](x).detach().requires_grad_()
    last = network[3](first.tanh())
    gradients = torch.autograd.grad(nn.functional.cross_entropy(last, y, reduction="sum"), [first, last])
    found = stability.measure_signals(network, x, y)
    assert found.source == pytest.approx(x.square().mean().item())
    np.testing.assert_allclose(found.forward, [first.square().mean().item(), last.square().mean().item()])
    np.testing.assert_allclose(found.backward, [gradient.square().mean().item() for gradient in gradients])
    assert all(parameter.grad is None for parameter in network.parameters())


# --- initialisation, grid -------------------------------------------------------------------------------------------


def test_measured_factors_are_near_the_theory_for_every_start():
    config = initialisation.Config(**QUICK, depth=20, width=128)
    torch.manual_seed(0)
    numbers = initialisation.factors(config, initialisation.build(config, ABOUT), data.load("fashion-mnist-sample"))
    for start in ("small", "large", "xavier", "kaiming"):
        for way in ("forward", "backward"):
            measured, theory = numbers[f"{start}_{way}_factor"], numbers[f"{start}_{way}_factor_theory"]
            assert measured == pytest.approx(theory, rel=0.15)
    assert numbers["zero_forward_factor"] == numbers["zero_backward_factor"] == 0
    assert numbers["kaiming_forward_factor_theory"] == pytest.approx(1)


def test_only_kaiming_learns_at_depth():
    result = initialisation.run(initialisation.Config(**QUICK, depth=12, width=64, lr=0.05, epochs=2, limit=60))
    assert result.metrics["test_kaiming_accuracy"] > 0.25
    for start in ("zero", "small", "large"):
        assert result.metrics[f"test_{start}_accuracy"] < 0.16
    assert result.metrics["train_kaiming_loss"] < result.metrics["train_xavier_loss"] - 0.1


def test_one_that_overflows_stands_still_and_stops_nobody():
    result = initialisation.run(initialisation.Config(**QUICK, depth=25, width=32, lr=0.03, epochs=1, limit=5))
    assert result.metrics["train_large_loss"] > 1e10
    assert math.isfinite(result.metrics["train_loss"])
    assert math.isfinite(result.metrics["train_zero_loss"])


def test_the_reference_may_not_overflow():
    with pytest.raises(DivergedError):
        initialisation.run(initialisation.Config(**QUICK, depth=6, width=32, lr=1e6, epochs=1, limit=20))


def test_a_contestant_whose_gradient_is_not_finite_is_left_alone():
    model = nn.Sequential(nn.Linear(2, 2))
    race = contest.Contest(nn.ModuleDict({"only": model}), "only", nn.CrossEntropyLoss(), contest.Rule("sgd", 0.1))
    before = model[0].weight.detach().clone()
    values = race((torch.tensor([[math.inf, 1.0]]), torch.tensor([0])))
    assert values["loss"] == math.inf
    assert torch.equal(model[0].weight, before)


def test_contestants_learn_as_if_alone():
    torch.manual_seed(0)
    one, other = nn.Linear(3, 2), nn.Linear(3, 2)
    alone = nn.Linear(3, 2)
    alone.load_state_dict(other.state_dict())
    rule = contest.Rule("adam", 0.1)
    race = contest.Contest(nn.ModuleDict({"one": one, "other": other}), "one", nn.CrossEntropyLoss(), rule)
    single = contest.Contest(nn.ModuleDict({"alone": alone}), "alone", nn.CrossEntropyLoss(), rule)
    for seed in range(3):
        batch = drawn(5, 3, seed=seed).float(), torch.tensor([0, 1, 1, 0, 1])
        together, apart = race(batch), single(batch)
        assert together["other_loss"] == apart["loss"]
    assert torch.equal(other.weight, alone.weight)


def test_in_the_grid_xavier_halves_the_gradient_under_relu_and_the_sigmoid_loses_it_from_any_start():
    config = initialiser_grid.Config(**QUICK, depth=12, width=64)
    torch.manual_seed(0)
    numbers = initialiser_grid.at_start(initialiser_grid.build(config, ABOUT), data.load("fashion-mnist-sample"))
    assert numbers["relu_xavier_backward_factor"] == pytest.approx(0.5, abs=0.06)
    assert numbers["relu_kaiming_backward_factor"] == pytest.approx(1.0, abs=0.12)
    assert numbers["tanh_xavier_backward_factor"] > 0.8
    assert numbers["scaled_xavier_backward_factor"] > 0.8
    for start in ("small", "xavier", "kaiming"):
        assert numbers[f"sigmoid_{start}_backward_factor"] < 0.2


# --- symmetry -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def symmetric():
    return symmetry.run(symmetry.Config(**QUICK, width=16, lr=0.3, epochs=2, limit=60))


def test_units_that_start_alike_stay_alike(symmetric):
    for record in symmetric.history:
        assert record["zero_distinct_units"] == record["constant_distinct_units"] == 1
        assert record["xavier_distinct_units"] == 16


def test_a_network_whose_units_are_alike_learns_little(symmetric):
    for start in ("zero", "constant"):
        assert symmetric.metrics[f"test_{start}_accuracy"] < symmetric.metrics["test_xavier_accuracy"] - 0.2


def test_softmax_regression_may_start_at_zero(symmetric):
    gap = symmetric.metrics["test_linear_zero_accuracy"] - symmetric.metrics["test_linear_normal_accuracy"]
    assert abs(gap) < 0.02
    assert symmetric.metrics["test_linear_zero_accuracy"] > 0.6


def test_linear_and_logistic_regression_reach_their_optimum_from_zero():
    x, w = drawn(50, 3), torch.tensor([[2.0], [-1.0], [0.5]], dtype=torch.float64)
    line = models.create("linear_regression", in_features=3).double()
    symmetry.fill(line, 0.0)
    logistic = nn.Linear(3, 1).double()
    symmetry.fill(logistic, 0.0)
    noisy = x @ w + 0.5 * drawn(50, 1, seed=1) > 0
    for _ in range(800):
        line_loss = (line(x) - x @ w).square().mean()
        logistic_loss = nn.functional.binary_cross_entropy_with_logits(logistic(x), noisy.double())
        for loss, model in ((line_loss, line), (logistic_loss, logistic)):
            parameters = list(model.parameters())
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                with torch.no_grad():
                    parameter -= 0.3 * gradient
    torch.testing.assert_close(next(line.parameters()), w.T, atol=1e-6, rtol=0)
    assert ((logistic(x) > 0) == noisy).double().mean() > 0.9


def test_with_an_activation_through_the_origin_only_the_last_bias_leaves_zero():
    network = stability.deep(5, [7], 3, "tanh").double()
    symmetry.fill(network, 0.0)
    loss = nn.functional.cross_entropy(network(drawn(11, 5)), torch.arange(11) % 3)
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    assert [bool(gradient.any()) for gradient in gradients] == [False, False, False, True]


def test_rows_within_a_tolerance_count_once():
    rows = torch.tensor([[1.0, 2.0], [1.0, 2.0005], [1.0, 2.1], [0.0, 0.0]])
    assert symmetry.count_distinct(rows, 1e-3) == 3
    assert symmetry.count_distinct(rows, 0.0) == 4


# --- vanishing gradients --------------------------------------------------------------------------------------------


def test_the_gradient_vanishes_through_sigmoids_and_not_through_relus():
    config = vanishing_gradients.Config(**QUICK, depth=8, width=32)
    torch.manual_seed(0)
    networks = vanishing_gradients.build(config, ABOUT)
    numbers = vanishing_gradients.at_start(config, networks, data.load("fashion-mnist-sample"))
    assert numbers["sigmoid_gradient_ratio"] < 1e-3
    assert 0.1 < numbers["relu_gradient_ratio"] < 20


def test_gradient_norms_are_those_of_the_weights():
    network = stability.deep(5, [3], 2, "sigmoid")
    x, y = drawn(4, 5).float(), torch.tensor([0, 1, 1, 0])
    nn.functional.cross_entropy(network(x), y).backward()
    expected = [network[1].weight.grad.norm().item(), network[3].weight.grad.norm().item()]
    assert vanishing_gradients.gradient_norms(network, x, y) == pytest.approx(expected)


def test_products_of_random_matrices_grow_as_theory_says():
    lengths = vanishing_gradients.log_norms(0, 300, 1.0, draws=100)
    rate = np.median(lengths[:, -1] - lengths[:, 99]) / 200
    assert rate == pytest.approx(vanishing_gradients.growth(1.0), rel=0.03)
    assert vanishing_gradients.growth(1.0) * 100 == pytest.approx(24.2, abs=0.1)  # 1e24, as the book's product
    assert vanishing_gradients.growth(math.exp(-0.5581)) == pytest.approx(0, abs=1e-4)


def test_the_length_of_a_product_is_that_of_the_product():
    random = vanishing_gradients.seeding.generator(3, 4)
    product = torch.eye(4, dtype=torch.float64)
    for _ in range(4):
        product = 0.7 * torch.randn(1, 4, 4, generator=random, dtype=torch.float64)[0] @ product
    found = vanishing_gradients.log_norms(3, 4, 0.7, draws=1)
    assert found[0, -1] == pytest.approx(math.log10(product.norm().item()))


# --- layer-wise pre-training ----------------------------------------------------------------------------------------


def layerwise(**changes):
    return layerwise_pretraining.Config(**{**QUICK, "hidden_sizes": (20, 15), "pretrain_epochs": 1, **changes})


def test_both_sigmoid_networks_start_from_the_same_weights():
    networks = layerwise_pretraining.build(layerwise(), ABOUT)
    first, second = networks["pretrained"].network.state_dict(), networks["random"].state_dict()
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_while_one_layer_is_pretrained_the_others_rest():
    config = layerwise()
    torch.manual_seed(0)
    networks = layerwise_pretraining.build(config, ABOUT)
    loss = nn.CrossEntropyLoss()
    step = layerwise_pretraining.Layerwise(networks, loss, nn.MSELoss(), config, steps_per_epoch=3)
    batch = torch.rand(8, 1, 28, 28), torch.arange(8)
    network = networks["pretrained"].network
    for turn in range(9):
        before = {name: weight.clone() for name, weight in network.state_dict().items()}
        values = step(batch)
        moved = {name for name, weight in network.state_dict().items() if not torch.equal(weight, before[name])}
        own = [{"1.weight", "1.bias"}, {"3.weight", "3.bias"}, set(before)][turn // 3]
        assert moved == own
        assert ("restored" in values) == (turn < 6)


def test_the_autoencoders_learn_to_restore():
    result = layerwise_pretraining.run(layerwise(epochs=4, pretrain_epochs=2, hidden_sizes=(32,), limit=30))
    restored = [record["train_restored"] for record in result.history if "train_restored" in record]
    assert len(restored) == 2
    assert restored[1] < restored[0]


def test_without_pretraining_both_sigmoid_networks_are_the_same():
    result = layerwise_pretraining.run(layerwise(epochs=1, pretrain_epochs=0, limit=5))
    assert result.metrics["train_pretrained_loss"] == result.metrics["train_random_loss"]


# --- losses ---------------------------------------------------------------------------------------------------------


def test_outliers_move_the_squared_loss_most_and_the_absolute_least():
    metrics = losses.run(losses.Config(device="cpu", threads=1, epochs=5)).metrics
    assert metrics["l2_b_error"] == pytest.approx(0.1 * 20, rel=0.3)  # a tenth of the targets, 20 too high
    assert metrics["huber_b_error"] < 0.2
    assert metrics["l1_b_error"] < 0.05


def test_only_the_asked_share_of_targets_moves():
    train = data.load("synthetic-linear")
    config = losses.Config(outliers=0.25, shift=7.0)
    moved = losses.with_outliers(train, config).tensors["y"] - train.tensors["y"]
    assert (moved > 3).float().mean().item() == pytest.approx(0.25, abs=0.05)
    assert torch.equal(losses.with_outliers(train, config).tensors["x"], train.tensors["x"])


def test_a_lines_update_is_that_of_its_own_loss():
    config = losses.Config(delta=0.7)
    torch.manual_seed(0)
    about = {"example_shape": [3]}
    what = losses.task(config, about)
    model = what.build().double()
    x, y = drawn(7, 3), 5 * drawn(7, 1, seed=1)
    what.loss(model(x), y).backward()
    error = (model(x) - y).detach()
    slopes = {"l2": error[:, :1], "l1": error[:, 1:2].sign(), "huber": error[:, 2:].clamp(-0.7, 0.7)}
    for line, slope in zip(model.models, slopes.values(), strict=True):
        torch.testing.assert_close(line[0].weight.grad, (slope * x).mean(0, keepdim=True))


# --- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        (initialisation, {"depth": 1}, "--depth: expected a number of at least 2, got 1"),
        (initialisation, {"clip": 1.0}, "--clip: expected 0.0, since several models learn side by side"),
        (initialisation, {"precision": "bf16"}, "--precision: expected fp32, since"),
        (initialiser_grid, {"width": 0}, "--width: expected a number of at least 1, got 0"),
        (symmetry, {"width": 1}, "--width: expected a number of at least 2"),
        (vanishing_gradients, {"matrices": 0}, "--matrices: expected a number of at least 1"),
        (layerwise_pretraining, {"hidden_sizes": ()}, "--hidden-sizes: expected at least one number"),
        (layerwise_pretraining, {"corruption": 1.0}, "--corruption: expected a share from 0 to below 1"),
        (layerwise_pretraining, {"pretrain_lr": 0.0}, "--pretrain-lr: expected a number above 0"),
        (losses, {"outliers": 1.5}, "--outliers: expected a share from 0 to 1"),
        (losses, {"delta": 0.0}, "--delta: expected a number above 0"),
        (losses, {"shift": math.nan}, "--shift: expected a number, got nan"),
    ],
)
def test_settings_out_of_range_are_refused(recipe, changes, message):
    with pytest.raises(InputError, match=message):
        recipe.Config(**changes)


def test_an_unknown_activation_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown activation 'sigmod'; did you mean 'sigmoid'"):
        initialisation.Config(activation="sigmod")


def test_the_best_contestant_predicts_and_the_others_are_heard(tmp_path):
    config = symmetry.Config(**QUICK, width=8, epochs=1, limit=20)
    folder = RunFolder.create("symmetry", dataclasses.asdict(config), tmp_path / "run")
    result = symmetry.run(config, folder)
    from PIL import Image

    Image.new("L", (28, 28), 200).save(tmp_path / "x.png")
    prediction = symmetry.predict(folder, tmp_path / "x.png")
    scores = {name: result.metrics[f"test_{name}_accuracy"] for name in symmetry.TITLES}
    assert scores[prediction.extra["by"]] == max(scores.values())
    assert set(prediction.extra) == {"by", *symmetry.TITLES}
    shares = list(prediction.probabilities.values())
    assert all(before >= after for before, after in itertools.pairwise(shares))
