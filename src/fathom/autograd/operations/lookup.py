"""Rows of a table by number, and the sum that sends gradients back to them."""

from typing import Any

import numpy as np

from fathom.autograd.table import LINEAR, operation, wrt

Array = np.ndarray[Any, Any]


def embedding_gradient(index: Array, g: Array, *, rows: int) -> Array:
    """The sum of the gradients of each row: `(...)` of int and `(..., features)` to `(rows, features)`.

    Sorting the numbers brings those of one row together, so that one `reduceat` adds them.
    """
    features = g.shape[-1]
    out = np.zeros((rows, features), g.dtype)
    flat = index.reshape(-1)
    if flat.size:
        order = np.argsort(flat, kind="stable")
        present, starts = np.unique(flat[order], return_index=True)
        out[present] = np.add.reduceat(g.reshape(-1, features)[order], starts, axis=0)
    return out


operation(
    "embedding",
    lambda index, weight: weight[index],
    None,
    wrt(
        lambda n, g, y, index, weight: n.embedding_gradient(index, g, rows=weight.shape[0]),
        jvp=LINEAR,
        needs="index",
    ),
    inputs="index weight",
)
operation(
    "embedding_gradient",
    embedding_gradient,
    None,
    wrt(lambda n, h, y, index, g, *, rows: n.embedding(index, h), jvp=LINEAR, needs="index"),
    inputs="index g",
)
