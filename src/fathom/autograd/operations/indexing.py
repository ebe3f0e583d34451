"""Reading and writing by position: slices, integer and boolean arrays, `gather`."""

from typing import Any

import numpy as np

from fathom.autograd.table import LINEAR, operation, wrt

Array = np.ndarray[Any, Any]


class Slot:
    """The place in a key where the next index array goes; arrays are inputs of the operation, not part of the key."""

    def __repr__(self) -> str:
        return "·"


SLOT = Slot()


def filled(key: tuple[Any, ...], index: tuple[Array, ...]) -> tuple[Any, ...]:
    """The key with its index arrays in place."""
    rest = iter(index)
    return tuple(next(rest) if part is SLOT else part for part in key)


def getitem(x: Array, *index: Array, key: tuple[Any, ...]) -> Array:
    """x[key]; a view when the key has no arrays."""
    return x[filled(key, index)]


def put(g: Array, *index: Array, key: tuple[Any, ...], shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` to which g is added at [key]; positions that come twice get both."""
    out = np.zeros(shape, g.dtype)
    add_at(out, filled(key, index), g)
    return out


def add_at(out: Array, key: tuple[Any, ...], g: Array) -> None:
    """out[key] += g, in place, counting repeated positions."""
    if any(isinstance(part, np.ndarray) and part.dtype != bool for part in key):
        np.add.at(out, key, g)
    else:
        out[key] += g


operation(
    "getitem",
    getitem,
    wrt(
        lambda n, g, y, x, *index, key, position: n.put(g, *index, key=key, shape=x.shape),
        jvp=lambda n, t, y, x, *index, key, position: n.getitem(t, *index, key=key),
        needs="index",
    ),
    None,
    inputs="x index",
    variadic=True,
)
operation(
    "put",
    put,
    wrt(
        lambda n, h, y, g, *index, key, shape, position: n.getitem(h, *index, key=key),
        jvp=lambda n, t, y, g, *index, key, shape, position: n.put(t, *index, key=key, shape=shape),
        needs="index",
    ),
    None,
    inputs="g index",
    variadic=True,
)


def scatter_add(g: Array, index: Array, *, dim: int, size: int) -> Array:
    """Zeros with `size` places along `dim`, to which each element of g is added at its index."""
    shape = (*g.shape[:dim], size, *g.shape[dim + 1 :])
    out = np.zeros(shape, g.dtype)
    places = list(np.ogrid[tuple(slice(extent) for extent in index.shape)])
    places[dim] = index
    np.add.at(out, tuple(places), g)
    return out


operation(
    "gather",
    lambda x, index, *, dim: np.take_along_axis(x, index, dim),
    wrt(
        lambda n, g, y, x, index, *, dim: n.scatter_add(g, index, dim=dim, size=x.shape[dim]),
        jvp=LINEAR,
        needs="index",
    ),
    inputs="x index",
)
operation(
    "scatter_add",
    scatter_add,
    wrt(lambda n, h, y, g, index, *, dim, size: n.gather(h, index, dim=dim), jvp=LINEAR, needs="index"),
    inputs="g index",
)
