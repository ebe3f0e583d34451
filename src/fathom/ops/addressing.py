"""Where a head of a memory looks: by what stands there, and by where it looked before.

Everywhere `memory` is `(batch, rows, width)`, and the weights of a head are probabilities over the rows, so that one
head's row of `(batch, heads, rows)` sums to 1. No weight depends on how many rows there are.

Source: Graves, Wayne and Danihelka 2014, arXiv 1410.5401, sections 3.1 to 3.3.
"""

import torch
from torch import Tensor

from fathom.errors import InputError, ShapeError

EMPTY = 1e-4  # added to squared lengths, so that a row that nobody has written to is like nothing
TINY = 1e-16  # added to weights, so that a power of them has a gradient


def cosine_similarity(keys: Tensor, memory: Tensor) -> Tensor:
    """How alike each key and each row are, from -1 to 1, `(batch, heads, rows)`: equation 6.

    The lengths are `sqrt(sum + EMPTY)`, for the plain cosine has a slope without bound at an empty row.

    Args:
        keys: `(batch, heads, width)`.
        memory: `(batch, rows, width)`.
    """
    directions = memory * (memory.square().sum(dim=-1, keepdim=True) + EMPTY).rsqrt()
    return (keys * (keys.square().sum(dim=-1, keepdim=True) + EMPTY).rsqrt()) @ directions.transpose(1, 2)


def content_weights(keys: Tensor, strengths: Tensor, memory: Tensor) -> Tensor:
    """Softmax of the similarities times the key strength β, `(batch, heads, rows)`: equation 5.

    Args:
        keys: `(batch, heads, width)`.
        strengths: `(batch, heads, 1)`, above 0.
        memory: `(batch, rows, width)`.
    """
    return (strengths * cosine_similarity(keys, memory)).softmax(dim=-1)


def shifted(weights: Tensor, shifts: Tensor) -> Tensor:
    """Circular convolution of the weights with the shifts, `(batch, heads, rows)`: equation 8.

    Args:
        weights: `(batch, heads, rows)`.
        shifts: `(batch, heads, 3)`, the probabilities of a step back, none, and a step on; from the last row a step on
            leads to the first.
    """
    rows = weights.shape[-1]
    sources = torch.arange(-1, rows + 1, device=weights.device) % rows  # of row i: i - 1, i and i + 1
    around = weights.index_select(-1, sources).unfold(-1, 3, 1)  # (batch, heads, rows, 3)
    return (around @ shifts.flip(-1)[..., None]).squeeze(-1)


def sharpened(weights: Tensor, powers: Tensor) -> Tensor:
    """Weights to a power γ of at least 1, brought back to a sum of 1, `(batch, heads, rows)`: equation 9.

    Args:
        weights: `(batch, heads, rows)`.
        powers: `(batch, heads, 1)`.
    """
    return (powers * (weights + TINY).log()).softmax(dim=-1)


def located(content: Tensor, previous: Tensor, gates: Tensor, shifts: Tensor, powers: Tensor) -> Tensor:
    """Where the heads look next, `(batch, heads, rows)`: equations 7 to 9.

    Args:
        content: `(batch, heads, rows)`, where the content points to.
        previous: `(batch, heads, rows)`, where the heads looked before.
        gates: `(batch, heads, 1)` in 0–1: 1 goes by the content, 0 goes on from `previous`.
        shifts: `(batch, heads, 3)`, as `shifted` takes them.
        powers: `(batch, heads, 1)`, as `sharpened` takes them.
    """
    return sharpened(shifted(torch.lerp(previous, content, gates), shifts), powers)


def written(memory: Tensor, weights: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """The memory after all heads have erased and then added, `(batch, rows, width)`: equations 3 and 4.

    Args:
        memory: `(batch, rows, width)`; left unchanged.
        weights: `(batch, heads, rows)`.
        erase: `(batch, heads, width)` in 0–1.
        add: `(batch, heads, width)`.
    """
    rows = weights.transpose(1, 2)
    if weights.shape[1] == 1:
        return torch.baddbmm(torch.addcmul(memory, memory, rows @ erase, value=-1), rows, add)
    return torch.baddbmm(memory * (1 - weights[..., None] * erase[:, :, None]).prod(dim=1), rows, add)


def check_probabilities(name: str, weights: Tensor, tolerance: float = 1e-4) -> None:
    """Check weights that come from outside.

    Args:
        name: what they are, for the message.
        weights: `(..., rows)`.
        tolerance: how far a sum may be from 1.

    Raises:
        ShapeError: there is no last axis.
        InputError: a weight is negative or not a number, or a row does not sum to 1.
    """
    if weights.dim() == 0:
        raise ShapeError(f"{name}: expected probabilities (..., rows), got a single number")
    if not bool((weights >= 0).all()):
        raise InputError(f"{name}: expected probabilities of at least 0, got {weights.min().item():g}; use a softmax")
    sums = weights.sum(dim=-1)
    worst = sums.flatten()[(sums - 1).abs().argmax()].item()
    if not abs(worst - 1) <= tolerance:
        raise InputError(f"{name}: expected probabilities that sum to 1, got a sum of {worst:g}; divide by it")
