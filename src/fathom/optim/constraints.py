"""Minima under constraints c(x) <= 0: by the dual, by the augmented Lagrangian and by penalties, and how to tell.

The Lagrangian is L(x, λ) = f(x) + Σ λ c(x). Source: Nocedal and Wright 2006, "Numerical Optimization", chapters 12
and 17; Dive into Deep Learning, "Convexity".
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from fathom.errors import DivergedError, InputError

Objective = Callable[[Tensor], Tensor]
"""`(dim,)` to a scalar."""

Constraints = Callable[[Tensor], Tensor]
"""`(dim,)` to `(constraints,)`, each at most 0 where its constraint holds."""


class Solution(NamedTuple):
    """A minimum `x`, `(dim,)`, and its multipliers λ, `(constraints,)`: the prices of the constraints."""

    x: Tensor
    multipliers: Tensor


def minimise(objective: Objective, start: Tensor, iterations: int = 200) -> Tensor:
    """A minimum without constraints, `(dim,)`, by L-BFGS with a line search; `start` is left unchanged.

    Raises:
        DivergedError: the function has no minimum that the search could reach.
    """
    x = start.detach().clone().requires_grad_()
    search = torch.optim.LBFGS(
        [x], max_iter=iterations, tolerance_grad=1e-10, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def evaluate() -> Tensor:
        search.zero_grad()
        value = objective(x)
        value.backward()
        return value

    search.step(evaluate)
    if not bool(x.isfinite().all()):
        raise DivergedError("minimise: expected a function with a minimum, got to infinity; is it bounded below?")
    return x.detach()


def kkt_gaps(objective: Objective, constraints: Constraints, solution: Solution) -> dict[str, float]:
    """How far each of the conditions of Karush, Kuhn and Tucker is from being met; all 0 at a constrained minimum.

    For a convex problem they are sufficient: all 0, it *is* the minimum.

    Returns:
        `stationarity`, the largest entry of ∇f + Σ λ ∇c; `feasibility`, the largest c above 0; `sign`, the largest λ
        below 0; `complementarity`, the largest |λ c|.
    """
    x = solution.x.detach().clone().requires_grad_()
    values = constraints(x)
    (gradient,) = torch.autograd.grad(objective(x) + solution.multipliers @ values, x)
    values = values.detach()
    return {
        "stationarity": gradient.abs().max().item(),
        "feasibility": values.clamp(min=0).max().item(),
        "sign": (-solution.multipliers).clamp(min=0).max().item(),
        "complementarity": (solution.multipliers * values).abs().max().item(),
    }


def dual_ascent(
    objective: Objective, constraints: Constraints, start: Tensor, *, lr: float, rounds: int = 200
) -> Solution:
    """Raise the price of each constraint while it is broken, lower it while it has room: λ ← max(0, λ + lr c(x)).

    x is the minimum of the Lagrangian at these prices. Then c(x) is the dual's gradient, so this is gradient ascent.

    Args:
        objective: strictly convex, so that the Lagrangian has one minimum.
        start: `(dim,)`, where the first search begins.
        lr: below 2 m / |∇c|² for a linear c, with m the least curvature of the objective.
    """
    x, multipliers = start, torch.zeros_like(constraints(start))
    for _ in range(rounds):
        prices = multipliers
        x = minimise(lambda point: objective(point) + prices @ constraints(point), x)  # noqa: B023  (used at once)
        multipliers = (multipliers + lr * constraints(x)).clamp(min=0)
    return Solution(x, multipliers)


def augmented_lagrangian(
    objective: Objective, constraints: Constraints, start: Tensor, *, penalty: float = 10.0, rounds: int = 30
) -> Solution:
    """Minimise f + (max(0, λ + ρ c)² - λ²) / 2ρ, then set λ ← max(0, λ + ρ c), and again.

    The penalty ρ stays as it is: the multipliers do the rest, so that nothing becomes ill-conditioned.

    Args:
        start: `(dim,)`, where the first search begins.
        penalty: ρ, above 0.

    Source: Rockafellar 1973, "The multiplier method of Hestenes and Powell applied to convex programming".
    """
    if not penalty > 0:
        raise InputError(f"augmented_lagrangian: expected a penalty above 0, got {penalty}")
    x, multipliers = start, torch.zeros_like(constraints(start))
    for _ in range(rounds):
        prices = multipliers

        def augmented(point: Tensor) -> Tensor:
            raised = (prices + penalty * constraints(point)).clamp(min=0)  # noqa: B023  (used at once)
            return objective(point) + raised.square().sum() / (2 * penalty)

        x = minimise(augmented, x)
        multipliers = (multipliers + penalty * constraints(x)).clamp(min=0)
    return Solution(x, multipliers)


def penalty_path(
    objective: Objective, constraints: Constraints, start: Tensor, penalties: Sequence[float]
) -> list[Solution]:
    """Minima of f + ρ/2 Σ max(0, c)² for each penalty ρ, each search from the last one's end.

    They come from outside and tend to the constrained minimum as ρ grows, ρ max(0, c) to its multipliers; the
    distance falls as 1/ρ, while the curvature across the constraint grows as ρ.

    Args:
        start: `(dim,)`.
        penalties: in rising order.
    """
    path, x = [], start
    for penalty in penalties:

        def penalised(point: Tensor, penalty: float = penalty) -> Tensor:
            return objective(point) + penalty / 2 * constraints(point).clamp(min=0).square().sum()

        x = minimise(penalised, x)
        path.append(Solution(x, penalty * constraints(x).clamp(min=0)))
    return path
