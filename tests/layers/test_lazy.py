import copy

import pytest
import torch
from torch import nn

from fathom import layers
from fathom.errors import ShapeError


def network(namespace):
    return namespace.Sequential(
        namespace.LazyConv2d(6, 3, padding=1),
        namespace.LazyBatchNorm2d(),
        namespace.ReLU(),
        namespace.Flatten(),
        namespace.LazyLinear(5),
        namespace.LazyBatchNorm1d(),
    )


def test_the_first_input_gives_torchs_shapes_and_numbers():
    x = torch.randn(2, 3, 5, 7)
    with torch.random.fork_rng(devices=[]):
        results = []
        for namespace in (layers, nn):
            torch.manual_seed(0)
            model = network(namespace)
            results.append((model(x), model.state_dict()))
    torch.testing.assert_close(*(output for output, _ in results))
    torch.testing.assert_close(*(dict(state) for _, state in results))


def test_after_the_first_input_the_layers_are_plain_ones_of_ours():
    model = network(layers)
    model(torch.randn(2, 3, 5, 7))
    kinds = [type(layer) for layer in model]
    assert kinds[:2] == [layers.Conv2d, layers.BatchNorm2d]
    assert kinds[4:] == [layers.Linear, layers.BatchNorm1d]
    assert "in_features=210" in repr(model[4])
    assert "3, 6, kernel_size=(3, 3)" in repr(model[0])
    assert "6, eps" in repr(model[1])


def test_the_state_dict_of_a_finished_model_gives_the_sizes():
    finished = network(layers)
    x = torch.randn(2, 3, 5, 7)
    finished(x)
    fresh = network(layers)
    fresh.load_state_dict(finished.state_dict())
    torch.testing.assert_close(fresh.eval()(x), finished.eval()(x))
    assert fresh[0].in_channels == 3
    assert fresh[4].in_features == 210


def test_every_parameter_gets_a_gradient_after_the_first_input():
    model = network(layers)
    model(torch.randn(3, 3, 5, 7)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_copy_learns_its_own_size():
    layer = layers.LazyLinear(3)
    twin = copy.deepcopy(layer)
    assert layer(torch.zeros(2, 5)).shape == twin(torch.zeros(2, 7)).shape == (2, 3)
    assert (layer.in_features, twin.in_features) == (5, 7)


def test_reset_before_the_first_input_does_nothing():
    layer = layers.LazyConv2d(5, 3)
    layer.reset_parameters()
    assert layer(torch.zeros(1, 2, 5, 7)).shape == (1, 5, 3, 5)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (lambda: layers.LazyLinear(3), (), r"x: expected \(\.\.\., in_features\), got a single number"),
        (lambda: layers.LazyConv2d(6, 3, groups=2), (1, 3, 5, 7), "in_channels in 2 groups, got"),
        (lambda: layers.LazyConv2d(6, 3), (5, 7), r"x: expected \(batch, in_channels, height, width\)"),
        (lambda: layers.LazyBatchNorm1d(), (5,), r"x: expected \(batch, num_features, \.\.\.\), got \(5,\)"),
    ],
)
def test_a_first_input_that_tells_no_size_is_refused(layer, shape, message):
    with pytest.raises(ShapeError, match=message):
        layer()(torch.zeros(shape))
