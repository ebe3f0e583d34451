"""Operations on two arrays that broadcast: sums, products, powers, the larger of two, choices, comparisons."""

from typing import Any

import numpy as np

from fathom.autograd.table import JOINT, LINEAR, operation, wrt

Array = np.ndarray[Any, Any]


operation(
    "add",
    np.add,
    wrt(lambda n, g, y, a, b: n.sum_to(g, shape=a.shape), jvp=lambda n, t, y, a, b: n.expand(t, shape=y.shape)),
    wrt(lambda n, g, y, a, b: n.sum_to(g, shape=b.shape), jvp=lambda n, t, y, a, b: n.expand(t, shape=y.shape)),
    inputs="a b",
)
operation(
    "subtract",
    np.subtract,
    wrt(lambda n, g, y, a, b: n.sum_to(g, shape=a.shape), jvp=lambda n, t, y, a, b: n.expand(t, shape=y.shape)),
    wrt(lambda n, g, y, a, b: n.sum_to(-g, shape=b.shape), jvp=lambda n, t, y, a, b: n.expand(-t, shape=y.shape)),
    inputs="a b",
)
operation(
    "multiply",
    np.multiply,
    wrt(lambda n, g, y, a, b: n.sum_to(g * b, shape=a.shape), jvp=LINEAR, needs="b"),
    wrt(lambda n, g, y, a, b: n.sum_to(g * a, shape=b.shape), jvp=LINEAR, needs="a"),
    inputs="a b",
)
operation(
    "divide",
    np.true_divide,
    wrt(lambda n, g, y, a, b: n.sum_to(g / b, shape=a.shape), jvp=LINEAR, needs="b"),
    wrt(
        lambda n, g, y, a, b: n.sum_to(-g * y / b, shape=b.shape),
        jvp=lambda n, t, y, a, b: -t * y / b,
        needs="y b",
    ),
    inputs="a b",
)
operation("negative", np.negative, wrt(lambda n, g, y, x: -g), inputs="x")


def power(x: Array, *, exponent: float) -> Array:
    """x to a constant power."""
    if exponent == 2:
        return x * x
    return np.power(x, exponent)


def _power_slope(n: Any, g: Any, y: Any, x: Any, *, exponent: float) -> Any:
    if exponent == 0:
        return n.zeros_like(x)
    if exponent == 1:
        return g
    return g * (exponent * n.power(x, exponent=exponent - 1))


operation("power", power, wrt(_power_slope, needs="x"), inputs="x")


def power_slope_in_exponent(y: Array, a: Array) -> Array:
    """aᵇ log a, which is 0 where a is 0 (torch's choice)."""
    return np.where(a == 0, np.zeros((), y.dtype), y * np.log(np.where(a == 0, np.ones((), a.dtype), a)))


operation(
    "power_slope_in_exponent",
    power_slope_in_exponent,
    wrt(lambda n, g, s, y, a: n.sum_to(g * n.log(n.where(a == 0, a + 1, a)), shape=y.shape), needs="a"),
    wrt(lambda n, g, s, y, a: n.sum_to(g * y / a, shape=a.shape), needs="y a"),
    inputs="y a",
)
operation(
    "power_of_two_arrays",
    np.power,
    wrt(
        lambda n, g, y, a, b: n.sum_to(g * b * n.power_of_two_arrays(a, b - 1), shape=a.shape),
        jvp=lambda n, t, y, a, b: t * b * n.power_of_two_arrays(a, b - 1),
        needs="a b",
    ),
    wrt(
        lambda n, g, y, a, b: n.sum_to(g * n.power_slope_in_exponent(y, a), shape=b.shape),
        jvp=lambda n, t, y, a, b: t * n.power_slope_in_exponent(y, a),
        needs="a y",
    ),
    inputs="a b",
)


def share_of_larger(a: Array, b: Array) -> Array:
    """1 where a > b, 1/2 where they are equal, 0 elsewhere: how much of the gradient goes to a."""
    return ((a > b) + 0.5 * (a == b)).astype(a.dtype)


def _to_larger(flip: bool, position: int) -> Any:
    def formula(n: Any, g: Any, y: Any, a: Any, b: Any) -> Any:
        first, second = (a, b) if (position == 0) != flip else (b, a)
        return n.sum_to(g * n.share_of_larger(first, second), shape=(a, b)[position].shape)

    def tangent(n: Any, t: Any, y: Any, a: Any, b: Any) -> Any:
        first, second = (a, b) if (position == 0) != flip else (b, a)
        return t * n.share_of_larger(first, second)

    return wrt(formula, jvp=tangent, needs="a b")


operation("share_of_larger", share_of_larger, inputs="a b")
operation("maximum", np.maximum, _to_larger(False, 0), _to_larger(False, 1), inputs="a b")
operation("minimum", np.minimum, _to_larger(True, 0), _to_larger(True, 1), inputs="a b")
operation(
    "where",
    np.where,
    None,
    wrt(lambda n, g, y, mask, a, b: n.sum_to(g * mask, shape=a.shape), jvp=JOINT, needs="mask"),
    wrt(lambda n, g, y, mask, a, b: n.sum_to(g * ~mask, shape=b.shape), jvp=JOINT, needs="mask"),
    inputs="mask a b",
)

for name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"):
    operation(name, getattr(np, name), inputs="a b")
operation("logical_and", np.bitwise_and, inputs="a b")
operation("logical_or", np.bitwise_or, inputs="a b")
operation("logical_not", np.invert, inputs="x")
operation("floor_divide", np.floor_divide, inputs="a b")
operation("remainder", np.remainder, wrt(lambda n, g, y, a, b: n.sum_to(g, shape=a.shape)), inputs="a b")
