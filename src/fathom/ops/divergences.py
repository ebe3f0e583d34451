"""Losses between probabilities: binary cross-entropy and the Kullback-Leibler divergence, in nats."""

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.ops.losses import reduced, same_shape


def binary_cross_entropy_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-target · log σ(x) - (1 - target) · log(1 - σ(x)), where σ is the sigmoid, in nats.

    Args:
        x: logits, any shape.
        target: of the same shape, from 0 to 1.
        weight: what each entry counts; a shape that broadcasts to that of `x`.
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.
        pos_weight: what the first term counts; a shape that broadcasts to that of `x`, such as `(classes,)`.

    Twin: `torch.nn.functional.binary_cross_entropy_with_logits`.
    """
    same_shape(x, target)
    zero = torch.zeros_like(x)
    minus_log_yes, minus_log_no = torch.logaddexp(-x, zero), torch.logaddexp(x, zero)  # no sigmoid, no overflow
    positive = target if pos_weight is None else pos_weight * target
    losses = positive * minus_log_yes + (1 - target) * minus_log_no
    return reduced(losses if weight is None else weight * losses, reduction)


def kl_div(x: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target · (log target - x), entry by entry; summed over the classes, the divergence of exp(x) from the target.

    Args:
        x: log-probabilities, any shape.
        target: probabilities of the same shape, 0 allowed; or their logarithms.
        reduction: `"batchmean"` over the first axis, the divergence of an example; `"mean"` over all entries;
            `"sum"` or `"none"`.
        log_target: whether the target comes as logarithms.

    Twin: `torch.nn.functional.kl_div`. Source: Dive into Deep Learning, "Information Theory".
    """
    same_shape(x, target)
    losses = target.exp() * (target - x) if log_target else torch.xlogy(target, target) - target * x
    if reduction == "batchmean":
        if x.dim() == 0:
            raise InputError("reduction='batchmean': expected x with a batch axis, got a number; use 'sum'")
        return losses.sum() / len(x)
    return reduced(losses, reduction)
