import pytest
import torch

from fathom.errors import InputError
from fathom.models.mlp import mlp


def kinds(model):
    return [type(layer).__name__ for layer in model]


def test_it_is_as_deep_as_it_has_hidden_sizes():
    assert kinds(mlp(5, (3, 7), 2)) == ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear"]


def test_without_hidden_layers_it_is_softmax_regression():
    assert kinds(mlp(5, (), 2)) == ["Flatten", "Linear"]


def test_each_hidden_layer_has_its_own_dropout():
    model = mlp(5, (3, 7), 2, dropout=(0.2, 0.5))
    assert [layer.p for layer in model if isinstance(layer, torch.nn.Dropout)] == [0.2, 0.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": (0.2,), "hidden_sizes": (3, 7)}, "dropout: expected 2 probabilities"),
        ({"dropout": (1.0,)}, "dropout: expected probabilities 0 <= p < 1"),
        ({"hidden_sizes": (3, 0)}, "hidden_sizes: expected a whole number of at least 1, got 0"),
        ({"in_features": -1}, "in_features: expected a whole number of at least 1, got -1"),
    ],
)
def test_wrong_sizes_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        mlp(**arguments)
