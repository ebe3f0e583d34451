"""Pooling over windows: the mean, and the largest. Each is linear once it is known which pixel won."""

import numpy as np

from fathom.autograd.operations.windows import Array, Pair, Windows, batch_first, batch_last, bordered, inside
from fathom.autograd.table import LINEAR, operation, wrt


def avg_pool2d(x: Array, *, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """The mean of each window, border counted: `(batch, channels, height, width)` to `(..., rows, columns)`."""
    windows = Windows(kernel, stride, padding)
    images = bordered(x, padding)
    down, across = windows.counts(*x.shape[2:])
    y = np.zeros((images.shape[0], down, across, len(x)), x.dtype)
    for channel, out in zip(images, y, strict=True):
        for _, _, pixels in windows.taps(slice(0, down), slice(0, across)):
            out += channel[pixels]
        out *= 1 / (kernel[0] * kernel[1])
    return batch_first(y)


def avg_pool2d_spread(g: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """What undoes `avg_pool2d` for a gradient: each window's, divided among its pixels; `size` is height and width."""
    windows = Windows(kernel, stride, padding)
    gradients = batch_last(g)
    channels, down, across, batch = gradients.shape
    shape = (channels, size[0] + 2 * padding[0], size[1] + 2 * padding[1], batch)
    tiled = kernel == stride and shape[1] == down * kernel[0] and shape[2] == across * kernel[1]
    images = np.empty(shape, g.dtype) if tiled else np.zeros(shape, g.dtype)
    scale = g.dtype.type(1 / (kernel[0] * kernel[1]))
    for channel, gradient in zip(images, gradients, strict=True):
        share = gradient * scale
        for _, _, pixels in windows.taps(slice(0, down), slice(0, across)):
            if tiled:
                channel[pixels] = share
            else:
                channel[pixels] += share
    return inside(images, padding, size)


operation(
    "avg_pool2d",
    avg_pool2d,
    wrt(
        lambda n, g, y, x, **geometry: n.avg_pool2d_spread(g, size=tuple(x.shape[2:]), **geometry),
        jvp=LINEAR,
    ),
    inputs="x",
)
operation(
    "avg_pool2d_spread",
    avg_pool2d_spread,
    wrt(lambda n, h, y, g, *, size, **geometry: n.avg_pool2d(h, **geometry), jvp=LINEAR),
    inputs="g",
)


def max_pool2d(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, keep: dict[str, Array] | None = None
) -> Array:
    """The largest of each window; the first wins a tie, as in torch. `keep` gets the place in the window that won."""
    windows = Windows(kernel, stride, padding, dilation)
    images = bordered(x, padding, -np.inf)
    down, across = windows.counts(*x.shape[2:])
    y: Array | None = None
    winners = np.zeros((images.shape[0], down, across, len(x)), np.uint8 if kernel[0] * kernel[1] < 256 else np.int32)
    for place, (_, _, (rows, columns)) in enumerate(windows.taps(slice(0, down), slice(0, across))):
        pixels = images[:, rows, columns]
        if y is None:
            y = pixels.copy()
            continue
        if keep is not None:
            np.copyto(winners, place, where=(pixels > y) | np.isnan(pixels))
        np.maximum(y, pixels, out=y)
    assert y is not None
    if keep is not None:
        keep["winners"] = batch_first(winners)
    return batch_first(y)


def pick(x: Array, winners: Array, *, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """From each window the pixel whose place `winners` tells."""
    windows = Windows(kernel, stride, padding, dilation)
    images, chosen = bordered(x, padding), batch_last(winners)
    y = np.zeros(chosen.shape, x.dtype)
    everywhere = windows.taps(slice(0, chosen.shape[1]), slice(0, chosen.shape[2]))
    for place, (_, _, (rows, columns)) in enumerate(everywhere):
        np.copyto(y, images[:, rows, columns], where=chosen == place)
    return batch_first(y)


def pick_spread(
    g: Array, winners: Array, *, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """What undoes `pick` for a gradient: each window's goes to the pixel that won."""
    windows = Windows(kernel, stride, padding, dilation)
    gradients, chosen = batch_last(g), batch_last(winners)
    channels, down, across, batch = gradients.shape
    images = np.zeros((channels, size[0] + 2 * padding[0], size[1] + 2 * padding[1], batch), g.dtype)
    for place, (_, _, (rows, columns)) in enumerate(windows.taps(slice(0, down), slice(0, across))):
        images[:, rows, columns] += gradients * (chosen == place)
    return inside(images, padding, size)


operation(
    "max_pool2d",
    max_pool2d,
    wrt(
        lambda n, g, y, x, *, keep, **geometry: n.pick_spread(
            g, n.constant(keep["winners"]), size=tuple(x.shape[2:]), **geometry
        ),
        jvp=lambda n, t, y, x, *, keep, **geometry: n.pick(t, n.constant(keep["winners"]), **geometry),
    ),
    inputs="x",
)
operation(
    "pick",
    pick,
    wrt(
        lambda n, h, y, x, winners, **geometry: n.pick_spread(h, winners, size=tuple(x.shape[2:]), **geometry),
        jvp=LINEAR,
        needs="winners",
    ),
    inputs="x winners",
)
operation(
    "pick_spread",
    pick_spread,
    wrt(
        lambda n, h, y, g, winners, *, size, **geometry: n.pick(h, winners, **geometry),
        jvp=LINEAR,
        needs="winners",
    ),
    inputs="g winners",
)
