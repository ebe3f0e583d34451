"""Products of matrices: matmul over stacks, the affine map of a layer, and einsum."""

from typing import Any

import numpy as np

from fathom.autograd.table import LINEAR, operation, wrt

Array = np.ndarray[Any, Any]


def _turned(n: Any, x: Any) -> Any:
    axes = tuple(range(x.ndim))
    return n.permute(x, dims=(*axes[:-2], axes[-1], axes[-2]))


operation(
    "matmul",  # (..., rows, inner) and (..., inner, columns); the leading axes broadcast
    np.matmul,
    wrt(lambda n, g, y, a, b: n.sum_to(n.matmul(g, _turned(n, b)), shape=a.shape), jvp=LINEAR, needs="b"),
    wrt(lambda n, g, y, a, b: n.sum_to(n.matmul(_turned(n, a), g), shape=b.shape), jvp=LINEAR, needs="a"),
    inputs="a b",
)


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x weightᵀ + bias: `(..., inputs)`, `(outputs, inputs)` and `(outputs,)` to `(..., outputs)`."""
    y = np.matmul(_rows(x), weight.T)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], len(weight))


def _rows(x: Array) -> Array:
    return x.reshape(-1, x.shape[-1])


def linear_weight(x: Array, g: Array) -> Array:
    """Σ gᵀ x over all leading axes: the gradient of `linear` with respect to its weight."""
    return np.matmul(_rows(g).T, _rows(x))


operation(
    "linear",
    linear,
    wrt(
        lambda n, g, y, x, weight, bias=None: n.linear(g, _turned(n, weight)),
        jvp=lambda n, t, y, x, weight, bias=None: n.linear(t, weight),
        needs="weight",
    ),
    wrt(
        lambda n, g, y, x, weight, bias=None: n.linear_weight(x, g),
        jvp=lambda n, t, y, x, weight, bias=None: n.linear(x, t),
        needs="x",
    ),
    wrt(
        lambda n, g, y, x, weight, bias: n.sum_to(g, shape=bias.shape),
        jvp=lambda n, t, y, x, weight, bias: n.expand(t, shape=y.shape),
    ),
    inputs="x weight bias",
)
operation(
    "linear_weight",
    linear_weight,
    wrt(lambda n, h, y, x, g: n.linear(g, _turned(n, h)), jvp=LINEAR, needs="g"),
    wrt(lambda n, h, y, x, g: n.linear(x, h), jvp=LINEAR, needs="x"),
    inputs="x g",
)


def einsum(*operands: Array, equation: str) -> Array:
    """The sum of products that `equation` ("ij,jk->ik") tells; no ellipsis, and no letter twice in one operand."""
    return np.einsum(equation, *operands, optimize=len(operands) > 1)


def _einsum_slope(n: Any, g: Any, y: Any, *operands: Any, equation: str, position: int) -> Any:
    """The same equation with the result and this operand exchanged; letters that only it has are repeated."""
    left, result = equation.split("->")
    terms = left.split(",")
    wanted = terms[position]
    others = [*terms[:position], *terms[position + 1 :]]
    known = set(result + "".join(others))
    reached = "".join(letter for letter in wanted if letter in known)
    rest = [*operands[:position], *operands[position + 1 :]]
    gradient = n.einsum(g, *rest, equation=f"{','.join([result, *others])}->{reached}")
    shape = operands[position].shape
    thin = tuple(size if letter in known else 1 for letter, size in zip(wanted, shape, strict=True))
    return n.expand(n.reshape(gradient, shape=thin), shape=shape)


def _einsum_tangent(n: Any, t: Any, y: Any, *operands: Any, equation: str, position: int) -> Any:
    return n.einsum(*operands[:position], t, *operands[position + 1 :], equation=equation)


operation(
    "einsum",
    einsum,
    wrt(_einsum_slope, jvp=_einsum_tangent, needs="operand"),
    inputs="operand",
    variadic=True,
)
