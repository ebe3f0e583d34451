"""Convex sets and functions: each definition as a quantity that is of one sign, or a segment that stays inside.

A set is a function that says which points are in it; a function of points is written with tensor methods, so that
both torch's tensors and those of `fathom.autograd` go through it. Source: Boyd and Vandenberghe 2004, sections 2.1,
2.3.1 and 3.1; Dive into Deep Learning, "Convexity".
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom import autograd
from fathom.errors import InputError
from fathom.registry import unknown

Contains = Callable[[Tensor], Tensor]
"""Points `(..., dim)` to `(...)` of bool: is it in the set?"""

Function = Callable[[Any], Any]
"""Points `(..., dim)` to values `(...)`."""


def segments(a: Tensor, b: Tensor, steps: int = 33) -> Tensor:
    """Points from each `a` to its `b`, `(..., dim)` both, evenly spaced with both ends: `(..., steps, dim)`."""
    share = torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device)[:, None]
    return (1 - share) * a[..., None, :] + share * b[..., None, :]


def leaves(contains: Contains, a: Tensor, b: Tensor, steps: int = 33) -> Tensor:
    """Which segments between two members of a set leave it, `(...)` of bool; in a convex set none does.

    Args:
        a, b: `(..., dim)`, the ends; a segment with an end outside the set counts as staying.
        steps: points of a segment that are looked at.
    """
    inside = contains(segments(a, b, steps))
    return inside[..., 0] & inside[..., -1] & ~inside.all(dim=-1)


def intersection(*sets: Contains) -> Contains:
    """The points that are in all of the sets; convex if they are."""
    return lambda points: torch.stack([contains(points) for contains in sets]).all(dim=0)


def union(*sets: Contains) -> Contains:
    """The points that are in any of the sets; seldom convex."""
    return lambda points: torch.stack([contains(points) for contains in sets]).any(dim=0)


def sublevel(function: Function, level: float) -> Contains:
    """The points where `function` is at most `level`; convex if the function is."""
    return lambda points: function(points) <= level


def jensen_gap(function: Function, points: Tensor, weights: Tensor | None = None) -> Tensor:
    """Jensen's inequality, Σ α f(x) - f(Σ α x): at least 0 for every convex f. `(...)`.

    With samples and equal weights it is the gap E f(X) - f(E X) of their distribution, estimated.

    Args:
        points: `(..., count, dim)`.
        weights: the α, `(..., count)`, none below 0, with sum 1; None is equal weights.

    Raises:
        InputError: the weights are no weights of a mean.
    """
    if weights is None:
        weights = torch.full(points.shape[-2:-1], 1 / points.shape[-2], dtype=points.dtype, device=points.device)
    sums = weights.sum(dim=-1)
    if bool((weights < 0).any()) or not torch.allclose(sums, torch.ones_like(sums)):
        raise InputError("jensen_gap: expected weights of at least 0 with sum 1, got others; divide them by their sum")
    mean_of_values = (weights * function(points)).sum(dim=-1)
    return mean_of_values - function((weights[..., None] * points).sum(dim=-2))


def first_order_gap(function: Function, x: Tensor, y: Tensor) -> Tensor:
    """f(y) - f(x) - ∇f(x)·(y - x), by how much f lies above its tangent plane: at least 0 for every convex f. `(...)`.

    For a strictly convex f it is the Bregman divergence of y from x.

    Args:
        x: `(..., dim)`, where the plane touches.
        y: `(..., dim)`, where it is compared.
    """
    at = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(at).sum(), at)
    return function(y) - function(x) - (gradient * (y - x)).sum(dim=-1)


def hessian(function: Function, x: Tensor, rung: str = "torch") -> Tensor:
    """The second derivatives at each point: `(..., dim, dim)`.

    Args:
        x: `(..., dim)` of float.
        rung: `torch` differentiates all points at once by `torch.func`, `numpy` one by one by `fathom.autograd`.
    """
    points = x.reshape(-1, x.shape[-1])
    if rung == "torch":
        gradient = torch.func.jacrev(function)
        found = torch.func.vmap(torch.func.jacrev(gradient))(points)
    elif rung == "numpy":
        each = [autograd.hessian(function, autograd.tensor(point)).numpy() for point in points.detach().cpu().numpy()]
        found = torch.from_numpy(np.stack(each))
    else:
        raise unknown("rung", rung, ("torch", "numpy"))
    return found.reshape(*x.shape, x.shape[-1])


def curvatures(function: Function, x: Tensor, rung: str = "torch") -> Tensor:
    """Eigenvalues of the Hessian at each point, the least first: `(..., dim)`.

    A function with two derivatives is convex where the least one is nowhere below 0, on a convex set.
    """
    return torch.linalg.eigvalsh(hessian(function, x, rung))
