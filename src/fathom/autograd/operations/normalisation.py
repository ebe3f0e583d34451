"""Zero mean and unit variance over some axes: the heart of batch norm and layer norm."""

from typing import Any

import numpy as np

from fathom.autograd.operations.reduction import count
from fathom.autograd.table import operation, wrt

Array = np.ndarray[Any, Any]
Dims = tuple[int, ...]


def normalise(x: Array, *, dim: Dims, eps: float) -> Array:
    """(x - mean) / √(variance + eps), where the variance divides by the number of elements."""
    y = x - np.mean(x, axis=dim, keepdims=True)
    variance = np.mean(np.square(y), axis=dim, keepdims=True)
    return np.multiply(y, 1 / np.sqrt(variance + eps), out=y)


def inverse_deviation(x: Array, *, dim: Dims, eps: float) -> Array:
    """1 / √(variance + eps); the axes stay, with size 1."""
    return 1 / np.sqrt(np.var(x, axis=dim, keepdims=True) + eps)


def _total(n: Any, x: Any, dim: Dims) -> Any:
    return n.sum(x, dim=dim, keepdim=True)


def project(g: Array, y: Array, *, dim: Dims) -> Array:
    """g - mean(g) - y mean(g y): what of g is left at right angles to the ones and to y."""
    out = g - np.mean(g, axis=dim, keepdims=True)
    return np.subtract(out, y * np.mean(g * y, axis=dim, keepdims=True), out=out)


def _project_slope(n: Any, h: Any, s: Any, g: Any, y: Any, *, dim: Dims) -> Any:
    size = count(y.shape, dim)
    return (h * _total(n, g * y, dim) + g * _total(n, h * y, dim)) * (-1 / size)


def _project_tangent(n: Any, t: Any, s: Any, g: Any, y: Any, *, dim: Dims) -> Any:
    size = count(y.shape, dim)
    return (t * _total(n, g * y, dim) + y * _total(n, g * t, dim)) * (-1 / size)


operation(
    "project",
    project,
    wrt(lambda n, h, s, g, y, *, dim: n.project(h, y, dim=dim), needs="y"),
    wrt(_project_slope, jvp=_project_tangent, needs="g y"),
    inputs="g y",
)
operation(
    "normalise",
    normalise,
    wrt(
        lambda n, g, y, x, *, dim, eps: n.project(g, y, dim=dim) * n.inverse_deviation(x, dim=dim, eps=eps),
        needs="x y",
    ),
    inputs="x",
)


def _deviation_slope(n: Any, g: Any, r: Any, x: Any, *, dim: Dims, eps: float) -> Any:
    return g * (r * r) * n.normalise(x, dim=dim, eps=eps) * (-1 / count(x.shape, dim))


operation(
    "inverse_deviation",
    inverse_deviation,
    wrt(
        _deviation_slope,
        jvp=lambda n, t, r, x, *, dim, eps: _total(n, _deviation_slope(n, t, r, x, dim=dim, eps=eps), dim),
        needs="x y",
    ),
    inputs="x",
)
