"""How the book starts its models: functions that redraw the weights of a finished model, on rung torch or scratch.

Only the weights of linear and convolutional layers are drawn anew, in the order of the layers.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from fathom import layers
from fathom.layers import init

M = TypeVar("M", bound=torch.nn.Module)
WEIGHTED = (torch.nn.Linear, torch.nn.Conv2d, layers.Linear, layers.Conv2d)


def xavier(model: M) -> M:
    """Weights by Xavier's uniform rule; biases stay. Returns the model, changed in place.

    Source: Dive into Deep Learning, "Convolutional Neural Networks (LeNet)", where training begins.
    """
    return _each_weight(model, init.xavier_uniform_)


def normal(model: M, std: float = 0.01) -> M:
    """Weights from a normal distribution around 0, biases 0. Returns the model, changed in place.

    Args:
        model: any module.
        std: standard deviation; 0.01 is the book's, in its chapters on linear networks and multilayer perceptrons.
    """
    return _each_weight(model, lambda weight: init.normal_(weight, 0.0, std), zero_bias=True)


def _each_weight(model: M, draw: Callable[[Tensor], object], zero_bias: bool = False) -> M:
    for module in model.modules():
        if isinstance(module, WEIGHTED):
            draw(module.weight)
            if zero_bias and module.bias is not None:
                init.zeros_(module.bias)
    return model
