"""New tensors, and the functions that take several."""

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.promotion import cast, one_dim, operand, pair, result_dtype
from fathom.autograd.table import RECORDED
from fathom.autograd.tensor import Tensor, as_array

_GENERATOR = np.random.default_rng(0)


def manual_seed(seed: int) -> np.random.Generator:
    """Start the generator that `randn`, `rand`, dropout and the initialisers draw from when given none."""
    global _GENERATOR
    _GENERATOR = np.random.default_rng(seed)
    return _GENERATOR


def default_generator() -> np.random.Generator:
    """The generator that `manual_seed` starts."""
    return _GENERATOR


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of the data; Python floats become float32."""
    return Tensor(np.array(as_array(data, dtype)), requires_grad=requires_grad)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor that shares the array's memory."""
    return Tensor(array)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """The data as a tensor; a tensor stays itself, an array is shared."""
    if isinstance(data, Tensor):
        return data if dtype is None else cast(data, dtype)
    return Tensor(data, dtype)


def _sizes(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape


def zeros(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Zeros."""
    return Tensor(np.zeros(_sizes(shape), dtype), requires_grad=requires_grad)


def ones(*shape: Any, dtype: Any = np.float32, requires_grad: bool = False) -> Tensor:
    """Ones."""
    return Tensor(np.ones(_sizes(shape), dtype), requires_grad=requires_grad)


def empty(*shape: Any, dtype: Any = np.float32) -> Tensor:
    """Memory as it comes."""
    return Tensor(np.empty(_sizes(shape), dtype))


def full(shape: Sequence[int], value: float, dtype: Any = None) -> Tensor:
    """One value everywhere."""
    return Tensor(np.full(tuple(shape), value, as_array(value).dtype if dtype is None else dtype))


def zeros_like(x: Tensor) -> Tensor:
    """Zeros of the same shape and dtype."""
    return Tensor(np.zeros(x.shape, x.dtype))


def ones_like(x: Tensor) -> Tensor:
    """Ones of the same shape and dtype."""
    return Tensor(np.ones(x.shape, x.dtype))


def eye(size: int, dtype: Any = np.float32) -> Tensor:
    """The identity matrix."""
    return Tensor(np.eye(size, dtype=dtype))


def arange(*bounds: float, dtype: Any = None) -> Tensor:
    """Numbers from start to before end, as `range` counts; int64 unless a bound is a float."""
    kind = np.float32 if builtins.any(isinstance(b, float) for b in bounds) else np.int64
    return Tensor(np.arange(*bounds, dtype=dtype or kind))


def linspace(start: float, end: float, steps: int, dtype: Any = np.float32) -> Tensor:
    """Evenly spaced numbers, both ends included."""
    return Tensor(np.linspace(start, end, steps, dtype=dtype))


def randn(
    *shape: Any, generator: np.random.Generator | None = None, dtype: Any = np.float32, requires_grad: bool = False
) -> Tensor:
    """Normal numbers with mean 0 and variance 1."""
    drawn = np.asarray((generator or _GENERATOR).standard_normal(_sizes(shape), dtype=dtype))
    return Tensor(drawn, requires_grad=requires_grad)


def rand(
    *shape: Any, generator: np.random.Generator | None = None, dtype: Any = np.float32, requires_grad: bool = False
) -> Tensor:
    """Uniform numbers from 0 to below 1."""
    drawn = np.asarray((generator or _GENERATOR).random(_sizes(shape), dtype=dtype))
    return Tensor(drawn, requires_grad=requires_grad)


def randint(low: int, high: int, shape: Sequence[int], generator: np.random.Generator | None = None) -> Tensor:
    """Whole numbers from low to below high."""
    return Tensor((generator or _GENERATOR).integers(low, high, tuple(shape)))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors one after the other along `dim`; their other sizes must agree."""
    if not tensors:
        raise ShapeError("cat: expected at least one tensor, got none")
    axis = one_dim(dim, tensors[0].ndim, "cat")
    dtype = tensors[0].dtype
    for other in tensors[1:]:
        dtype = result_dtype(Tensor.wrap(np.empty(tensors[0].shape, dtype)), other) if other.dtype != dtype else dtype
    return RECORDED.concatenate(*[cast(x, dtype) for x in tensors], dim=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Tensors of one shape side by side along a new axis."""
    return cat([x.unsqueeze(dim) for x in tensors], dim)


def where(condition: Tensor, a: Any, b: Any) -> Tensor:
    """a where the condition is true, b elsewhere."""
    like = a if isinstance(a, Tensor) else b if isinstance(b, Tensor) else Tensor(0.0)
    first, second = pair(operand(a, like), b)
    return RECORDED.where(condition, first, second)


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """The larger of each pair."""
    return a.maximum(b)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """The smaller of each pair."""
    return a.minimum(b)


def exp(x: Tensor) -> Tensor:
    """e to the power of each element."""
    return x.exp()


def log(x: Tensor) -> Tensor:
    """The natural logarithm."""
    return x.log()


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return x.tanh()


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return x.sigmoid()


def sqrt(x: Tensor) -> Tensor:
    """The square root."""
    return x.sqrt()


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The product of matrices."""
    return a @ b


def _upper(x: Tensor, diagonal: int) -> Tensor:
    return Tensor.wrap(np.triu(np.ones(x.shape[-2:], bool), diagonal))


def triu(x: Tensor, diagonal: int = 0) -> Tensor:
    """The part on and above a diagonal, zeros below."""
    return RECORDED.where(_upper(x, diagonal), x, operand(0, x))


def tril(x: Tensor, diagonal: int = 0) -> Tensor:
    """The part on and below a diagonal, zeros above."""
    return RECORDED.where(_upper(x, diagonal + 1), operand(0, x), x)


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """The sum of products that `equation` tells: letters name axes, those missing on the right are summed over.

    An ellipsis stands for leading axes that all operands with one share. A letter twice in one operand is refused.
    """
    equation = _explicit(equation.replace(" ", ""), operands)
    left = equation.partition("->")[0]
    for term, x in zip(left.split(","), operands, strict=True):
        if len(set(term)) < len(term) or len(term) != x.ndim:
            raise ShapeError(f"einsum: {term!r} does not fit shape {x.shape}; one letter for each axis, none twice")
    return RECORDED.einsum(*operands, equation=equation)


def _explicit(equation: str, operands: tuple[Tensor, ...]) -> str:
    """The equation with its ellipsis spelt out and its right side given."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ShapeError(f"einsum: {equation!r} has {len(terms)} operands, got {len(operands)}")
    if not arrow:
        letters = sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1)
        right = ("..." if "..." in left else "") + "".join(letters)
    if "..." in equation:
        extra = max(x.ndim - len(t) + 3 for t, x in zip(terms, operands, strict=True) if "..." in t)
        free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation][:extra]
        terms, right = [t.replace("...", "".join(free)) for t in terms], right.replace("...", "".join(free))
    return f"{','.join(terms)}->{right}"


def pad(x: Tensor, widths: Sequence[int], value: float = 0.0) -> Tensor:
    """A border; `widths` are (before, after) of the last axis, then of the one before it, as torch's."""
    if len(widths) % 2 or len(widths) > 2 * x.ndim or min(widths, default=0) < 0:
        raise ShapeError(f"pad: expected pairs of widths >= 0, at most {x.ndim}, got {tuple(widths)}")
    pairs = [(widths[i], widths[i + 1]) for i in range(0, len(widths), 2)][::-1]
    return RECORDED.pad(x, widths=((0, 0),) * (x.ndim - len(pairs)) + tuple(pairs), value=value)
