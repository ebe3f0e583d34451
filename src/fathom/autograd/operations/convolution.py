"""Convolution as windows and one matrix product a block.

Three operations close a circle: with conv the map from image x and weight w to y, the number <g, conv(x, w)> is linear
in g, x and w alike, and each of the three operations below is its gradient with respect to one of them. So each one's
derivatives are the other two.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fathom.autograd.operations.windows import (
    Array,
    Pair,
    Windows,
    batch_first,
    batch_last,
    bordered,
    inside,
    scratch,
    slices,
)
from fathom.autograd.table import LINEAR, operation, wrt


def _columns(
    images: Array, windows: Windows, counts: Pair, groups: int
) -> Iterator[tuple[tuple[slice, slice], slice, Array]]:
    """Blocks of unfolded windows, (groups, channels/groups · kernel, positions), with their place among all windows."""
    channels, batch = images.shape[0], images.shape[-1]
    down, across = counts
    taps = channels * windows.kernel[0] * windows.kernel[1]
    for rows, columns in windows.blocks(down, across, taps * across * batch * images.itemsize):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        start = (rows.start * across + columns.start) * batch
        positions = slice(start, start + height * width * batch)
        block = scratch(taps * height * width * batch, images.dtype)
        yield (rows, columns), positions, block.reshape(channels, *windows.kernel, height, width, batch)


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Array:
    """Cross-correlation of images with kernels.

    Args:
        x: `(batch, channels, height, width)`.
        weight: `(outputs, channels / groups, kernel_height, kernel_width)`.
        bias: `(outputs,)`.

    Returns:
        `(batch, outputs, rows, columns)`.
    """
    outputs = len(weight)
    windows = Windows(weight.shape[2:], stride, padding, dilation)
    counts = windows.counts(*x.shape[2:])
    images = bordered(x, padding)
    y = np.empty((outputs, *counts, len(x)), x.dtype)
    flat = y.reshape(groups, outputs // groups, -1)
    kernels = weight.reshape(groups, outputs // groups, -1)
    for place, positions, block in _columns(images, windows, counts, groups):
        for i, j, (down, across) in windows.taps(*place):
            block[:, i, j] = images[:, down, across]
        out, columns = flat[:, :, positions], block.reshape(groups, kernels.shape[2], -1)
        for part in slices(*kernels.shape[1:], columns.shape[2]):
            np.matmul(kernels, columns[:, :, part], out=out[:, :, part])
        if bias is not None:
            out += bias.reshape(groups, -1, 1)
    return batch_first(y)


def conv2d_weight(
    x: Array, g: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The gradient of `conv2d` with respect to its weight, given that of its result."""
    windows = Windows(kernel, stride, padding, dilation)
    counts = g.shape[2], g.shape[3]
    images, gradients = bordered(x, padding), batch_last(g)
    outputs = len(gradients)
    flat = gradients.reshape(groups, outputs // groups, -1)
    taps = len(images) // groups * kernel[0] * kernel[1]
    total = np.zeros((groups, taps, outputs // groups), x.dtype)
    for place, positions, block in _columns(images, windows, counts, groups):
        for i, j, (down, across) in windows.taps(*place):
            block[:, i, j] = images[:, down, across]
        columns, turned = block.reshape(groups, taps, -1), flat[:, :, positions].transpose(0, 2, 1)
        for part in slices(taps, outputs // groups, columns.shape[2]):
            total += np.matmul(columns[:, :, part], turned[:, part])
    return total.transpose(0, 2, 1).reshape(outputs, len(images) // groups, *kernel)


def conv_transpose2d(
    g: Array, weight: Array, *, size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The gradient of `conv2d` with respect to its input: every window gets its kernel, weighted, added back.

    Args:
        g: `(batch, outputs, rows, columns)`.
        weight: as for `conv2d`.
        size: height and width of the result; several sizes can have the same number of windows.

    Returns:
        `(batch, channels, *size)`.
    """
    windows = Windows(weight.shape[2:], stride, padding, dilation)
    gradients = batch_last(g)
    outputs, down, across, batch = gradients.shape
    channels = weight.shape[1] * groups
    images = np.zeros((channels, size[0] + 2 * padding[0], size[1] + 2 * padding[1], batch), g.dtype)
    flat = gradients.reshape(groups, outputs // groups, -1)
    kernels = weight.reshape(groups, outputs // groups, -1).transpose(0, 2, 1)
    for place, positions, block in _columns(images, windows, (down, across), groups):
        given, columns = flat[:, :, positions], block.reshape(groups, kernels.shape[1], -1)
        for part in slices(*kernels.shape[1:], columns.shape[2]):
            np.matmul(kernels, given[:, :, part], out=columns[:, :, part])
        for i, j, (vertical, horizontal) in windows.taps(*place):
            images[:, vertical, horizontal] += block[:, i, j]
    return inside(images, padding, size)


def _input(n: Any, g: Any, weight: Any, x: Any, **geometry: Any) -> Any:
    return n.conv_transpose2d(g, weight, size=tuple(x.shape[2:]), **geometry)


def _weight(n: Any, x: Any, g: Any, weight: Any, **geometry: Any) -> Any:
    return n.conv2d_weight(x, g, kernel=tuple(weight.shape[2:]), **geometry)


def _first_windows(n: Any, found: Any, g: Any) -> Any:
    """As many windows as `g` has: an image with much output padding has room for more, of which g knows nothing."""
    if found.shape == g.shape:
        return found
    return n.getitem(found, key=(slice(None), slice(None), slice(g.shape[2]), slice(g.shape[3])))


operation(
    "conv2d",
    conv2d,
    wrt(
        lambda n, g, y, x, weight, bias=None, **geometry: _input(n, g, weight, x, **geometry),
        jvp=lambda n, t, y, x, weight, bias=None, **geometry: n.conv2d(t, weight, **geometry),
        needs="weight",
    ),
    wrt(
        lambda n, g, y, x, weight, bias=None, **geometry: _weight(n, x, g, weight, **geometry),
        jvp=lambda n, t, y, x, weight, bias=None, **geometry: n.conv2d(x, t, **geometry),
        needs="x",
    ),
    wrt(
        lambda n, g, y, x, weight, bias, **geometry: n.sum(g, dim=(0, 2, 3), keepdim=False),
        jvp=lambda n, t, y, x, weight, bias, **geometry: n.expand(n.reshape(t, shape=(-1, 1, 1)), shape=y.shape),
    ),
    inputs="x weight bias",
)
operation(
    "conv2d_weight",
    conv2d_weight,
    wrt(lambda n, h, y, x, g, *, kernel, **geometry: _input(n, g, h, x, **geometry), jvp=LINEAR, needs="g"),
    wrt(lambda n, h, y, x, g, *, kernel, **geometry: n.conv2d(x, h, **geometry), jvp=LINEAR, needs="x"),
    inputs="x g",
)
operation(
    "conv_transpose2d",
    conv_transpose2d,
    wrt(
        lambda n, h, y, g, weight, *, size, **geometry: _first_windows(n, n.conv2d(h, weight, **geometry), g),
        jvp=LINEAR,
        needs="weight",
    ),
    wrt(
        lambda n, h, y, g, weight, *, size, **geometry: _weight(n, h, g, weight, **geometry),
        jvp=LINEAR,
        needs="g",
    ),
    inputs="g weight",
)
