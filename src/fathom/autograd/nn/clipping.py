"""Gradient clipping. Twin: `torch.nn.utils.clip_grad_norm_`."""

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
