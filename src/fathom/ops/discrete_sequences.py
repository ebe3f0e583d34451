"""Distributions over sequences of symbols: the full table of all of them, which grows as a power of their length."""

import torch
from torch import Tensor

from fathom.errors import InputError

LARGEST = 2**22  # rows of a table that is written out


def require_distribution(name: str, probabilities: Tensor) -> Tensor:
    """`probabilities`, if each row is a distribution.

    Args:
        name: of them, for the message.
        probabilities: `(..., values)` of float.

    Raises:
        InputError: one is negative or no number, or a row does not sum to 1.
    """
    if probabilities.dim() < 1 or not probabilities.shape[-1]:
        raise InputError(f"{name}: expected the probability of at least one value, got none")
    least, sums = probabilities.min(), probabilities.sum(dim=-1)
    if not bool(least >= 0):
        raise InputError(f"{name}: expected probabilities of at least 0, got {least.item():g}")
    allowed = probabilities.shape[-1] * torch.finfo(probabilities.dtype).eps
    off = (sums - 1).abs()
    if not bool((off <= max(allowed, 1e-6)).all()):
        worst = sums.flatten()[off.flatten().argmax()].item()
        raise InputError(f"{name}: expected probabilities that sum to 1, got a sum of {worst:g}; divide them by it")
    return probabilities


def every_sequence(symbols: int, steps: int) -> Tensor:
    """All sequences in the order of a dictionary, `(symbols ** steps, steps)` of int64.

    Raises:
        InputError: no symbol or no step, or more than `LARGEST` sequences.
    """
    if symbols < 1 or steps < 1:
        raise InputError(f"sequences: expected at least one symbol and one step, got {symbols} and {steps}")
    if symbols**steps > LARGEST:
        raise InputError(
            f"sequences: expected at most {LARGEST:,} of them, got {symbols}^{steps}; take fewer symbols or steps"
        )
    return torch.cartesian_prod(*[torch.arange(symbols)] * steps).view(-1, steps)


def table_parameters(symbols: int, steps: int) -> int:
    """Free numbers of the joint distribution of so many steps as a full table: symbols^steps - 1.

    Source: Goodfellow, Bengio and Courville 2016, section 10.2.3.
    """
    return int(symbols) ** int(steps) - 1
