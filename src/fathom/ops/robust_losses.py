"""Losses that grow no faster than the error, far out: one outlier does not outweigh everything else."""

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.ops.losses import reduced, same_shape


def l1_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|x - target|; its derivative at 0 is 0.

    Args:
        x: predictions, any shape.
        target: of the same shape.
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.

    Twin: `torch.nn.functional.l1_loss`.
    """
    same_shape(x, target)
    return reduced((x - target).abs(), reduction)


def huber_loss(x: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """(x - target)² / 2 up to a distance of `delta`, then a line: `delta` · (|x - target| - `delta` / 2).

    Args:
        x: predictions, any shape.
        target: of the same shape.
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.
        delta: where the parabola goes over into a line, above 0, in units of the target.

    Twin: `torch.nn.functional.huber_loss`. Source: Huber 1964, "Robust Estimation of a Location Parameter".
    """
    if not delta > 0:
        raise InputError(f"delta: expected a distance above 0, got {delta}")
    same_shape(x, target)
    return reduced(_huber(x - target, delta), reduction)


def smooth_l1_loss(x: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """The Huber loss over `beta`, so that its slope far out is 1; with `beta` 0, |x - target|.

    Args:
        x: predictions, any shape.
        target: of the same shape.
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.
        beta: where the parabola goes over into a line, 0 or more, in units of the target.

    Twin: `torch.nn.functional.smooth_l1_loss`. Source: Girshick 2015, arXiv 1504.08083, equation 3.
    """
    if not beta >= 0:
        raise InputError(f"beta: expected a distance of at least 0, got {beta}")
    if beta == 0:
        return l1_loss(x, target, reduction=reduction)
    same_shape(x, target)
    return reduced(_huber(x - target, beta) / beta, reduction)


def _huber(error: Tensor, delta: float) -> Tensor:
    distance = error.abs()
    return torch.where(distance < delta, error.square() / 2, delta * (distance - delta / 2))
