"""Operations that only move elements: new shapes, turned axes, broadcasts, joins, borders."""

from typing import Any

import numpy as np

from fathom.autograd.table import JOINT, LINEAR, RAW, operation, wrt

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


def reshape(x: Array, *, shape: Shape) -> Array:
    """The elements in the same order under another shape; a view where it can be."""
    return np.reshape(x, shape)


def expand(x: Array, *, shape: Shape) -> Array:
    """x repeated along new axes and along those of size 1; a view."""
    return np.broadcast_to(x, shape)


def sum_to(x: Array, *, shape: Shape) -> Array:
    """The sum over the axes that broadcasting `shape` to x's shape repeats: what undoes `expand` for a gradient."""
    if x.shape == shape:
        return x
    new = x.ndim - len(shape)
    if x.ndim == 2 and x.shape[1:] == shape:
        return np.ones(len(x), x.dtype) @ x  # the gradient of a bias: a product is faster than a sum
    axes = tuple(range(new)) + tuple(new + i for i, size in enumerate(shape) if size == 1 and x.shape[new + i] != 1)
    return np.sum(x, axis=axes).reshape(shape)


operation(
    "reshape",
    reshape,
    wrt(lambda n, g, y, x, *, shape: n.reshape(g, shape=x.shape), jvp=LINEAR),
    inputs="x",
)
operation("expand", expand, wrt(lambda n, g, y, x, *, shape: n.sum_to(g, shape=x.shape), jvp=LINEAR), inputs="x")
operation("sum_to", sum_to, wrt(lambda n, g, y, x, *, shape: n.expand(g, shape=x.shape), jvp=LINEAR), inputs="x")


def _inverse(dims: Shape) -> Shape:
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


operation(
    "permute",
    lambda x, *, dims: np.transpose(x, dims),
    wrt(lambda n, g, y, x, *, dims: n.permute(g, dims=_inverse(dims)), jvp=LINEAR),
    inputs="x",
)
operation(
    "flip",
    lambda x, *, dim: np.flip(x, axis=dim),
    wrt(lambda n, g, y, x, *, dim: n.flip(g, dim=dim), jvp=LINEAR),
    inputs="x",
)


def concatenate(*arrays: Array, dim: int) -> Array:
    """Arrays one after the other along `dim`."""
    return np.concatenate(arrays, axis=dim)


def _slab(n: Any, g: Any, y: Any, *arrays: Any, dim: int, position: int) -> Any:
    start = sum(array.shape[dim] for array in arrays[:position])
    part = slice(start, start + arrays[position].shape[dim])
    return n.getitem(g, key=(*[slice(None)] * dim, part))


operation("concatenate", concatenate, wrt(_slab, jvp=JOINT), inputs="array", variadic=True)


def pad(x: Array, *, widths: tuple[tuple[int, int], ...], value: float) -> Array:
    """A border around x: `widths` are (before, after) for each axis."""
    shape = tuple(size + before + after for size, (before, after) in zip(x.shape, widths, strict=True))
    y = np.full(shape, value, x.dtype)
    y[_inside(x.shape, widths)] = x
    return y


def _inside(shape: Shape, widths: tuple[tuple[int, int], ...]) -> tuple[slice, ...]:
    return tuple(slice(before, before + size) for size, (before, _) in zip(shape, widths, strict=True))


operation(
    "pad",
    pad,
    wrt(
        lambda n, g, y, x, *, widths, value: n.getitem(g, key=_inside(x.shape, widths)),
        jvp=lambda n, t, y, x, *, widths, value: n.pad(t, widths=widths, value=0.0),
    ),
    inputs="x",
)

RAW.zeros_like = lambda x: np.zeros(x.shape, x.dtype)  # of a value that was not kept, too
RAW.ones_like = lambda x: np.ones(x.shape, x.dtype)
RAW.constant = lambda array: array
