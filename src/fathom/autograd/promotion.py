"""What operands become before they meet: tensors, of one dtype, with axes counted from 0."""

from typing import Any

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.table import RECORDED

Dim = int | tuple[int, ...] | list[int] | None
KINDS = {"b": 0, "u": 1, "i": 1, "f": 2}  # booleans, integers, floats: the higher kind decides


def operand(value: Any, like: Any) -> Any:
    """A number or array as a tensor; a Python number takes the dtype of `like` unless it is of a higher kind."""
    if hasattr(value, "storage"):  # a tensor; the class itself imports this file
        return value
    if isinstance(value, bool | np.bool_):
        return RECORDED.constant(np.asarray(value))
    if isinstance(value, int):
        return RECORDED.constant(np.asarray(value, np.int64 if like.dtype == bool else like.dtype))
    if isinstance(value, float):
        return RECORDED.constant(np.asarray(value, like.dtype if like.dtype.kind == "f" else np.float32))
    return RECORDED.constant(np.asarray(value))


def result_dtype(a: Any, b: Any) -> Any:
    """torch's promotion: the higher kind; within a kind a tensor without axes gives way."""
    first, second = KINDS[a.dtype.kind], KINDS[b.dtype.kind]
    if first != second:
        return (a if first > second else b).dtype
    if (a.ndim == 0) != (b.ndim == 0):
        return (b if a.ndim == 0 else a).dtype
    return np.promote_types(a.dtype, b.dtype)


def pair(a: Any, value: Any) -> tuple[Any, Any]:
    """Two operands of one dtype."""
    b = operand(value, a)
    if a.dtype == b.dtype:
        return a, b
    dtype = result_dtype(a, b)
    return cast(a, dtype), cast(b, dtype)


def cast(x: Any, dtype: Any) -> Any:
    """x in `dtype`; itself if it has it."""
    dtype = np.dtype(dtype)
    return x if x.dtype == dtype else RECORDED.cast(x, dtype=dtype)


def floating(x: Any) -> Any:
    """x, as float32 if it holds integers or booleans."""
    return x if x.dtype.kind == "f" else cast(x, np.float32)


def dims(dim: Dim, ndim: int, what: str) -> tuple[int, ...]:
    """Axes counted from 0; None is all of them."""
    if dim is None:
        return tuple(range(ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    for axis in given:
        if not -max(ndim, 1) <= axis < max(ndim, 1):
            raise ShapeError(f"{what}: dim {axis} of a tensor with {ndim} axes; choose from {-ndim} to {ndim - 1}")
    return tuple(axis % ndim for axis in given) if ndim else ()


def one_dim(dim: int, ndim: int, what: str) -> int:
    """One axis counted from 0."""
    found = dims(dim, ndim, what)
    if not found:
        raise ShapeError(f"{what}: needs at least one axis; reshape the tensor first")
    return found[0]
