"""How often a classifier is right, and what it takes for what."""

import torch
from torch import Tensor


def accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """The fraction of examples whose largest logit is the target's.

    Args:
        logits: `(batch, classes)`; probabilities or log-probabilities will do as well.
        target: `(batch,)` of int.

    Returns:
        A scalar in 0–1, of float32.
    """
    return (logits.argmax(dim=1) == target).float().mean()


def confusion(predicted: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Counts of `(true class, predicted class)`: `(classes, classes)` of int64; the diagonal holds what was right.

    Args:
        predicted: `(examples,)` of int.
        target: `(examples,)` of int.
    """
    pairs = target.long() * num_classes + predicted.long()
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
