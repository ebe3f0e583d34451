"""Sliding windows over images, laid out so that NumPy moves long runs of memory.

Images are `(batch, channels, height, width)` to the outside. Inside they lie in memory as (channels, height, width,
batch): whatever the window, the innermost run is the whole batch, and a shift by one pixel is a plain slice. The
outside shape is then a view with turned axes; elementwise operations keep that order, so a chain of layers turns once.

Convolution unfolds its windows into columns, block by block: a block of columns fits the cache, is multiplied while it
is there and then overwritten, so that the 25-fold copy of a 5 × 5 window never reaches main memory.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]

BLOCK_BYTES = 3 << 20  # measured best between 1 and 6 MiB with 1 MiB of second-level cache
SMALL_PRODUCT = 1_000_000  # multiply-adds up to which OpenBLAS multiplies without packing; twice as fast for 6 rows
_SCRATCH = threading.local()


def scratch(size: int, dtype: Any) -> Array:
    """A flat array whose contents last until the next call in this thread."""
    dtype = np.dtype(dtype)
    buffer = getattr(_SCRATCH, "buffer", None)
    if buffer is None or buffer.nbytes < size * dtype.itemsize:
        buffer = _SCRATCH.buffer = np.empty(size * dtype.itemsize, np.uint8)
    view: Array = buffer[: size * dtype.itemsize].view(dtype)
    return view


def slices(rows: int, inner: int, columns: int) -> Iterator[slice]:
    """The columns of a thin matrix product in pieces for the kernels that copy nothing; else in one piece."""
    step = SMALL_PRODUCT // (rows * inner)
    if step < 1024:
        step = columns
    for start in range(0, columns, step):
        yield slice(start, min(start + step, columns))


def batch_last(x: Array) -> Array:
    """`(batch, channels, height, width)` as contiguous (channels, height, width, batch); no copy if it lies so."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))


def batch_first(x: Array) -> Array:
    """(channels, height, width, batch) seen as `(batch, channels, height, width)`."""
    return x.transpose(3, 0, 1, 2)


def bordered(x: Array, padding: Pair, value: float = 0.0) -> Array:
    """`batch_last` with a border of `value` around height and width."""
    vertical, horizontal = padding
    if vertical == 0 and horizontal == 0:
        return batch_last(x)
    batch, channels, height, width = x.shape
    out = np.empty((channels, height + 2 * vertical, width + 2 * horizontal, batch), x.dtype)
    out[:, :vertical] = out[:, height + vertical :] = value
    out[:, :, :horizontal] = out[:, :, width + horizontal :] = value
    out[:, vertical : vertical + height, horizontal : horizontal + width] = x.transpose(1, 2, 3, 0)
    return out


def inside(images: Array, padding: Pair, size: Pair) -> Array:
    """What undoes `bordered`: the border cut off, the batch in front."""
    return batch_first(images[:, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]])


@dataclass(frozen=True)
class Windows:
    """Where the windows are: for each offset in the kernel, which pixels of the bordered image it meets."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair = (1, 1)

    def counts(self, height: int, width: int) -> Pair:
        """The number of windows down and across an image of this size, border not counted."""
        down, across = (
            (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
            for size, kernel, stride, padding, dilation in zip(
                (height, width), self.kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return down, across

    def taps(self, rows: slice, columns: slice) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
        """Each place (i, j) in the kernel, and the rows and columns of the bordered image that it meets."""
        down = [self._pixels(0, i, rows) for i in range(self.kernel[0])]
        across = [self._pixels(1, j, columns) for j in range(self.kernel[1])]
        for i, vertical in enumerate(down):
            for j, horizontal in enumerate(across):
                yield i, j, (vertical, horizontal)

    def _pixels(self, axis: int, place: int, windows: slice) -> slice:
        stride = self.stride[axis]
        first = windows.start * stride + place * self.dilation[axis]
        return slice(first, first + (windows.stop - windows.start - 1) * stride + 1, stride)

    def blocks(self, down: int, across: int, row_bytes: int) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of windows, a block at a time; `row_bytes` is what one row of windows unfolds to."""
        rows = max(1, BLOCK_BYTES // max(row_bytes, 1))
        if row_bytes <= BLOCK_BYTES:
            for top in range(0, down, rows):
                yield slice(top, min(top + rows, down)), slice(0, across)
            return
        columns = max(1, across * BLOCK_BYTES // row_bytes)
        for top in range(down):
            for left in range(0, across, columns):
                yield slice(top, top + 1), slice(left, min(left + columns, across))
