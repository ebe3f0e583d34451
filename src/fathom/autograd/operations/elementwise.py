"""Functions of one array, element by element. Their Jacobian is diagonal, so one formula serves both modes."""

import math
from typing import Any

import numpy as np

from fathom.autograd.operations.special import erf
from fathom.autograd.table import LINEAR, operation, wrt

Array = np.ndarray[Any, Any]
BLOCK = 1 << 15  # elements worked on at a time where several passes follow each other, so that they stay in the cache


def in_blocks(*arrays: Array) -> Any:
    """The same arrays in flat pieces of BLOCK elements; whole where they do not lie alike in memory."""
    first = arrays[0]
    order = sorted(range(first.ndim), key=lambda i: -first.strides[i])
    turned = [array.transpose(order) for array in arrays]
    if first.size <= BLOCK or not all(array.flags.c_contiguous for array in turned):
        return [arrays]
    flat = [array.reshape(-1) for array in turned]
    return [[array[i : i + BLOCK] for array in flat] for i in range(0, first.size, BLOCK)]


operation("exp", np.exp, wrt(lambda n, g, y, x: g * y, needs="y"), inputs="x")
operation("expm1", np.expm1, wrt(lambda n, g, y, x: g * (y + 1), needs="y"), inputs="x")
operation("log", np.log, wrt(lambda n, g, y, x: g / x, needs="x"), inputs="x")
operation("log1p", np.log1p, wrt(lambda n, g, y, x: g / (x + 1), needs="x"), inputs="x")
operation("sqrt", np.sqrt, wrt(lambda n, g, y, x: g * 0.5 / y, needs="y"), inputs="x")
operation("sin", np.sin, wrt(lambda n, g, y, x: g * n.cos(x), needs="x"), inputs="x")
operation("cos", np.cos, wrt(lambda n, g, y, x: -g * n.sin(x), needs="x"), inputs="x")
operation("erf", erf, wrt(lambda n, g, y, x: g * (2 / math.sqrt(math.pi)) * n.exp(-x * x), needs="x"), inputs="x")
operation("sign", np.sign, inputs="x")
operation("floor", np.floor, inputs="x")
operation("abs", np.abs, wrt(lambda n, g, y, x: g * n.sign(x), needs="x"), inputs="x")
operation("clone", np.copy, wrt(lambda n, g, y, x: g), inputs="x")


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    y = np.empty_like(x)
    one = x.dtype.type(1)
    for source, out in in_blocks(x, y):
        np.negative(source, out=out)
        np.exp(out, out=out)
        np.add(out, one, out=out)
        np.divide(one, out, out=out)
    return y


def sigmoid_slope(g: Array, y: Array) -> Array:
    """g y (1 - y)."""
    out = np.empty_like(y)
    one = y.dtype.type(1)
    for gradient, result, target in in_blocks(g, y, out):
        np.subtract(one, result, out=target)
        np.multiply(target, result, out=target)
        np.multiply(target, gradient, out=target)
    return out


operation("sigmoid", sigmoid, wrt(lambda n, g, y, x: n.sigmoid_slope(g, y), needs="y"), inputs="x")
operation(
    "sigmoid_slope",
    sigmoid_slope,
    wrt(lambda n, h, s, g, y: n.sigmoid_slope(h, y), needs="y"),
    wrt(lambda n, h, s, g, y: h * g * (1 - 2 * y), needs="g y"),
    inputs="g y",
)
operation("tanh", np.tanh, wrt(lambda n, g, y, x: n.tanh_slope(g, y), needs="y"), inputs="x")


def tanh_slope(g: Array, y: Array) -> Array:
    """g (1 - y²)."""
    out = np.empty_like(y)
    np.multiply(y, y, out=out)
    np.subtract(y.dtype.type(1), out, out=out)
    return np.multiply(g, out, out=out)


operation(
    "tanh_slope",
    tanh_slope,
    wrt(lambda n, h, s, g, y: n.tanh_slope(h, y), needs="y"),
    wrt(lambda n, h, s, g, y: -2 * h * g * y, needs="g y"),
    inputs="g y",
)
operation("relu", lambda x: np.maximum(x, 0), wrt(lambda n, g, y, x: n.relu_slope(g, y), needs="y"), inputs="x")
operation(
    "relu_slope",
    lambda g, y: np.multiply(g, np.greater(y, 0).astype(g.dtype)),
    wrt(lambda n, h, s, g, y: n.relu_slope(h, y), needs="y"),
    inputs="g y",
)


def leaky(g: Array, x: Array, *, negative_slope: float) -> Array:
    """g where x > 0, negative_slope times g elsewhere."""
    return np.where(x > 0, g, g * g.dtype.type(negative_slope))


operation(
    "leaky",
    leaky,
    wrt(
        lambda n, h, y, g, x, *, negative_slope: n.leaky(h, x, negative_slope=negative_slope),
        jvp=LINEAR,
        needs="x",
    ),
    inputs="g x",
)
operation(
    "leaky_relu",
    lambda x, *, negative_slope: leaky(x, x, negative_slope=negative_slope),
    wrt(lambda n, g, y, x, *, negative_slope: n.leaky(g, x, negative_slope=negative_slope), needs="x"),
    inputs="x",
)
operation(
    "softplus",  # log(1 + exp(x)), which overflows nowhere in this form
    lambda x: np.logaddexp(x, x.dtype.type(0)),
    wrt(lambda n, g, y, x: g * n.sigmoid(x), needs="x"),
    inputs="x",
)


def within(x: Array, *, low: float | None, high: float | None) -> Array:
    """Is x inside the closed interval? None is no bound."""
    inside = np.ones(x.shape, bool)
    if low is not None:
        inside &= x >= low
    if high is not None:
        inside &= x <= high
    return inside


operation("within", within, inputs="x")
operation(
    "clamp",
    lambda x, *, low, high: np.clip(x, low, high),
    wrt(lambda n, g, y, x, *, low, high: g * n.within(x, low=low, high=high), needs="x"),
    inputs="x",
)


def cast(x: Array, *, dtype: Any) -> Array:
    """x in another dtype; a copy even if it has it already."""
    return x.astype(dtype)


operation(
    "cast",
    cast,
    wrt(lambda n, g, y, x, *, dtype: n.cast(g, dtype=x.dtype), jvp=LINEAR),
    inputs="x",
)


def bernoulli(x: Array, *, p: float, generator: np.random.Generator) -> Array:
    """1 with probability p, else 0, in the shape and dtype of x; drawn anew at each call."""
    drawn = generator.random(x.shape, dtype=np.float32)
    return np.less(drawn, p).astype(x.dtype)


operation("bernoulli", bernoulli, inputs="x")
