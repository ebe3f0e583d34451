"""Sizes that give networks of different kinds as many parameters, so that a comparison is of the kinds."""

from collections.abc import Callable

import torch
from torch import nn


def parameters(net: nn.Module) -> int:
    """How many numbers a net learns."""
    return sum(parameter.numel() for parameter in net.parameters())


def matched(build: Callable[[int], nn.Module], count: int) -> int:
    """The size, at least 1, at which `build(size)` has nearest to `count` parameters; draws nothing.

    Args:
        build: gives a net of torch's layers whose parameters grow with the size.
    """

    def counted(size: int) -> int:
        with torch.device("meta"):
            return parameters(build(size))

    low, high = 1, 1
    while counted(high) < count:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if counted(middle) < count else (low, middle)
    return min((low, high), key=lambda size: abs(counted(size) - count))
