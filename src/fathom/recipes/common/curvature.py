"""What the curvatures at a minimum say of gradient descent there, and the same measured."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.optim.convexity import Function, curvatures


def eigenvalues(function: Function, point: Iterable[float]) -> np.ndarray:
    """Of the Hessian at a point, the least first: `(dimensions,)`."""
    return curvatures(function, torch.tensor(tuple(point), dtype=torch.float64)).numpy()


def critical_rate(function: Function, point: Iterable[float]) -> float:
    """The learning rate from which on gradient descent no longer settles at that minimum: 2 / L.

    L is the Hessian's largest eigenvalue: an error along its eigenvector is multiplied by 1 - rate · L in each update.
    """
    return 2 / float(eigenvalues(function, point)[-1])


def gradients(function: Function, points: Tensor) -> Tensor:
    """The gradient at each of `(..., dimensions)` points."""
    at = points.detach().requires_grad_()
    return torch.autograd.grad(function(at).sum(), at)[0]


def contraction(function: Function, minimum: Sequence[float], rates: np.ndarray, updates: int = 100) -> np.ndarray:
    """By what one update of gradient descent multiplies the distance to a minimum in the long run, for each rate.

    Measured, from starts a millionth away from the minimum, in the diagonal direction: the mean over the second half
    of the updates. The distance is set back to a millionth after each update, so that nothing overflows or ends.

    Args:
        rates: `(rates,)`.
    """
    centre = torch.tensor(minimum, dtype=torch.float64)
    ratio = torch.from_numpy(np.asarray(rates, dtype=np.float64))[:, None]
    offset = torch.full((len(ratio), len(centre)), 1e-6 / math.sqrt(len(centre)), dtype=torch.float64)
    total = torch.zeros(len(ratio), 1, dtype=torch.float64)
    for update in range(updates):
        offset = offset - ratio * gradients(function, centre + offset)
        length = offset.norm(dim=1, keepdim=True).clamp_min(1e-300)
        offset = 1e-6 * offset / length
        if update >= updates // 2:
            total += (length / 1e-6).log()
    return (total[:, 0] / (updates - updates // 2)).exp().numpy()


def measured_critical_rate(function: Function, minimum: Sequence[float], high: float, rounds: int = 5) -> float:
    """The rate at which `contraction` passes 1, cut down 32-fold in each round from the interval (0, `high`).

    Raises:
        InputError: descent still settles at `high`.
    """
    low = 0.0
    for _ in range(rounds):
        rates = np.linspace(low, high, 33)
        leaves = contraction(function, minimum, rates[1:]) >= 1
        if not leaves.any():
            raise InputError(
                f"critical rate: expected one below {high:g}, but descent settles there; give a higher one"
            )
        first = int(np.argmax(leaves))
        low, high = float(rates[first]), float(rates[first + 1])
    return (low + high) / 2
