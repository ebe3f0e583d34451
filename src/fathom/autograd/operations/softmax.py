"""Softmax, its logarithm, and the cross-entropy of logits with class numbers in one operation."""

from typing import Any

import numpy as np

from fathom.autograd.table import LINEAR, operation, wrt

Array = np.ndarray[Any, Any]


def _total(n: Any, x: Any, dim: int) -> Any:
    return n.sum(x, dim=(dim,), keepdim=True)


def softmax(x: Array, *, dim: int) -> Array:
    """exp(x) / Σ exp(x) along one axis."""
    y = x - np.max(x, axis=dim, keepdims=True)
    np.exp(y, out=y)
    return np.divide(y, np.sum(y, axis=dim, keepdims=True), out=y)


def softmax_slope(g: Array, y: Array, *, dim: int) -> Array:
    """y (g - Σ g y): the Jacobian of softmax, diag(y) - y yᵀ, times g."""
    out = g * y
    total = np.sum(out, axis=dim, keepdims=True)
    np.subtract(g, total, out=out)
    return np.multiply(out, y, out=out)


operation("softmax", softmax, wrt(lambda n, g, y, x, *, dim: n.softmax_slope(g, y, dim=dim), needs="y"), inputs="x")
operation(
    "softmax_slope",
    softmax_slope,
    wrt(lambda n, h, s, g, y, *, dim: n.softmax_slope(h, y, dim=dim), needs="y"),
    wrt(
        lambda n, h, s, g, y, *, dim: h * (g - _total(n, g * y, dim)) - g * _total(n, h * y, dim),
        jvp=lambda n, t, s, g, y, *, dim: t * (g - _total(n, g * y, dim)) - y * _total(n, t * g, dim),
        needs="g y",
    ),
    inputs="g y",
)


def log_softmax(x: Array, *, dim: int) -> Array:
    """x - log Σ exp(x) along one axis."""
    y = x - np.max(x, axis=dim, keepdims=True)
    return np.subtract(y, np.log(np.sum(np.exp(y), axis=dim, keepdims=True)), out=y)


operation(
    "log_softmax",
    log_softmax,
    wrt(
        lambda n, g, y, x, *, dim: g - n.exp(y) * _total(n, g, dim),
        jvp=lambda n, t, y, x, *, dim: t - _total(n, n.exp(y) * t, dim),
        needs="y",
    ),
    inputs="x",
)


def _classes_first(logits: Array) -> Array:
    """`(classes, rows)`, less the largest of each row; a few classes lie so that NumPy adds rows at once."""
    z = np.ascontiguousarray(logits.T) if logits.shape[1] < 64 else logits.T
    return z - np.max(z, axis=0)


def cross_entropy(logits: Array, target: Array) -> Array:
    """-log softmax(logits)[target], row by row: `(rows, classes)` and `(rows,)` of int to `(rows,)`."""
    z = _classes_first(logits)
    loss: Array = np.log(np.sum(np.exp(z), axis=0)) - z[target, np.arange(len(target))]
    return loss


def cross_entropy_slope(g: Array, logits: Array, target: Array) -> Array:
    """(softmax(logits) - onehot(target)) g, row by row."""
    y = _classes_first(logits)
    np.exp(y, out=y)
    y /= np.sum(y, axis=0)
    y[target, np.arange(len(target))] -= 1
    y *= g
    return y.T


def _column(n: Any, g: Any) -> Any:
    return n.reshape(g, shape=(*g.shape, 1))


def _tangent(n: Any, t: Any, y: Any, logits: Any, target: Any) -> Any:
    return n.sum(n.cross_entropy_slope(n.ones_like(y), logits, target) * t, dim=(1,), keepdim=False)


def _second(n: Any, h: Any, s: Any, g: Any, logits: Any, target: Any) -> Any:
    return n.softmax_slope(h * _column(n, g), n.softmax(logits, dim=1), dim=1)


operation(
    "cross_entropy",
    cross_entropy,
    wrt(
        lambda n, g, y, logits, target: n.cross_entropy_slope(g, logits, target),
        jvp=_tangent,
        needs="logits target",
    ),
    inputs="logits target",
)
operation(
    "cross_entropy_slope",
    cross_entropy_slope,
    wrt(
        lambda n, h, s, g, logits, target: n.sum(
            n.cross_entropy_slope(n.ones_like(g), logits, target) * h, dim=(1,), keepdim=False
        ),
        jvp=LINEAR,
        needs="logits target",
    ),
    wrt(_second, jvp=lambda n, t, s, g, logits, target: _second(n, t, s, g, logits, target), needs="g logits"),
    inputs="g logits target",
)
