"""The tensor's methods that compute, most of them one line: torch's names over the operations of the table."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.layout import Layout
from fathom.autograd.promotion import Dim, cast, dims, floating, one_dim, operand, pair
from fathom.autograd.table import RECORDED

if TYPE_CHECKING:
    from fathom.autograd.tensor import Tensor


class Extremum(NamedTuple):
    """What `max(dim)` and `min(dim)` give."""

    values: "Tensor"
    indices: "Tensor"


class Arithmetic(Layout):
    """Operators, functions of each element, reductions. The tensor brings the array; this knows only operations."""

    __slots__ = ()

    # Operators.

    def __add__(self, other: Any) -> "Tensor":
        return RECORDED.add(*pair(self, other))

    def __sub__(self, other: Any) -> "Tensor":
        return RECORDED.subtract(*pair(self, other))

    def __rsub__(self, other: Any) -> "Tensor":
        return RECORDED.subtract(*pair(self, other)[::-1])

    def __mul__(self, other: Any) -> "Tensor":
        return RECORDED.multiply(*pair(self, other))

    def __truediv__(self, other: Any) -> "Tensor":
        a, b = pair(self, other)
        return RECORDED.divide(floating(a), floating(b))

    def __rtruediv__(self, other: Any) -> "Tensor":
        a, b = pair(self, other)
        return RECORDED.divide(floating(b), floating(a))

    def __floordiv__(self, other: Any) -> "Tensor":
        return RECORDED.floor_divide(*pair(self, other))

    def __mod__(self, other: Any) -> "Tensor":
        return RECORDED.remainder(*pair(self, other))

    def __neg__(self) -> "Tensor":
        return RECORDED.negative(self)

    def __pow__(self, exponent: Any) -> "Tensor":
        if isinstance(exponent, int | float):
            x = self if isinstance(exponent, int) and exponent >= 0 else floating(self)
            return RECORDED.power(x, exponent=exponent)
        return RECORDED.power_of_two_arrays(*pair(self, exponent))

    def __rpow__(self, base: Any) -> "Tensor":
        return RECORDED.power_of_two_arrays(*pair(self, base)[::-1])

    def __matmul__(self, other: Any) -> "Tensor":
        """Products of matrices; a vector counts as a row on the left and as a column on the right."""
        a, b = pair(self, other)
        if a.ndim == 0 or b.ndim == 0:
            raise ShapeError(f"matmul: shapes {a.shape} and {b.shape}: each needs an axis; use * for numbers")
        left = RECORDED.reshape(a, shape=(1, a.shape[0])) if a.ndim == 1 else a
        right = RECORDED.reshape(b, shape=(b.shape[0], 1)) if b.ndim == 1 else b
        y = RECORDED.matmul(left, right)
        shape = (*y.shape[:-2], *y.shape[-2:-1][: a.ndim > 1], *y.shape[-1:][: b.ndim > 1])
        return RECORDED.reshape(y, shape=shape)

    __radd__, __rmul__ = __add__, __mul__

    def __rmatmul__(self, other: Any) -> "Tensor":
        return operand(other, self) @ self

    def __eq__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return RECORDED.equal(*pair(self, other))

    def __ne__(self, other: Any) -> "Tensor":  # type: ignore[override]
        return RECORDED.not_equal(*pair(self, other))

    def __lt__(self, other: Any) -> "Tensor":
        return RECORDED.less(*pair(self, other))

    def __le__(self, other: Any) -> "Tensor":
        return RECORDED.less_equal(*pair(self, other))

    def __gt__(self, other: Any) -> "Tensor":
        return RECORDED.greater(*pair(self, other))

    def __ge__(self, other: Any) -> "Tensor":
        return RECORDED.greater_equal(*pair(self, other))

    def __and__(self, other: Any) -> "Tensor":
        return RECORDED.logical_and(*pair(self, other))

    def __or__(self, other: Any) -> "Tensor":
        return RECORDED.logical_or(*pair(self, other))

    def __invert__(self) -> "Tensor":
        return RECORDED.logical_not(self)

    add, sub, mul, div, matmul, neg, eq = __add__, __sub__, __mul__, __truediv__, __matmul__, __neg__, __eq__
    pow = __pow__

    # Element by element.

    def exp(self) -> "Tensor":
        """e to the power of each element."""
        return RECORDED.exp(floating(self))

    def expm1(self) -> "Tensor":
        """exp(x) - 1, exact near 0."""
        return RECORDED.expm1(floating(self))

    def log(self) -> "Tensor":
        """The natural logarithm."""
        return RECORDED.log(floating(self))

    def log1p(self) -> "Tensor":
        """log(1 + x), exact near 0."""
        return RECORDED.log1p(floating(self))

    def sqrt(self) -> "Tensor":
        """The square root."""
        return RECORDED.sqrt(floating(self))

    def square(self) -> "Tensor":
        """x²."""
        return RECORDED.power(self, exponent=2)

    def sin(self) -> "Tensor":
        """The sine, of radians."""
        return RECORDED.sin(floating(self))

    def cos(self) -> "Tensor":
        """The cosine, of radians."""
        return RECORDED.cos(floating(self))

    def tanh(self) -> "Tensor":
        """The hyperbolic tangent."""
        return RECORDED.tanh(floating(self))

    def sigmoid(self) -> "Tensor":
        """1 / (1 + exp(-x))."""
        return RECORDED.sigmoid(floating(self))

    def relu(self) -> "Tensor":
        """max(x, 0); its derivative at 0 is 0."""
        return RECORDED.relu(self)

    def erf(self) -> "Tensor":
        """The error function."""
        return RECORDED.erf(floating(self))

    def abs(self) -> "Tensor":
        """The absolute value; its derivative at 0 is 0."""
        return RECORDED.abs(self)

    __abs__ = abs

    def sign(self) -> "Tensor":
        """-1, 0 or 1."""
        return RECORDED.sign(self)

    def floor(self) -> "Tensor":
        """The largest whole number below."""
        return RECORDED.floor(self)

    def clamp(self, min: float | None = None, max: float | None = None) -> "Tensor":
        """x, moved to the nearest point of the interval; its derivative at the ends is 1."""
        return RECORDED.clamp(self, low=min, high=max)

    def maximum(self, other: Any) -> "Tensor":
        """The larger of each pair; a tie shares the gradient in halves."""
        return RECORDED.maximum(*pair(self, other))

    def minimum(self, other: Any) -> "Tensor":
        """The smaller of each pair; a tie shares the gradient in halves."""
        return RECORDED.minimum(*pair(self, other))

    def masked_fill(self, mask: Any, value: float) -> "Tensor":
        """`value` where `mask` is true, x elsewhere."""
        return RECORDED.where(operand(mask, self), operand(value, self), self)

    def softmax(self, dim: int) -> "Tensor":
        """exp(x) / Σ exp(x) along `dim`."""
        return RECORDED.softmax(floating(self), dim=one_dim(dim, self.ndim, "softmax"))

    def log_softmax(self, dim: int) -> "Tensor":
        """The logarithm of `softmax`, without its overflow."""
        return RECORDED.log_softmax(floating(self), dim=one_dim(dim, self.ndim, "log_softmax"))

    # Reductions: over the axis or axes `dim`, or over all of them.

    def sum(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The sum."""
        return RECORDED.sum(self, dim=dims(dim, self.ndim, "sum"), keepdim=keepdim)

    def mean(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The mean."""
        return RECORDED.mean(floating(self), dim=dims(dim, self.ndim, "mean"), keepdim=keepdim)

    def var(self, dim: Dim = None, *, correction: int = 1, keepdim: bool = False) -> "Tensor":
        """The mean square distance from the mean; the sum is divided by the number of elements less `correction`."""
        axes = dims(dim, self.ndim, "var")
        freedom = math.prod(self.shape[i] for i in axes) - correction
        total = (self - self.mean(axes, keepdim=True)).square().sum(axes, keepdim=keepdim)
        return total / (freedom if freedom > 0 else math.nan)

    def std(self, dim: Dim = None, *, correction: int = 1, keepdim: bool = False) -> "Tensor":
        """The square root of `var`."""
        return self.var(dim, correction=correction, keepdim=keepdim).sqrt()

    def norm(self) -> "Tensor":
        """The Euclidean length of all elements together."""
        return self.square().sum().sqrt()

    def logsumexp(self, dim: Dim, keepdim: bool = False) -> "Tensor":
        """log Σ exp(x), without overflow."""
        return RECORDED.logsumexp(self, dim=dims(dim, self.ndim, "logsumexp"), keepdim=keepdim)

    def cumsum(self, dim: int) -> "Tensor":
        """Running sums along `dim`."""
        return RECORDED.cumsum(self, dim=one_dim(dim, self.ndim, "cumsum"))

    def amax(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The largest element; ties share the gradient evenly."""
        return RECORDED.amax(self, dim=dims(dim, self.ndim, "amax"), keepdim=keepdim)

    def amin(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """The smallest element; ties share the gradient evenly."""
        return -(-self).amax(dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
        """The position of the largest element, the first if there are several; without `dim` in the flat tensor."""
        axis = None if dim is None else one_dim(dim, self.ndim, "argmax")
        return RECORDED.argmax(self, dim=axis, keepdim=keepdim)

    def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The largest element; with `dim` an `Extremum`, where the first of several gets the whole gradient."""
        if dim is None:
            return self.amax()
        axis = one_dim(dim, self.ndim, "max")
        index = RECORDED.argmax(self, dim=axis, keepdim=True)
        values = RECORDED.gather(self, index, dim=axis)
        return Extremum(values, index) if keepdim else Extremum(values.squeeze(axis), index.squeeze(axis))

    def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The smallest element; see `max`."""
        if dim is None:
            return self.amin()
        values, index = (-self).max(dim, keepdim)
        return Extremum(-values, index)

    def any(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """Is any element true?"""
        return RECORDED.any(self, dim=dims(dim, self.ndim, "any"), keepdim=keepdim)

    def all(self, dim: Dim = None, keepdim: bool = False) -> "Tensor":
        """Are all elements true?"""
        return RECORDED.all(self, dim=dims(dim, self.ndim, "all"), keepdim=keepdim)

    # Other dtypes.

    def to(self, dtype: Any) -> "Tensor":
        """The same numbers in another dtype."""
        return cast(self, dtype)

    def float(self) -> "Tensor":
        """The same numbers as float32."""
        return cast(self, np.float32)

    def double(self) -> "Tensor":
        """The same numbers as float64."""
        return cast(self, np.float64)

    def long(self) -> "Tensor":
        """The same numbers as int64, cut towards 0."""
        return cast(self, np.int64)

    def bool(self) -> "Tensor":
        """True where not 0."""
        return cast(self, np.bool_)
