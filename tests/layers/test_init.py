import math

import pytest
import torch
from torch.nn import init as theirs

from fathom.errors import ShapeError, UnknownNameError
from fathom.layers import init as ours

CALLS = [
    ("uniform_", {"a": -2.0, "b": 3.0}),
    ("normal_", {"mean": 1.0, "std": 0.2}),
    ("constant_", {"val": 0.3}),
    ("zeros_", {}),
    ("ones_", {}),
    ("xavier_uniform_", {"gain": 2.0}),
    ("xavier_normal_", {}),
    ("kaiming_uniform_", {"nonlinearity": "relu"}),
    ("kaiming_uniform_", {"a": math.sqrt(5)}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("orthogonal_", {"gain": 0.5}),
]
SHAPES = [(7, 5), (5, 7), (3, 5, 2, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_the_same_generator_gives_torchs_numbers(name, arguments, shape):
    drawn = []
    for module in (ours, theirs):
        random = {} if "val" in arguments or name in ("zeros_", "ones_") else {"generator": torch.manual_seed(0)}
        drawn.append(getattr(module, name)(torch.full(shape, torch.nan), **arguments, **random))
    torch.testing.assert_close(*drawn)


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("xavier_uniform_", math.sqrt(2 / 500)),
        ("xavier_normal_", math.sqrt(2 / 500)),
        ("kaiming_uniform_", math.sqrt(2 / 300)),
        ("kaiming_normal_", math.sqrt(2 / 300)),
    ],
)
def test_the_moments_are_the_papers(name, deviation):
    weight = getattr(ours, name)(torch.empty(200, 300), generator=torch.Generator().manual_seed(0))
    assert weight.mean().item() == pytest.approx(0, abs=deviation / 50)
    assert weight.std().item() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal_rows_or_columns_are_orthonormal(shape):
    weight = ours.orthogonal_(torch.empty(shape, dtype=torch.float64)).flatten(1)
    product = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
    torch.testing.assert_close(product, torch.eye(len(product), dtype=torch.float64))


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gains_are_torchs(name):
    assert ours.calculate_gain(name) == pytest.approx(theirs.calculate_gain(name))


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_the_gain_of_a_leaky_relu_is_torchs(slope):
    assert ours.calculate_gain("leaky_relu", slope) == pytest.approx(theirs.calculate_gain("leaky_relu", slope))


def test_an_unknown_nonlinearity_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="unknown nonlinearity 'reul'; did you mean 'relu'"):
        ours.calculate_gain("reul")


def test_a_bias_has_no_fans():
    with pytest.raises(ShapeError, match=r"tensor: expected a weight \(out, in, \*kernel\), got \(5,\)"):
        ours.xavier_uniform_(torch.empty(5))
