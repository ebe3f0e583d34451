"""How far a recurrence carries a small change: Jacobians of its steps, their products, and how fast those grow."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from fathom.errors import InputError, ShapeError

Transition = Callable[[Tensor, Tensor], Tensor]
"""One step: what the input adds `(batch, features)`, and the states `(batch, size)`, to the next states."""


def along(transition: Transition, products: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The states of one sequence and each step's Jacobian, d state_t / d state_(t-1).

    Args:
        transition: built from differentiable operations.
        products: `(steps, features)`.
        state: `(size,)`, before the first step.

    Returns:
        The states `(steps, size)` and the Jacobians `(steps, size, size)`, without a gradient.
    """
    if products.dim() != 2 or state.dim() != 1:
        raise ShapeError(
            f"products, state: expected (steps, features) and (size,), got {tuple(products.shape)} and "
            f"{tuple(state.shape)}; take one sequence"
        )
    states = [state.detach()[None]]
    with torch.no_grad():
        for product in products:
            states.append(transition(product[None], states[-1]))
    steps, size = len(products), len(state)
    before = torch.cat(states[:-1]).repeat_interleave(size, dim=0).requires_grad_()
    after = transition(products.detach().repeat_interleave(size, dim=0), before)
    rows = torch.eye(size, dtype=after.dtype, device=after.device).repeat(steps, 1)  # copy i gives row i of its step
    (jacobians,) = torch.autograd.grad(after, before, rows)
    return torch.cat(states[1:]), jacobians.view(steps, size, size)


def product_spectra(jacobians: Tensor) -> Tensor:
    """Natural logarithms of the singular values of J_1, J_2 J_1, … J_t…J_1, `(steps, size)`, the largest first.

    The product is brought back to length 1 after each factor, so that none overflows. What lies more than the dtype's
    precision below the largest is rounding; `lyapunov_exponents` has the whole spectrum.

    Args:
        jacobians: `(steps, size, size)`.
    """
    _check(jacobians)
    product = torch.eye(jacobians.shape[1], dtype=jacobians.dtype, device=jacobians.device)
    log, spectra = jacobians.new_zeros(()), []
    for jacobian in jacobians:
        product = jacobian @ product
        length = torch.linalg.matrix_norm(product)
        if length == 0:
            spectra.append(torch.full_like(product[0], -math.inf))
            continue
        product, log = product / length, log + length.log()
        spectra.append(torch.linalg.svdvals(product).log() + log)
    return torch.stack(spectra)


def lyapunov_exponents(jacobians: Tensor, *, count: int = 0, burn_in: int = 0) -> Tensor:
    """The rates, in nats a step, at which vectors grow, the fastest first: `(count,)`.

    A frame of orthonormal vectors goes through the steps and is made orthonormal again after each; the logarithms of
    what that takes, averaged, are the exponents. For one matrix over and over they are the logarithms of its
    eigenvalues' moduli.

    Args:
        jacobians: `(steps, size, size)`.
        count: how many of the `size` exponents; 0 gives all.
        burn_in: steps that turn the frame but do not count.

    Source: Benettin et al. 1980, "Lyapunov characteristic exponents", part 2.
    """
    _check(jacobians)
    if not 0 <= burn_in < len(jacobians):
        raise InputError(
            f"burn_in: expected from 0 to {len(jacobians) - 1}, one step less than there are, got {burn_in}"
        )
    size = jacobians.shape[1]
    random = torch.randn(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frame = torch.linalg.qr(random.to(jacobians))[0][:, : count or size]  # axes could miss a direction for good
    total = torch.zeros_like(frame[0])
    for place, jacobian in enumerate(jacobians):
        frame, stretched = torch.linalg.qr(jacobian @ frame)
        if place >= burn_in:
            total += stretched.diagonal().abs().log()
    return total / (len(jacobians) - burn_in)


def mean_field_exponent(gain: float, iterations: int = 200) -> float:
    """The largest Lyapunov exponent of h' = tanh(W h) with very many units and W normal of variance gain² / units.

    q = gain² E tanh²(√q z), z normal, is the variance of what a unit gets; the exponent is half the logarithm of
    gain² E (1 - tanh²(√q z))². Up to gain 1 q is 0 and the exponent ln gain; above, it is positive: chaos.

    Source: Sompolinsky, Crisanti and Sommers 1988; in discrete time Molgedey, Schuchhardt and Schuster 1992.
    """
    if not gain > 0:
        raise InputError(f"gain: expected above 0, got {gain:g}")
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    weight = (-z.square() / 2).exp()
    weight = weight / weight.sum()
    q = torch.tensor(1.0 if gain > 1 else 0.0, dtype=torch.float64)
    for _ in range(iterations):
        q = gain**2 * (weight * (q.sqrt() * z).tanh().square()).sum()
    slope = 1 - (q.sqrt() * z).tanh().square()
    return 0.5 * math.log(gain**2 * float((weight * slope.square()).sum()))


def _check(jacobians: Tensor) -> None:
    if jacobians.dim() != 3 or jacobians.shape[1] != jacobians.shape[2] or not len(jacobians):
        raise ShapeError(f"jacobians: expected (steps, size, size), got {tuple(jacobians.shape)}")
