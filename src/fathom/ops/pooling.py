"""The average or the largest entry of every window, one axis after the other."""

from collections.abc import Iterator, Sequence
from functools import reduce

import torch
from torch import Tensor

from fathom.errors import InputError, ShapeError
from fathom.ops.padding import pad
from fathom.ops.windows import Size, per_axis, taps


def avg_pool2d(
    x: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, *, count_include_pad: bool = True
) -> Tensor:
    """The mean of every window.

    Args:
        x: `(..., height, width)`.
        kernel_size: pixels of a window, along each axis or one number for both.
        stride: pixels from one window to the next; the kernel's size if not given.
        padding: zeros on every side, at most half the kernel.
        count_include_pad: whether the padding counts as pixels.

    Returns:
        `(..., out_height, out_width)`.

    Twin: `torch.nn.functional.avg_pool2d`. Source: Dive into Deep Learning, "Pooling".
    """
    return _average(x, 2, kernel_size, stride, padding, count_include_pad)


def max_pool2d(
    x: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest entry of every window; of equal ones the first gets the gradient.

    Args:
        x: `(..., height, width)`.
        kernel_size: pixels of a window, along each axis or one number for both.
        stride: pixels from one window to the next; the kernel's size if not given.
        padding: minus infinity on every side, at most half the kernel.
        dilation: pixels from one entry of a window to the next.
        ceil_mode: whether a window may reach over the end, so that the number of windows is rounded up, not down; it
            must begin before the end.

    Returns:
        `(..., out_height, out_width)`.

    Twin: `torch.nn.functional.max_pool2d`. Source: Dive into Deep Learning, "Pooling".
    """
    return _largest(x, 2, kernel_size, stride, padding, dilation, ceil_mode)


def adaptive_avg_pool2d(x: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """The mean of windows that are chosen so that the output has the size wanted.

    Along an axis of `size`, window `i` of `count` goes from ⌊i · size / count⌋ up to, not including,
    ⌈(i + 1) · size / count⌉: windows differ in size by one at most, and overlap where `count` does not divide `size`.

    Args:
        x: `(..., height, width)`.
        output_size: of the output, along each axis or one number for both; None keeps an axis as it is.

    Returns:
        `(..., *output_size)`.

    Raises:
        InputError: `output_size` is neither a size nor two of them.

    Twin: `torch.nn.functional.adaptive_avg_pool2d`.
    """
    if x.dim() < 2:
        raise ShapeError(f"x: expected (..., height, width), got {tuple(x.shape)}")
    wanted = tuple(output_size) if isinstance(output_size, Sequence) else (output_size, output_size)
    if len(wanted) != 2:
        raise InputError(f"output_size: expected a size or two of them, got {output_size!r}")
    kept = [size if count is None else count for count, size in zip(wanted, x.shape[-2:], strict=True)]
    counts = per_axis(kept, 2, "output_size")
    for axis, count in ((-1, counts[1]), (-2, counts[0])):
        means = [x.narrow(axis, start, size).mean(axis) for start, size in _even_windows(x.shape[axis], count)]
        x = torch.stack(means, axis)
    return x


def _even_windows(size: int, count: int) -> Iterator[tuple[int, int]]:
    """Start and size of each window."""
    for i in range(count):
        start, end = i * size // count, -(-(i + 1) * size // count)
        yield start, end - start


def _average(
    x: Tensor, axes: int, kernel_size: Size, stride: Size | None, padding: Size, count_include_pad: bool
) -> Tensor:
    kernel, steps, sides = _checked(x, axes, kernel_size, stride, padding)
    if count_include_pad or not any(sides):
        count: Tensor | int = reduce(lambda a, b: a * b, kernel)
    else:
        count = _sums(pad(torch.ones_like(x[(0,) * (x.dim() - axes)]), sides, sides), kernel, steps)
    return _sums(pad(x, sides, sides), kernel, steps) / count


def _sums(x: Tensor, kernel: tuple[int, ...], steps: tuple[int, ...]) -> Tensor:
    for axis in range(-1, -len(kernel) - 1, -1):
        x = reduce(torch.add, taps(x, axis, kernel[axis], steps[axis]))
    return x


def _largest(
    x: Tensor, axes: int, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool
) -> Tensor:
    kernel, steps, sides = _checked(x, axes, kernel_size, stride, padding)
    spread = per_axis(dilation, axes, "dilation")
    behind = sides
    if ceil_mode:
        spans = [step * (size - 1) + 1 for size, step in zip(kernel, spread, strict=True)]
        behind = tuple(map(_rounded_up, x.shape[-axes:], spans, steps, sides))
    x = pad(x, sides, behind, value=float("-inf"))
    for axis in range(-1, -axes - 1, -1):  # the last axis first, so that ties go to the first entry in reading order
        x = reduce(_larger, taps(x, axis, kernel[axis], steps[axis], spread[axis]))
    return x


def _rounded_up(size: int, span: int, stride: int, padding: int) -> int:
    """The padding behind that gives the last window all its entries, or cuts off nothing that it needs."""
    count = -(-(size + 2 * padding - span) // stride) + 1
    if (count - 1) * stride >= size + padding:  # the last one would begin behind the end
        count -= 1
    return max(padding, (count - 1) * stride + span - size - padding)


def _larger(first: Tensor, second: Tensor) -> Tensor:
    """The larger of the two, entry by entry: the first of equals, and NaN if either is."""
    return torch.where((second > first) | second.isnan(), second, first)


def _checked(
    x: Tensor, axes: int, kernel_size: Size, stride: Size | None, padding: Size
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    if x.dim() < axes:
        raise ShapeError(f"x: expected at least {axes} axes to pool over, got {tuple(x.shape)}")
    kernel = per_axis(kernel_size, axes, "kernel_size")
    steps = kernel if stride is None else per_axis(stride, axes, "stride")
    sides = per_axis(padding, axes, "padding", minimum=0)
    if any(2 * side > size for side, size in zip(sides, kernel, strict=True)):
        raise InputError(f"padding: expected at most half of kernel_size {kernel}, got {sides}")
    return kernel, steps, sides
