"""Losses: one number from predictions and targets, or one an example with `reduction="none"`."""

import torch
from torch import Tensor

from fathom.errors import InputError, ShapeError
from fathom.ops.activations import log_softmax


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The mean or the sum over all entries, or `losses` as they are (`"none"`)."""
    if reduction == "mean":
        return losses.mean()
    if reduction == "sum":
        return losses.sum()
    if reduction == "none":
        return losses
    raise InputError(f"reduction: expected 'mean', 'sum' or 'none', got {reduction!r}")


def mse_loss(x: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(x - target)², without the book's half.

    Args:
        x: predictions, any shape.
        target: of the same shape.
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.

    Twin: `torch.nn.functional.mse_loss`.
    """
    same_shape(x, target)
    return reduced((x - target).square(), reduction)


def cross_entropy(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative logarithm of the softmax at the target, in nats.

    Args:
        x: logits, `(batch, classes, ...)` or `(classes,)`.
        target: `(batch, ...)` of int, the class of each; or probabilities of the classes, of the shape of `x`.
        weight: `(classes,)`, what a mistake in each class counts.
        ignore_index: targets of this value count nothing.
        reduction: `"mean"` (over the examples, each with its class's weight), `"sum"` or `"none"`.
        label_smoothing: the share, 0 to 1, of each target that is spread evenly over all classes.

    Returns:
        A number, or `(batch, ...)` with `"none"`.

    Twin: `torch.nn.functional.cross_entropy`. Source: Dive into Deep Learning, "Softmax Regression"; for the
    smoothing, Szegedy et al. 2016, arXiv 1512.00567, section 7.
    """
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"label_smoothing: expected a share from 0 to 1, got {label_smoothing}")
    axis = 0 if x.dim() == 1 else 1
    log_probabilities = log_softmax(x, axis)
    if target.is_floating_point():
        return _soft_cross_entropy(log_probabilities, target, weight, reduction, label_smoothing)
    losses = nll_loss(log_probabilities, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return losses
    classes = x.shape[axis]
    costs = -log_probabilities if weight is None else -log_probabilities * _along(weight, x)
    kept = target != ignore_index
    spread = costs.sum(axis) * kept
    if reduction == "mean":
        spread = spread.sum() / _total_weight(target, kept, weight, x.dtype)
    else:
        spread = reduced(spread, reduction)
    return (1 - label_smoothing) * losses + label_smoothing / classes * spread


def nll_loss(
    x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """Minus the entry of `x` at the target.

    Args:
        x: log-probabilities, `(batch, classes, ...)` or `(classes,)`.
        target: `(batch, ...)` of int, the class of each.
        weight: `(classes,)`, what a mistake in each class counts.
        ignore_index: targets of this value count nothing.
        reduction: `"mean"` (over the examples, each with its class's weight), `"sum"` or `"none"`.

    Twin: `torch.nn.functional.nll_loss`.
    """
    axis = 0 if x.dim() == 1 else 1
    expected = x.shape[:axis] + x.shape[axis + 1 :]
    if target.shape != expected:
        raise ShapeError(
            f"target: expected {tuple(expected)} of int (or probabilities {tuple(x.shape)}), got {tuple(target.shape)}"
        )
    kept = target != ignore_index
    safe = target.masked_fill(~kept, 0)
    losses = -x.gather(axis, safe.unsqueeze(axis)).squeeze(axis)
    if weight is not None:
        losses = losses * weight[safe]
    losses = losses.masked_fill(~kept, 0.0)
    if reduction == "mean":
        return losses.sum() / _total_weight(target, kept, weight, x.dtype)
    return reduced(losses, reduction)


def same_shape(x: Tensor, target: Tensor) -> None:
    """ShapeError unless both have one shape: broadcasting would silently compare everything with everything."""
    if x.shape != target.shape:
        raise ShapeError(
            f"target: expected the shape of the predictions, {tuple(x.shape)}, got {tuple(target.shape)}; reshape one"
        )


def _soft_cross_entropy(
    log_probabilities: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    same_shape(log_probabilities, target)
    axis = 0 if target.dim() == 1 else 1
    target = (1 - label_smoothing) * target + label_smoothing / target.shape[axis]
    costs = -log_probabilities if weight is None else -log_probabilities * _along(weight, target)
    losses = (target * costs).sum(axis)
    return losses.sum() / losses.numel() if reduction == "mean" else reduced(losses, reduction)


def _along(weight: Tensor, x: Tensor) -> Tensor:
    """`(classes,)` in a shape that broadcasts along the class axis of `x`."""
    return weight.reshape(-1, *(1,) * max(x.dim() - 2, 0))


def _total_weight(target: Tensor, kept: Tensor, weight: Tensor | None, dtype: torch.dtype) -> Tensor:
    if weight is None:
        return kept.sum().to(dtype)
    return (weight[target.masked_fill(~kept, 0)] * kept).sum()
