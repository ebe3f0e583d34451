"""How often a classifier is right, and what it takes for what."""

import torch
from torch import Tensor

from fathom.errors import InputError


def accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """The fraction of examples whose largest logit is the target's.

    Args:
        logits: `(batch, classes)`; probabilities or log-probabilities will do as well.
        target: `(batch,)` of int; or probabilities `(batch, classes)`, of mixed examples: then each counts the
            probability of the class with the largest logit.

    Returns:
        A scalar in 0–1, of float32.
    """
    guess = logits.argmax(dim=1)
    if target.is_floating_point():
        return target.gather(1, guess[:, None]).float().mean()
    return (guess == target).float().mean()


def top_k_accuracy(logits: Tensor, target: Tensor, k: int = 5) -> Tensor:
    """The fraction of examples whose target is among the `k` largest logits.

    Args:
        logits: `(batch, classes)`; probabilities or log-probabilities will do as well.
        target: `(batch,)` of int.
        k: from 1 to `classes`.

    Returns:
        A scalar in 0–1, of float32.

    Raises:
        InputError: there are fewer classes than `k`, or `k` is below 1.
    """
    classes = logits.shape[1]
    if not 1 <= k <= classes:
        raise InputError(f"top_k_accuracy: expected k from 1 to {classes}, the number of classes, got {k}")
    return (logits.topk(k, dim=1).indices == target[:, None]).any(dim=1).float().mean()


def confusion(predicted: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Counts of `(true class, predicted class)`: `(classes, classes)` of int64; the diagonal holds what was right.

    Args:
        predicted: `(examples,)` of int.
        target: `(examples,)` of int.
    """
    pairs = target.long() * num_classes + predicted.long()
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
