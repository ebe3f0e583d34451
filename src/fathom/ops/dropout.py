"""Dropout: entries set to zero at random."""

import torch
from torch import Tensor

from fathom.errors import InputError


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Each entry becomes 0 with probability `p`, else is divided by `1 - p`, so that the mean stays.

    Args:
        x: any shape.
        p: `0 <= p <= 1`.
        training: if false, `x` comes back as it is.

    Randomness: torch's global generator; on the CPU the same draws as the twin's.
    Twin: `torch.nn.functional.dropout`. Source: Srivastava et al. 2014; Dive into Deep Learning, "Dropout".
    """
    if not 0 <= p <= 1:
        raise InputError(f"p: expected a probability from 0 to 1, got {p}")
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0.0
    return x * torch.empty_like(x).bernoulli_(1 - p).div_(1 - p)
