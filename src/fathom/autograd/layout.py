"""The tensor's methods that move elements: shapes, axes, positions."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fathom.autograd.errors import DtypeError, ShapeError
from fathom.autograd.operations.indexing import SLOT
from fathom.autograd.promotion import dims, one_dim
from fathom.autograd.table import RECORDED

if TYPE_CHECKING:
    from fathom.autograd.tensor import Tensor


def _sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """Sizes told one by one, or as one tuple or list."""
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given


class Layout:
    """Shapes, axes and positions. The tensor brings the array; this knows only operations."""

    __slots__ = ("__weakref__",)
    array: Any

    # Sizes.

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each axis."""
        shape: tuple[int, ...] = self.array.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of axes."""
        return self.ndim

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("len of a tensor without axes; use item()")
        return self.shape[0]

    @property
    def dtype(self) -> Any:
        """NumPy's dtype."""
        return self.array.dtype

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise ShapeError(f"bool of a tensor of shape {self.shape}; use any() or all()")
        return bool(self.array.item())

    def __float__(self) -> float:
        return float(self.array.item())

    def __int__(self) -> int:
        return int(self.array.item())

    def reshape(self, *shape: Any) -> "Tensor":
        """The elements in the same order under another shape; one size may be -1."""
        sizes = _sizes(shape)
        if -1 in sizes:
            rest = -math.prod(sizes)
            sizes = tuple(self.numel() // rest if size == -1 and rest else size for size in sizes)
        if math.prod(sizes) != self.numel():
            raise ShapeError(
                f"reshape: {self.numel()} elements of shape {self.shape} do not fill {_sizes(shape)}; "
                "one size may be -1, to be worked out"
            )
        return RECORDED.reshape(self, shape=sizes)

    view = reshape

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor":
        """The axes from `start_dim` to `end_dim` as one."""
        if self.ndim == 0:
            return self.reshape(1)
        first, last = one_dim(start_dim, self.ndim, "flatten"), one_dim(end_dim, self.ndim, "flatten")
        shape = (*self.shape[:first], math.prod(self.shape[first : last + 1]), *self.shape[last + 1 :])
        return RECORDED.reshape(self, shape=shape)

    def unflatten(self, dim: int, sizes: tuple[int, ...]) -> "Tensor":
        """One axis as several."""
        axis = one_dim(dim, self.ndim, "unflatten")
        return self.reshape(*self.shape[:axis], *sizes, *self.shape[axis + 1 :])

    def permute(self, *order: Any) -> "Tensor":
        """The axes in another order."""
        axes = dims(_sizes(order), self.ndim, "permute")
        if sorted(axes) != list(range(self.ndim)):
            raise ShapeError(f"permute: {_sizes(order)} does not name each axis of shape {self.shape} once")
        return RECORDED.permute(self, dims=axes)

    def transpose(self, first: int, second: int) -> "Tensor":
        """Two axes exchanged."""
        a, b = one_dim(first, self.ndim, "transpose"), one_dim(second, self.ndim, "transpose")
        order = list(range(self.ndim))
        order[a], order[b] = b, a
        return RECORDED.permute(self, dims=tuple(order))

    def t(self) -> "Tensor":
        """A matrix, transposed."""
        return self.transpose(0, 1) if self.ndim == 2 else self.permute(*range(self.ndim))

    @property
    def T(self) -> "Tensor":
        """The axes in reverse order."""
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> "Tensor":
        """The last two axes exchanged."""
        return self.transpose(-2, -1)

    def unsqueeze(self, dim: int) -> "Tensor":
        """A new axis of size 1 at `dim`."""
        axis = one_dim(dim, self.ndim + 1, "unsqueeze")
        return RECORDED.reshape(self, shape=(*self.shape[:axis], 1, *self.shape[axis:]))

    def squeeze(self, dim: int | None = None) -> "Tensor":
        """Without the axis `dim` if its size is 1; without `dim`, without any such axis."""
        axes = dims(dim, self.ndim, "squeeze")
        shape = tuple(size for i, size in enumerate(self.shape) if size != 1 or i not in axes)
        return RECORDED.reshape(self, shape=shape)

    def expand(self, *shape: Any) -> "Tensor":
        """Repeated along new axes and along those of size 1; -1 leaves a size as it is. No memory is taken."""
        sizes = _sizes(shape)
        new = len(sizes) - self.ndim
        return RECORDED.expand(self, shape=tuple(self.shape[i - new] if s == -1 else s for i, s in enumerate(sizes)))

    def expand_as(self, other: "Tensor") -> "Tensor":
        """Repeated to the shape of `other`."""
        return RECORDED.expand(self, shape=other.shape)

    def repeat(self, *times: Any) -> "Tensor":
        """Copies side by side, so many along each axis."""
        counts = _sizes(times)
        shape = (1,) * (len(counts) - self.ndim) + self.shape
        split = tuple(size for axis in shape for size in (1, axis))
        spread = tuple(size for count, axis in zip(counts, shape, strict=True) for size in (count, axis))
        joined = tuple(count * axis for count, axis in zip(counts, shape, strict=True))
        x = RECORDED.expand(RECORDED.reshape(self, shape=split), shape=spread)
        return RECORDED.reshape(x, shape=joined)

    def flip(self, *dim: Any) -> "Tensor":
        """The elements in reverse order along some axes."""
        return RECORDED.flip(self, dim=dims(_sizes(dim), self.ndim, "flip"))

    def contiguous(self) -> "Tensor":
        """Itself: NumPy does not mind."""
        return self  # type: ignore[return-value]

    def clone(self) -> "Tensor":
        """A copy in memory of its own; gradients go through."""
        return RECORDED.clone(self)

    # Positions.

    def split_key(self, key: Any) -> tuple[tuple[Any, ...], list[Any]]:
        """A key as a tuple with places for its index arrays, and those arrays as tensors."""
        parts = key if isinstance(key, tuple) else (key,)
        template: list[Any] = []
        index: list[Any] = []
        for part in parts:
            if isinstance(part, list | np.ndarray | Layout):
                array: Any = part if isinstance(part, Layout) else RECORDED.constant(np.asarray(part))
                if array.dtype.kind not in "biu":
                    raise DtypeError("getitem: an index must hold integers or booleans; use long()")
                index.append(array)
                template.append(SLOT)
            elif isinstance(part, int | np.integer | slice) or part is None or part is Ellipsis:
                template.append(part)
            else:
                raise DtypeError(f"getitem: expected slices, integers, arrays of them, None or ..., got {part!r}")
        return tuple(template), index

    def __getitem__(self, key: Any) -> "Tensor":
        template, index = self.split_key(key)
        return RECORDED.getitem(self, *index, key=template)

    def gather(self, dim: int, index: "Tensor") -> "Tensor":
        """The elements at `index` along `dim`; the other axes must agree in size."""
        return RECORDED.gather(self, index, dim=one_dim(dim, self.ndim, "gather"))

    def unbind(self, dim: int = 0) -> "tuple[Tensor, ...]":
        """The slices along `dim`."""
        axis = one_dim(dim, self.ndim, "unbind")
        before = (slice(None),) * axis
        return tuple(RECORDED.getitem(self, key=(*before, i)) for i in range(self.shape[axis]))

    def split(self, size: int | list[int], dim: int = 0) -> "tuple[Tensor, ...]":
        """Pieces of `size` along `dim`, the last one perhaps smaller; or pieces of the sizes in a list."""
        axis = one_dim(dim, self.ndim, "split")
        whole = self.shape[axis]
        sizes = [min(size, whole - i) for i in range(0, whole, size)] if isinstance(size, int) else size
        if sum(sizes) != whole:
            raise ShapeError(f"split: sizes {sizes} do not add up to {whole}, axis {dim} of shape {self.shape}")
        before = (slice(None),) * axis
        ends = np.cumsum(sizes).tolist()
        return tuple(
            RECORDED.getitem(self, key=(*before, slice(end - n, end))) for end, n in zip(ends, sizes, strict=True)
        )

    def chunk(self, chunks: int, dim: int = 0) -> "tuple[Tensor, ...]":
        """`chunks` pieces along `dim`, the last one perhaps smaller."""
        whole = self.shape[one_dim(dim, self.ndim, "chunk")]
        return self.split(-(-whole // chunks), dim)
