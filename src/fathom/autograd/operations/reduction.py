"""Operations that fold axes: sums, means, largest values, running sums. `dim` is a tuple of axes counted from 0."""

import math
from typing import Any

import numpy as np

from fathom.autograd.table import LINEAR, operation, wrt

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...]


def kept_shape(shape: tuple[int, ...], dim: Dims) -> tuple[int, ...]:
    """The shape after a reduction that leaves axes of size 1."""
    return tuple(1 if i in dim else size for i, size in enumerate(shape))


def count(shape: tuple[int, ...], dim: Dims) -> int:
    """How many elements fold into one."""
    return math.prod(shape[i] for i in dim)


def spread(n: Any, g: Any, x: Any, dim: Dims) -> Any:
    """A reduced value, given back to every element that it came from."""
    return n.expand(n.reshape(g, shape=kept_shape(x.shape, dim)), shape=x.shape)


def sum_(x: Array, *, dim: Dims, keepdim: bool) -> Array:
    """The sum over some axes; booleans are counted."""
    return np.sum(x, axis=dim, keepdims=keepdim)


def mean(x: Array, *, dim: Dims, keepdim: bool) -> Array:
    """The mean over some axes."""
    return np.mean(x, axis=dim, keepdims=keepdim)


operation("sum", sum_, wrt(lambda n, g, y, x, *, dim, keepdim: spread(n, g, x, dim), jvp=LINEAR), inputs="x")
operation(
    "mean",
    mean,
    wrt(lambda n, g, y, x, *, dim, keepdim: spread(n, g * (1 / max(count(x.shape, dim), 1)), x, dim), jvp=LINEAR),
    inputs="x",
)


def shares_of_largest(x: Array, *, dim: Dims) -> Array:
    """1/k at each of the k largest elements along `dim`, 0 elsewhere: torch's way with ties in `amax`."""
    ties = x == np.max(x, axis=dim, keepdims=True)
    return ties / ties.sum(axis=dim, keepdims=True, dtype=x.dtype)


operation("shares_of_largest", shares_of_largest, inputs="x")
operation(
    "amax",
    lambda x, *, dim, keepdim: np.max(x, axis=dim, keepdims=keepdim),
    wrt(
        lambda n, g, y, x, *, dim, keepdim: spread(n, g, x, dim) * n.shares_of_largest(x, dim=dim),
        jvp=lambda n, t, y, x, *, dim, keepdim: n.sum(t * n.shares_of_largest(x, dim=dim), dim=dim, keepdim=keepdim),
        needs="x",
    ),
    inputs="x",
)
operation("argmax", lambda x, *, dim, keepdim: np.argmax(x, axis=dim, keepdims=keepdim), inputs="x")
operation("argsort", lambda x, *, dim: np.argsort(x, axis=dim, kind="stable"), inputs="x")
operation("any", lambda x, *, dim, keepdim: np.any(x, axis=dim, keepdims=keepdim), inputs="x")
operation("all", lambda x, *, dim, keepdim: np.all(x, axis=dim, keepdims=keepdim), inputs="x")
operation(
    "cumsum",
    lambda x, *, dim: np.cumsum(x, axis=dim, dtype=x.dtype),
    wrt(
        lambda n, g, y, x, *, dim: n.flip(n.cumsum(n.flip(g, dim=(dim,)), dim=dim), dim=(dim,)),
        jvp=LINEAR,
    ),
    inputs="x",
)


def logsumexp(x: Array, *, dim: Dims, keepdim: bool) -> Array:
    """log Σ exp(x) over some axes, with the largest element taken out first so that nothing overflows."""
    top = np.max(x, axis=dim, keepdims=True)
    top = np.where(np.isfinite(top), top, np.zeros_like(top))
    y = np.log(np.sum(np.exp(x - top), axis=dim, keepdims=True)) + top
    return y if keepdim else np.squeeze(y, axis=dim)


operation(
    "logsumexp",
    logsumexp,
    wrt(
        lambda n, g, y, x, *, dim, keepdim: spread(n, g, x, dim) * n.exp(x - spread(n, y, x, dim)),
        jvp=lambda n, t, y, x, *, dim, keepdim: n.sum(t * n.exp(x - spread(n, y, x, dim)), dim=dim, keepdim=keepdim),
        needs="x y",
    ),
    inputs="x",
)
