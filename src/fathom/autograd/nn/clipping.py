"""Gradient clipping. Twins: `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_`."""

import math
from collections.abc import Iterable

import numpy as np

from fathom.autograd.tensor import Tensor


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Shrink all gradients by one factor, in place, so that their common length is at most `max_norm`.

    Returns:
        The length before.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = math.sqrt(sum(float(np.vdot(g.array, g.array)) for g in gradients))
    scale = max_norm / (norm + 1e-6)
    if scale < 1:
        for gradient in gradients:
            gradient.detach().mul_(scale)
    return norm


def clip_grad_value_(parameters: Iterable[Tensor], clip_value: float) -> None:
    """Bring every number of every gradient into `[-clip_value, clip_value]`, in place."""
    for parameter in parameters:
        if parameter.grad is not None:
            array = parameter.grad.array
            np.clip(array, -clip_value, clip_value, out=array)
