"""Convolution and pooling as functions on images, `(batch, channels, height, width)`. Twin: `torch.nn.functional`."""

from typing import Any

import numpy as np

from fathom.autograd.creation import pad
from fathom.autograd.errors import DtypeError, ShapeError
from fathom.autograd.operations.windows import Windows
from fathom.autograd.table import RECORDED
from fathom.autograd.tensor import Tensor

Size = int | tuple[int, int]


def two(size: Size) -> tuple[int, int]:
    """One size for height and width, or both."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation: `(batch, channels, height, width)` with `(outputs, channels / groups, *kernel)`."""
    _images("conv2d", input, weight.shape[1] * groups)
    same_dtype("conv2d", input, weight)
    geometry = {"stride": two(stride), "padding": two(padding), "dilation": two(dilation)}
    counts = Windows(weight.shape[2:], **geometry).counts(*input.shape[2:])  # type: ignore[arg-type]
    if min(counts) < 1:
        raise ShapeError(
            f"conv2d: a kernel of {weight.shape[2:]} does not fit into images of {input.shape[2:]} with padding "
            f"{two(padding)}; pad more or use a smaller kernel"
        )
    return RECORDED.conv2d(input, weight, bias, **geometry, groups=groups)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """The gradient of `conv2d` as a layer: `(batch, inputs, rows, columns)`, `(inputs, outputs / groups, *kernel)`."""
    _images("conv_transpose2d", input, weight.shape[0])
    same_dtype("conv_transpose2d", input, weight)
    steps, border, gaps, more = two(stride), two(padding), two(dilation), two(output_padding)
    size = tuple(
        (input.shape[2 + i] - 1) * steps[i] - 2 * border[i] + gaps[i] * (weight.shape[2 + i] - 1) + more[i] + 1
        for i in (0, 1)
    )
    y = RECORDED.conv_transpose2d(input, weight, size=size, stride=steps, padding=border, dilation=gaps, groups=groups)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window, the border included or not; the stride is the kernel's size unless told."""
    kernel, steps = _pooling("avg_pool2d", input, kernel_size, stride, padding)
    geometry = {"kernel": kernel, "stride": steps, "padding": two(padding)}
    means = RECORDED.avg_pool2d(input, **geometry)
    if count_include_pad:
        return means
    inside = Tensor.wrap(np.ones((1, 1, *input.shape[2:]), input.dtype))
    return means / RECORDED.avg_pool2d(inside, **geometry)


def max_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest of each window; a tie goes to the first. With `ceil_mode` a last window may reach over the end."""
    if ceil_mode:
        _images("max_pool2d", input)
        steps = two(kernel_size if stride is None else stride)
        spans = [step * (size - 1) + 1 for size, step in zip(two(kernel_size), two(dilation), strict=True)]
        bottom, right = map(_missing, input.shape[2:], spans, steps, two(padding))
        input = pad(input, (0, right, 0, bottom), -np.inf) if bottom or right else input
    kernel, steps = _pooling("max_pool2d", input, kernel_size, stride, padding)
    return RECORDED.max_pool2d(input, kernel=kernel, stride=steps, padding=two(padding), dilation=two(dilation))


def adaptive_avg_pool2d(input: Tensor, output_size: Size) -> Tensor:
    """Means over as many cells as asked for: rows from ⌊i H / n⌋ to ⌈(i + 1) H / n⌉, and columns alike."""
    _images("adaptive_avg_pool2d", input)
    rows, columns = two(output_size)
    if (rows, columns) == (1, 1):
        return input.mean((2, 3), keepdim=True)
    down, across = (
        Tensor.wrap(_cells(cells, size).astype(input.dtype))
        for cells, size in zip((rows, columns), input.shape[2:], strict=True)
    )
    return down @ input @ across.T


def _missing(size: int, span: int, stride: int, padding: int) -> int:
    """The pixels behind the border that the last window lacks when their number is rounded up."""
    count = -(-(size + 2 * padding - span) // stride) + 1
    if (count - 1) * stride >= size + padding:  # the last one would begin behind the end
        count -= 1
    return max(0, (count - 1) * stride + span - size - 2 * padding)


def _cells(cells: int, size: int) -> np.ndarray[Any, Any]:
    """`(cells, size)`: each row averages over its cell."""
    matrix = np.zeros((cells, size))
    for i in range(cells):
        start, end = i * size // cells, -(-(i + 1) * size // cells)
        matrix[i, start:end] = 1 / (end - start)
    return matrix


def _images(name: str, x: Tensor, channels: int | None = None) -> None:
    if x.ndim != 4 or (channels is not None and x.shape[1] != channels):
        wanted = "channels" if channels is None else channels
        raise ShapeError(f"{name}: expected an input of shape (batch, {wanted}, height, width), got {x.shape}")


def _pooling(
    name: str, x: Tensor, kernel_size: Size, stride: Size | None, padding: Size
) -> tuple[tuple[int, int], tuple[int, int]]:
    _images(name, x)
    kernel = two(kernel_size)
    for i in (0, 1):
        if two(padding)[i] * 2 > kernel[i] or kernel[i] > x.shape[2 + i] + 2 * two(padding)[i]:
            raise ShapeError(
                f"{name}: a window of {kernel} with padding {two(padding)} does not fit images of {x.shape[2:]}; "
                "padding may be half the window at most"
            )
    return kernel, kernel if stride is None else two(stride)


def same_dtype(name: str, x: Tensor, weight: Tensor) -> None:
    """DtypeError unless both are of one dtype."""
    if x.dtype != weight.dtype:
        raise DtypeError(
            f"{name}: input of {x.dtype} and shape {x.shape} meets a weight of {weight.dtype}; cast one with to()"
        )
