"""Hessian-free training: Newton's method with the Gauss-Newton matrix, which is only ever multiplied with a vector.

For a loss L of outputs z(θ) the matrix is G = Jᵀ H J, with J = dz/dθ and H the Hessian of L by z. It has no negative
eigenvalue where L is convex, and G v costs about as much as two gradients: J v forwards, Jᵀ (H J v) backwards.

Source: Martens 2010, "Deep learning via Hessian-free optimization"; Martens and Sutskever 2011, "Learning recurrent
neural networks with Hessian-free optimization".
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, jvp, vjp

from fathom.errors import InputError

Forward = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Parameters `(count,)` to the outputs, and to states whose change is held back too, `(0,)` if there are none."""

Loss = Callable[[Tensor], Tensor]
"""Outputs to a scalar, convex in them."""

Product = Callable[[Tensor], Tensor]
"""`(count,)` to a symmetric matrix times it."""


def gauss_newton(forward: Forward, loss: Loss, parameters: Tensor, holding: float = 0.0) -> Product:
    """The product of the Gauss-Newton matrix of `loss` at `parameters` with a vector.

    Args:
        forward: built of operations that `torch.func` can derive forwards and backwards.
        parameters: `(count,)`.
        holding: weight of half the squared change of the states, as another loss (structural damping).
    """
    with warnings.catch_warnings():  # at the first derivative forwards torch 2.x scripts functions, and warns of itself
        warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
        jvp(torch.sin, (parameters[:1],), (parameters[:1],))
    (outputs, _), back, *_ = vjp(forward, parameters)

    def product(vector: Tensor) -> Tensor:
        along, moved = jvp(forward, (parameters,), (vector,))[1]
        curved = jvp(grad(loss), (outputs,), (along,))[1]
        (result,) = back((curved, holding * moved))
        return result

    return product


class Iterate(NamedTuple):
    """Where conjugate gradients stood after so many products."""

    products: int
    x: Tensor
    value: float  # x · A x / 2 - b · x


def conjugate_gradients(
    product: Product, target: Tensor, start: Tensor, *, most: int = 250, tolerance: float = 5e-4
) -> list[Iterate]:
    """Iterates on the way to A x = b, that is to the minimum of x · A x / 2 - b · x, the last the nearest.

    It stops when the value is below 0 and has fallen by less than a share of `k tolerance` in the last k = max(10,
    i / 10) of i products; kept are iterates about 1, 1.3, 1.3², … products apart, of which an earlier one may be
    better for the function behind the quadratic.

    Args:
        product: x to A x; A has no negative eigenvalue.
        target: b, `(count,)`.
        start: the first x.
        most: products at most.

    Source: Martens 2010, sections 4.4 and 4.6.
    """
    x, values, kept, due = start.clone(), [], [], 1.0
    residual = target - product(x)
    direction, square = residual.clone(), residual @ residual
    for number in range(1, most + 1):
        if square == 0:
            break
        stretched = product(direction)
        curvature = direction @ stretched
        if not curvature > 0:  # flat to rounding: there is nothing to gain along it that the quadratic knows of
            break
        share = square / curvature
        x, residual = x + share * direction, residual - share * stretched
        values.append(-0.5 * float(x @ (residual + target)))  # as A x = b - r
        after = residual @ residual
        direction, square = residual + after / square * direction, after
        back = max(10, math.ceil(number / 10))
        enough = number > back and values[-1] < 0 and values[-1] - values[-1 - back] > back * tolerance * values[-1]
        if number >= due or enough or number == most:
            kept.append(Iterate(number, x.clone(), values[-1]))
            due = max(due * 1.3, number + 1)
        if enough:
            break
    return kept or [Iterate(0, x, 0.5 * float(x @ product(x)) - float(target @ x))]


@dataclass(frozen=True)
class Report:
    """What an update did.

    Args:
        value: the loss before it.
        reached: the loss after it.
        damping: λ, of the next update.
        ratio: the fall of the loss over that which the quadratic promised.
        products: of the Gauss-Newton matrix with a vector.
        trials: of the loss alone.
    """

    value: float
    reached: float
    damping: float
    ratio: float
    products: int
    trials: int


class HessianFree:
    """θ ← θ + d, where d nearly solves (G + λ I) d = -gradient; λ follows how well the quadratic foretold the loss.

    Each solution begins at 0.95 times the one before. Of its iterates the one with the least loss is taken, shortened
    by fifths until the loss falls by a hundredth of what the slope promises; none is taken if it does not.
    It is `Stateful`.

    Args:
        damping: λ at the start, in units of the loss over those of the parameters squared.
        structural: μ: a change of the states' mean square counts μ λ / 2 beside the loss. A step that hardly changes
            the parameters of a recurrence may change its states wildly, which λ alone does not see.
        most: products of conjugate gradients at most.

    Source: Martens 2010, sections 4.1 to 4.6; Martens and Sutskever 2011, section 3.2, for structural damping, here by
    the squared distance of the states.
    """

    DECAY = 0.95  # Martens and Sutskever 2012, "Training deep and recurrent networks", section 10
    RAISE = 1.5  # Martens 2010, section 4.1, as are the thresholds of 1/4 and 3/4
    SLOPE = 0.01
    SHORTER = 0.8
    TRIALS = 40

    def __init__(self, damping: float = 1.0, structural: float = 0.0, most: int = 100) -> None:
        if not damping > 0 or not structural >= 0 or most < 1:
            raise InputError(
                "damping, structural, most: expected above 0, at least 0 and at least 1, got "
                f"{damping:g}, {structural:g} and {most}"
            )
        self.damping, self.structural, self.most = damping, structural, most
        self.before: Tensor | None = None

    def step(
        self, forward: Forward, loss: Loss, parameters: Tensor, curvature: tuple[Forward, Loss] | None = None
    ) -> tuple[Tensor, Report]:
        """The next parameters, and what happened.

        Args:
            forward, loss: of all examples of the batch.
            parameters: `(count,)`; left unchanged.
            curvature: of those examples that G is made from; None takes all.
        """

        def value(point: Tensor) -> float:
            with torch.no_grad():
                return float(loss(forward(point)[0]))

        gradient = grad(lambda point: loss(forward(point)[0]))(parameters)
        undamped = gauss_newton(*(curvature or (forward, loss)), parameters)
        damped = gauss_newton(*(curvature or (forward, loss)), parameters, self.structural * self.damping)
        start = torch.zeros_like(parameters) if self.before is None else self.DECAY * self.before
        ways = conjugate_gradients(lambda v: damped(v) + self.damping * v, -gradient, start, most=self.most)
        self.before, first = ways[-1].x, value(parameters)
        direction, least, trials = self._best(ways, parameters, value)
        foretold = float(gradient @ direction) + 0.5 * float(direction @ undamped(direction))
        ratio = (least - first) / foretold if foretold < 0 else 0.0
        if not ratio >= 0.25:  # a loss that is not a number counts as a broken promise too
            self.damping *= self.RAISE
        elif ratio > 0.75:
            self.damping /= self.RAISE
        moved, reached, more = self._shortened(parameters, direction, first, float(gradient @ direction), least, value)
        return moved, Report(first, reached, self.damping, ratio, ways[-1].products + 2, trials + more)

    @staticmethod
    def _best(ways: list[Iterate], parameters: Tensor, value: Callable[[Tensor], float]) -> tuple[Tensor, float, int]:
        """Backwards from the last iterate as long as the loss falls."""
        chosen, trials = ways[-1].x, 1
        least = value(parameters + chosen)
        for earlier in reversed(ways[:-1]):
            trials += 1
            tried = value(parameters + earlier.x)
            if not (tried < least or math.isnan(least)):
                break
            chosen, least = earlier.x, tried
        return chosen, least, trials

    def _shortened(
        self,
        parameters: Tensor,
        direction: Tensor,
        first: float,
        slope: float,
        tried: float,
        value: Callable[[Tensor], float],
    ) -> tuple[Tensor, float, int]:
        """Where Armijo's condition holds first, the loss there, and how often the loss was asked for."""
        share = 1.0
        for trials in range(self.TRIALS):
            if tried <= first + self.SLOPE * share * slope:
                return parameters + share * direction, tried, trials
            share *= self.SHORTER
            tried = value(parameters + share * direction)
        self.before = None  # what led nowhere is no place to begin the next solution at
        return parameters, first, self.TRIALS

    def state_dict(self) -> dict[str, Any]:
        """λ and the last solution."""
        return {"damping": self.damping, "before": self.before}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.damping, self.before = state["damping"], state["before"]
