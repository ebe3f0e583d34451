"""Projections: the nearest point of a convex set, for points `(..., dim)`, all at once."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fathom.errors import InputError

Projection = Callable[[Tensor], Tensor]
"""Points `(..., dim)` to the nearest points of a set, of that shape."""


def project_ball(x: Tensor, radius: float = 1.0, centre: Tensor | float = 0.0) -> Tensor:
    """The nearest point of the ball |x - centre| <= radius: clipping of a gradient by its norm, row by row.

    Args:
        x: `(..., dim)`.
        radius: at least 0.
        centre: `(dim,)`, or one number for all axes.
    """
    if not radius >= 0:
        raise InputError(f"project_ball: expected a radius of at least 0, got {radius}")
    away = x - centre
    length = away.norm(dim=-1, keepdim=True)
    return centre + away * (radius / length.clamp(min=radius)).nan_to_num(nan=0.0)  # 0/0: a ball of radius 0


def project_box(x: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """The nearest point of the box low <= x <= high: each coordinate by itself.

    Args:
        x: `(..., dim)`.
        low, high: `(dim,)`, or one number for all axes; infinities leave a side open.
    """
    lower, upper = (torch.as_tensor(side, dtype=x.dtype, device=x.device) for side in (low, high))
    if bool((lower > upper).any()):
        raise InputError(f"project_box: expected low <= high, got {lower.tolist()} and {upper.tolist()}; swap them")
    return torch.minimum(torch.maximum(x, lower), upper)


def project_halfspace(x: Tensor, normal: Tensor, offset: float) -> Tensor:
    """The nearest point of the half-space normal · x <= offset.

    Args:
        x: `(..., dim)`.
        normal: `(dim,)`, not 0, of any length.
    """
    beyond = (x @ normal - offset).clamp(min=0) / normal.square().sum()
    return x - beyond[..., None] * normal


def project_simplex(x: Tensor, total: float = 1.0) -> Tensor:
    """The nearest point with entries of at least 0 and sum `total`: for total 1, the nearest probabilities.

    One number is taken from every entry, and what falls below 0 is set to 0; sorting finds the number.

    Args:
        x: `(..., dim)`.
        total: above 0.

    Source: Duchi, Shalev-Shwartz, Singer and Chandra 2008, "Efficient Projections onto the l1-Ball", figure 1.
    """
    if not total > 0:
        raise InputError(f"project_simplex: expected a total above 0, got {total}")
    ordered = x.sort(dim=-1, descending=True).values
    surplus = ordered.cumsum(dim=-1) - total
    counts = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    kept = (ordered * counts > surplus).sum(dim=-1, keepdim=True).clamp(min=1)  # how many entries stay above 0
    return (x - surplus.gather(-1, kept - 1) / kept).clamp(min=0)


def project_intersection(x: Tensor, projections: Sequence[Projection], rounds: int = 100) -> Tensor:
    """The nearest point of all sets at once, in the limit of many rounds: Dykstra's algorithm.

    Projecting on one set after the other ends in *some* point of the intersection. Each set here first gives back what
    its last projection took away, and then the limit is the *nearest* point.

    Args:
        x: `(..., dim)`.
        projections: one for each convex set; the sets must have a point in common.
        rounds: over all sets.

    Source: Boyle and Dykstra 1986, "A method for finding projections onto the intersection of convex sets in Hilbert
    spaces".
    """
    taken = [torch.zeros_like(x) for _ in projections]
    for _ in range(rounds):
        for number, project in enumerate(projections):
            restored = x + taken[number]
            x = project(restored)
            taken[number] = restored - x
    return x
