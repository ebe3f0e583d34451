"""Transposed convolution: one matrix multiplication, then all windows added up where they overlap."""

from torch import Tensor

from fathom.errors import InputError, ShapeError
from fathom.ops.padding import pad
from fathom.ops.windows import Size, last, overlap_add, per_axis


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Stamp the kernel, times each pixel, into the output: the adjoint of `conv2d` with the same weight.

    Along an axis, the output has `(size - 1) · stride - 2 · padding + dilation · (kernel - 1) + output_padding + 1`
    pixels: the size that `conv2d` would map to `size`. With a stride several do; `output_padding` chooses.

    Args:
        x: `(batch, in_channels, height, width)`, or without `batch`.
        weight: `(in_channels, out_channels / groups, kernel_height, kernel_width)`.
        bias: `(out_channels,)`.
        stride: pixels of the output from one stamp to the next.
        padding: pixels cut off on every side.
        output_padding: pixels added behind, where no stamp reaches; fewer than the stride or the dilation.
        groups: the channels are split into so many groups that do not see each other.
        dilation: pixels of the output from one entry of the kernel to the next.

    Returns:
        `(batch, out_channels, out_height, out_width)`.

    Raises:
        ShapeError: `x` has other channels than the weight expects, or the padding cuts everything off.
        InputError: `output_padding` is too large.

    Twin: `torch.nn.functional.conv_transpose2d`. Source: Dive into Deep Learning, "Transposed Convolution";
    Dumoulin and Visin 2016, arXiv 1603.07285, chapter 4.
    """
    in_channels, group_channels, *kernel_size = weight.shape
    if x.dim() not in (3, 4) or x.shape[-3] != in_channels:
        raise ShapeError(f"x: expected (batch, {in_channels}, height, width), got {tuple(x.shape)}")
    if x.dim() == 3:
        return conv_transpose2d(x[None], weight, bias, stride, padding, output_padding, groups, dilation)[0]
    stride, dilation = per_axis(stride, 2, "stride"), per_axis(dilation, 2, "dilation")
    cut = per_axis(padding, 2, "padding", minimum=0)
    extra = extra_pixels(output_padding, stride, dilation)
    axes = zip(x.shape[-2:], kernel_size, stride, dilation, strict=True)
    full = [(size - 1) * step + spread * (kernel - 1) + 1 for size, kernel, step, spread in axes]
    sizes = [size + more - 2 * side for size, more, side in zip(full, extra, cut, strict=True)]
    if min(sizes) < 1:
        raise ShapeError(f"padding: expected less than would cut off all of the {tuple(full)} pixels, got {cut}")
    batch = len(x)
    columns = x.reshape(batch, groups, in_channels // groups, -1)
    kernels = weight.reshape(groups, in_channels // groups, -1)
    stamps = kernels.mT @ columns  # (batch, groups, group_channels · kernel entries, pixels)
    stamps = stamps.reshape(batch, groups * group_channels, *kernel_size, *x.shape[-2:])
    y = pad(overlap_add(stamps, full, stride, dilation), (0, 0), extra)
    y = y[last(*(slice(side, side + size) for side, size in zip(cut, sizes, strict=True)))]
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def extra_pixels(output_padding: Size, stride: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """`output_padding` along each axis.

    Raises:
        InputError: it is as large as both the stride and the dilation, so that a whole stamp would be missing.
    """
    extra = per_axis(output_padding, len(stride), "output_padding", minimum=0)
    if any(more >= max(step, spread) for more, step, spread in zip(extra, stride, dilation, strict=True)):
        raise InputError(
            f"output_padding: expected less than the stride {stride} or the dilation {dilation}, got {extra}"
        )
    return extra
