"""Sliding windows and their adjoint: what convolution, its transpose and pooling have in common.

`windows` lays every window of a signal side by side; `overlap_add` puts windows back and adds where they overlap.
Each is the derivative of the other, so either can be differentiated any number of times.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from torch import Tensor
from torch.autograd import Function

from fathom.errors import InputError, ShapeError

Size = int | Sequence[int]


def per_axis(value: Size, axes: int, name: str, minimum: int = 1) -> tuple[int, ...]:
    """`value` for each of so many axes: one int stands for all of them.

    Raises:
        InputError: not one int an axis, or one below `minimum`.
    """
    values = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    if len(values) != axes or not all(isinstance(entry, int) and entry >= minimum for entry in values):
        raise InputError(f"{name}: expected an int of at least {minimum}, or {axes} of them, got {value!r}")
    return values


def window_counts(
    sizes: Sequence[int], kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """How many windows fit along each axis: floor((size - dilation·(kernel - 1) - 1) / stride) + 1.

    Raises:
        ShapeError: the kernel reaches over an axis.
    """
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True))
    if any(span > size for span, size in zip(spans, sizes, strict=True)):
        raise ShapeError(
            f"x: expected at least {spans} along the last axes (padding included), the reach of the kernel, "
            f"got {tuple(sizes)}; give a larger input, more padding or a smaller kernel"
        )
    return tuple((size - span) // step + 1 for size, span, step in zip(sizes, spans, stride, strict=True))


def windows(x: Tensor, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Every window of the last axes of `x`, as a view.

    Args:
        x: `(..., *sizes)`; as many sizes as `kernel_size` has entries.
        kernel_size: entries of a window along each axis.
        stride: steps from one window to the next.
        dilation: steps from one entry of a window to the next.

    Returns:
        `(..., *kernel_size, *counts)`; along each axis, entry `a` of window `i` is `x[i·stride + a·dilation]`.

    Raises:
        ShapeError: no window fits.
    """
    window_counts(x.shape[-len(kernel_size) :], kernel_size, stride, dilation)
    return _Windows.apply(x, tuple(kernel_size), tuple(stride), tuple(dilation))


def overlap_add(pieces: Tensor, sizes: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """The adjoint of `windows`: put each window back in its place, adding where they overlap.

    Args:
        pieces: `(..., *kernel_size, *counts)`, the layout that `windows` gives.
        sizes: of the axes to fill.
        stride: as in `windows`.
        dilation: as in `windows`.

    Returns:
        `(..., *sizes)`; zero where no window reaches.
    """
    return _OverlapAdd.apply(pieces, tuple(sizes), tuple(stride), tuple(dilation))


def last(*indices: int | slice) -> tuple[Any, ...]:
    """An index into the last axes."""
    return (..., *indices)


def taps(x: Tensor, axis: int, kernel_size: int, stride: int, dilation: int = 1) -> tuple[Tensor, ...]:
    """The first entry of every window along one axis, the second, and so on: `kernel_size` views of `x`.

    Args:
        x: `(..., size, ...)`.
        axis: the axis along which windows slide, counted from the end (negative).
        kernel_size: entries of a window.
        stride: steps from one window to the next.
        dilation: steps from one entry of a window to the next.
    """
    (count,) = window_counts((x.shape[axis],), (kernel_size,), (stride,), (dilation,))
    if stride == kernel_size and dilation == 1:  # windows side by side: the derivative is one copy, not one an entry
        return x.narrow(axis, 0, count * stride).unflatten(axis, (count, stride)).unbind(axis)
    axis += x.dim()
    reach = stride * (count - 1) + 1
    return tuple(
        x.narrow(axis, offset * dilation, reach)[(slice(None),) * axis + (slice(None, None, stride),)]
        for offset in range(kernel_size)
    )


def _places(
    kernel_size: Sequence[int], counts: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """For each entry of a window: its index in the window, and where all windows have it in the signal."""
    for entry in product(*map(range, kernel_size)):
        starts = [index * step for index, step in zip(entry, dilation, strict=True)]
        yield (
            entry,
            tuple(
                slice(start, start + step * (count - 1) + 1, step)
                for start, step, count in zip(starts, stride, counts, strict=True)
            ),
        )


class _Windows(Function):
    """torch's own derivative of `unfold` takes about twice as long as `overlap_add`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, kernel_size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
        axes = len(kernel_size)
        first = x.dim() - axes
        for axis in range(axes):
            x = x.unfold(first + axis, dilation[axis] * (kernel_size[axis] - 1) + 1, stride[axis])
        x = x[last(*(slice(None, None, step) for step in dilation))]  # (..., *counts, *kernel_size)
        leading = range(first)
        return x.permute(*leading, *range(first + axes, first + 2 * axes), *range(first, first + axes))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, kernel_size, stride, dilation = inputs
        ctx.rest = x.shape[-len(kernel_size) :], stride, dilation

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return overlap_add(gradient, *ctx.rest), None, None, None


class _OverlapAdd(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(pieces: Tensor, sizes: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Tensor:
        axes = len(sizes)
        kernel_size, counts = pieces.shape[-2 * axes : -axes], pieces.shape[-axes:]
        signal = pieces.new_zeros(*pieces.shape[: -2 * axes], *sizes)
        for entry, place in _places(kernel_size, counts, stride, dilation):
            signal[last(*place)] += pieces[last(*entry, *(slice(None),) * axes)]
        return signal

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pieces, sizes, stride, dilation = inputs
        axes = len(sizes)
        ctx.rest = tuple(pieces.shape[-2 * axes : -axes]), stride, dilation

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return windows(gradient, *ctx.rest), None, None, None
