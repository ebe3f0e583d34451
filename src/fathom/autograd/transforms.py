"""Derivatives of functions: forward mode, vector-Jacobian products, Jacobians and Hessians."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fathom.autograd.creation import stack
from fathom.autograd.errors import GradientError, ShapeError
from fathom.autograd.reverse import grad
from fathom.autograd.state import STATE, enable_grad
from fathom.autograd.table import RECORDED
from fathom.autograd.tensor import Tensor

Function = Callable[..., Any]


def jvp(function: Function, primals: Sequence[Tensor], tangents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Forward mode: the result, and how fast it changes when the inputs move along the tangents.

    The tangents travel beside the values, one pass for one direction, and no graph is kept. Calls may be nested, and
    mixed with `grad(..., create_graph=True)`. Twin: `torch.func.jvp`.

    Args:
        function: of as many tensors as there are primals, to one tensor.
        tangents: one for each primal, of its shape.

    Returns:
        The value and its tangent, of one shape.
    """
    for x, t in zip(primals, tangents, strict=True):
        if x.shape != t.shape:
            raise ShapeError(f"jvp: expected a tangent of shape {x.shape}, that of its input, got {t.shape}")
        if x.dtype.kind != "f":
            raise GradientError(f"jvp: an input of {x.dtype} and shape {x.shape} has no tangents; make it float")
    STATE.level += 1
    level = STATE.level
    try:
        y = function(*[_dual(x, t, level) for x, t in zip(primals, tangents, strict=True)])
    finally:
        STATE.level -= 1
    if y.dual is None or y.dual[0] != level:
        return y, RECORDED.zeros_like(y)
    return y.dual[1], y.dual[2]


def _dual(x: Tensor, t: Tensor, level: int) -> Tensor:
    new = x.detach()
    new.dual = (level, x, t)
    new.requires_grad = x.requires_grad
    return new


def vjp(function: Function, *inputs: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, ...]]]:
    """The result, and a function from its gradient to those of the inputs. Twin: `torch.func.vjp`."""
    leaves = [_leaf(x) for x in inputs]
    with enable_grad():
        y = function(*leaves)

    def pull(g: Tensor) -> tuple[Tensor, ...]:
        found = grad(y, leaves, g, retain_graph=True, allow_unused=True)
        return tuple(RECORDED.zeros_like(x) if d is None else d for x, d in zip(leaves, found, strict=True))

    return y.detach(), pull


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_()


def jacobian(function: Function, x: Tensor, mode: str = "reverse", create_graph: bool = False) -> Tensor:
    """All derivatives of all results: shape `(*result, *x)`. Twin: `torch.autograd.functional.jacobian`.

    Args:
        mode: "reverse" costs one backward pass for each result, "forward" one forward pass for each element of x.
        create_graph: only reverse; the Jacobian can then be differentiated with respect to x.
    """
    if mode == "forward":
        basis = np.eye(x.numel(), dtype=x.dtype).reshape(-1, *x.shape)
        columns = [jvp(function, (x.detach(),), (Tensor(row),))[1] for row in basis]
        return stack(columns, dim=-1).reshape(*columns[0].shape, *x.shape)
    if mode != "reverse":
        raise GradientError(f"jacobian: mode {mode!r}; use 'reverse' or 'forward'")
    point = x if create_graph and x.requires_grad else _leaf(x)
    with enable_grad():
        y = function(point)
        rows = [_row(y, point, i, create_graph) for i in range(y.numel())]
        return stack(rows).reshape(*y.shape, *x.shape)


def _row(y: Tensor, x: Tensor, i: int, create_graph: bool) -> Tensor:
    seed = np.zeros(y.shape, y.dtype)
    seed.reshape(-1)[i] = 1
    if not y.requires_grad:
        return RECORDED.zeros_like(x)
    found = grad(y, x, Tensor(seed), retain_graph=True, create_graph=create_graph, allow_unused=True)[0]
    return RECORDED.zeros_like(x) if found is None else found


def hessian(function: Function, x: Tensor) -> Tensor:
    """The second derivatives of a scalar function: shape `(*x, *x)`. Twin: `torch.autograd.functional.hessian`."""

    def gradient(point: Tensor) -> Tensor:
        return jacobian(lambda v: function(v).reshape(1), point, create_graph=True).reshape(*x.shape)

    return jacobian(gradient, _leaf(x))


def hvp(function: Function, x: Tensor, v: Tensor) -> Tensor:
    """The Hessian of a scalar function times v, forward over reverse: the cost of about two gradients."""

    def gradient(point: Tensor) -> Tensor:
        return grad(function(point), point, create_graph=True)[0]

    with enable_grad():
        return jvp(gradient, (_leaf(x),), (v,))[1].detach()
