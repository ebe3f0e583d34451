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


def kaiming(model: M, mode: str = "fan_out") -> M:
    """Weights of convolutions by Kaiming's normal rule for ReLU; all else stays. Returns the model, changed in place.

    Args:
        model: any module; one of the NumPy engine is left as it is.
        mode: `fan_out` keeps the variance of the gradient, `fan_in` that of the signal.

    Source: He et al. 2015, arXiv 1502.01852, equations 10 and 14.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | layers.Conv2d):
            init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
    return model


def truncated_normal(model: M, std: float = 0.1) -> M:
    """Weights from a normal distribution around 0, cut off at two deviations. Returns the model, changed in place.

    Args:
        model: any module; one of the NumPy engine is left as it is.
        std: standard deviation before the cut.

    Source: the released training code of Szegedy et al. 2015, arXiv 1512.00567, which torchvision follows.
    """
    return _each_weight(model, lambda weight: _cut_off_normal(weight, std))


def _each_weight(model: M, draw: Callable[[Tensor], object], zero_bias: bool = False) -> M:
    for module in model.modules():
        if isinstance(module, WEIGHTED):
            draw(module.weight)
            if zero_bias and module.bias is not None:
                init.zeros_(module.bias)
    return model


@torch.no_grad()
def _cut_off_normal(weight: Tensor, std: float) -> None:
    """What lies outside is drawn again; about 1/8 of the time that torch's `trunc_normal_` takes."""
    init.normal_(weight, 0.0, std)
    while not weight.is_meta and (outside := weight.abs() > 2 * std).any():
        weight[outside] = init.normal_(weight.new_empty(int(outside.sum())), 0.0, std)
