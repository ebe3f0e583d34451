"""Cross-correlation: all windows side by side, then one matrix multiplication."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.autograd import Function

from fathom.errors import InputError, ShapeError
from fathom.ops.padding import pad
from fathom.ops.windows import Size, overlap_add, per_axis, window_counts, windows


def conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate `(batch, in_channels, steps)` with `(out_channels, in_channels / groups, kernel)`.

    Everything else as in `conv2d`. Twin: `torch.nn.functional.conv1d`.
    """
    return _cross_correlate(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlate images with kernels and add the bias.

    At stride and dilation 1, `y[n, o, i, j]` is `bias[o]` plus the sum over c, a, b of
    `weight[o, c, a, b] · x[n, c, i + a, j + b]`.

    Args:
        x: `(batch, in_channels, height, width)`, or without `batch`.
        weight: `(out_channels, in_channels / groups, kernel_height, kernel_width)`.
        bias: `(out_channels,)`.
        stride: pixels from one window to the next.
        padding: zeros on every side; or `"valid"` (none), or `"same"` (as many as keep the size; stride 1 only).
        dilation: pixels from one entry of the kernel to the next.
        groups: the channels are split into so many groups that do not see each other.

    Returns:
        `(batch, out_channels, out_height, out_width)`.

    Raises:
        ShapeError: `x` has other channels than the weight expects, or is smaller than the kernel.

    Twin: `torch.nn.functional.conv2d`. Source: Dive into Deep Learning, "Convolutions for Images".
    """
    return _cross_correlate(2, x, weight, bias, stride, padding, dilation, groups)


def padding_per_side(
    padding: Size | str, kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros in front of and behind each axis; `"same"` puts the odd one behind, as torch does."""
    axes = len(kernel_size)
    if not isinstance(padding, str):
        sides = per_axis(padding, axes, "padding", minimum=0)
        return sides, sides
    if padding == "valid":
        return (0,) * axes, (0,) * axes
    if padding != "same":
        raise InputError(f"padding: expected numbers, 'same' or 'valid', got {padding!r}")
    if any(step != 1 for step in stride):
        raise InputError(f"padding='same' keeps the size and so needs stride 1, got stride {tuple(stride)}")
    total = [d * (k - 1) for k, d in zip(kernel_size, dilation, strict=True)]
    before = tuple(count // 2 for count in total)
    return before, tuple(count - front for count, front in zip(total, before, strict=True))


def _cross_correlate(
    axes: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Size,
    padding: Size | str,
    dilation: Size,
    groups: int,
) -> Tensor:
    _, group_channels, *kernel_size = weight.shape
    in_channels = group_channels * groups
    if x.dim() not in (axes + 1, axes + 2) or x.shape[-axes - 1] != in_channels:
        sizes = ("height", "width") if axes == 2 else ("steps",)
        raise ShapeError(f"x: expected (batch, {in_channels}, {', '.join(sizes)}), got {tuple(x.shape)}")
    if x.dim() == axes + 1:
        return _cross_correlate(axes, x[None], weight, bias, stride, padding, dilation, groups)[0]
    stride, dilation = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    x = pad(x, *padding_per_side(padding, kernel_size, stride, dilation))
    y = _Correlation.apply(x, weight, stride, dilation, groups)
    return y if bias is None else y + bias.reshape(-1, *(1,) * axes)


class _Correlation(Function):
    """All windows side by side, times the kernels.

    By hand because autograd would keep the windows, each entry of `x` as often as the kernel has entries; this keeps
    `x` and lays them out again.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...], groups: int) -> Tensor:
        counts = window_counts(x.shape[2:], weight.shape[2:], stride, dilation)
        y = _kernels(weight, groups, x.shape[0]) @ _columns(x, weight.shape, stride, dilation, groups)
        return y.reshape(x.shape[0], len(weight), *counts)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, ctx.stride, ctx.dilation, ctx.groups = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        batch, counts = x.shape[0], gradient.shape[2:]
        rows = gradient.reshape(batch * ctx.groups, len(weight) // ctx.groups, math.prod(counts))
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            pieces = _kernels(weight, ctx.groups, batch).mT @ rows
            pieces = pieces.reshape(batch, x.shape[1], *weight.shape[2:], *counts)
            of_x = overlap_add(pieces, x.shape[2:], ctx.stride, ctx.dilation)
        if ctx.needs_input_grad[1]:
            products = rows @ _columns(x, weight.shape, ctx.stride, ctx.dilation, ctx.groups).mT
            of_weight = products.reshape(batch, *weight.shape).sum(0)
        return of_x, of_weight, None, None, None


def _columns(
    x: Tensor, shape: Sequence[int], stride: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> Tensor:
    """`(batch · groups, entries of a kernel, windows)` for a weight of this shape."""
    axes = len(shape) - 2
    patches = windows(x, shape[2:], stride, dilation)  # (batch, in_channels, *kernel, *counts)
    return patches.reshape(x.shape[0] * groups, math.prod(shape[1:]), math.prod(patches.shape[-axes:]))


def _kernels(weight: Tensor, groups: int, batch: int) -> Tensor:
    """`(batch · groups, out_channels / groups, entries of a kernel)`."""
    entries = math.prod(weight.shape[1:])
    return weight.reshape(groups, len(weight) // groups, entries).expand(batch, -1, -1, -1).flatten(0, 1)
