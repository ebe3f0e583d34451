"""Pictures changed in one operation a batch, each by its own amount: mirrored, cut out, scaled, coloured, covered.

Pictures are `(batch, channels, height, width)` of float in 0–1; amounts are `(batch,)`, on the pictures' device. What
comes out has the pictures' shape and is in 0–1 again.
"""

import torch
from torch import Tensor, nn

BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue, Rec. 601
LARGE = 3 * 64 * 64  # numbers a picture, from which a processor moves one after the other sooner than all at once


def mirrored(x: Tensor, which: Tensor, dim: int = -1) -> Tensor:
    """The mirror images of those that `which`, of bool, names; `dim` -1 exchanges left and right, -2 top and bottom."""
    if _one_by_one(x):
        return torch.stack([one.flip(dim) if chosen else one for one, chosen in zip(x, which.tolist(), strict=True)])
    return torch.where(_each(which), x.flip(dim), x)


def shifted(x: Tensor, down: Tensor, right: Tensor, most: int) -> Tensor:
    """The part of each picture that lies so many pixels further down and right; beyond the picture there are zeros.

    Args:
        down, right: of int, from `-most` to `most`.
        most: pixels.
    """
    _, _, height, width = x.shape
    if _one_by_one(x):
        out = x.new_zeros(x.shape)
        for one, place, rows, columns in zip(x, out, down.tolist(), right.tolist(), strict=True):
            (above, top), (before, left) = (max(0, -rows), max(0, rows)), (max(0, -columns), max(0, columns))
            part = one[:, top : max(0, height - above), left : max(0, width - before)]
            place[:, above : max(0, height - top), before : max(0, width - left)] = part
        return out
    windows = nn.functional.pad(x, (most,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(x), device=x.device), :, down + most, right + most]


def enlarged(x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """A window of each picture, brought to the picture's own size, bilinear.

    Twin: `torch.nn.functional.interpolate` of the window alone, without `align_corners`.

    Args:
        top, left: the window's first row and column.
        height, width: its size in pixels; it lies inside the picture.
    """
    across = _places(left.to(x.dtype), width.to(x.dtype), x.shape[3])[:, None, :]
    down = _places(top.to(x.dtype), height.to(x.dtype), x.shape[2])[:, :, None]
    grid = torch.stack(torch.broadcast_tensors(across, down), dim=-1)  # (batch, height, width, 2)
    return nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _places(start: Tensor, size: Tensor, length: int) -> Tensor:
    """Where along an axis of `length` pixels each pixel of an enlarged window is: `(batch, length)`, in -1 to 1."""
    pixels = torch.arange(length, device=start.device, dtype=start.dtype) + 0.5
    inside = (pixels * (size / length)[:, None]).clamp(min=0.5)
    inside = torch.minimum(inside, size[:, None] - 0.5)  # beyond the last pixel's middle there is only that pixel
    return (start[:, None] + inside) * (2 / length) - 1


def rectangles(x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """True inside a rectangle of each picture: `(batch, 1, height, width)`. What lies outside the picture is cut off.

    Args:
        top, left: of int; its first row and column.
        height, width: of int; its size in pixels.
    """
    rows, columns = (torch.arange(length, device=x.device) for length in x.shape[2:])
    down = (rows >= top[:, None]) & (rows < (top + height)[:, None])
    across = (columns >= left[:, None]) & (columns < (left + width)[:, None])
    return (down[:, :, None] & across[:, None, :])[:, None]


def brightened(x: Tensor, factor: Tensor) -> Tensor:
    """Every pixel times the picture's factor."""
    return (x * _each(factor)).clamp_(0, 1)


def contrasted(x: Tensor, factor: Tensor) -> Tensor:
    """Differences from the picture's mean brightness times its factor; 0 leaves a grey area."""
    return torch.lerp(_brightness(x).mean((2, 3), keepdim=True), x, _each(factor)).clamp_(0, 1)


def saturated(x: Tensor, factor: Tensor) -> Tensor:
    """Differences from each pixel's brightness times the picture's factor; 0 leaves a grey picture."""
    return torch.lerp(_brightness(x), x, _each(factor)).clamp_(0, 1)


def turned_in_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Hues moved on along the circle from red over green and blue back to red; grey pictures stay.

    The hue, in sixths of the circle, is that of HSV: with the largest channel V and C above the smallest,
    (G - B) / C, 2 + (B - R) / C or 4 + (R - G) / C, as V is R, G or B. V and C stay.

    Args:
        turns: 1 is once around.

    Source: Smith 1978, "Color gamut transform pairs", the hexcone model.
    """
    if x.shape[1] != 3:
        return x
    red, green, blue = x.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    is_red = (red == value).to(x.dtype)  # products with 0 and 1 take a third of the time of torch.where
    is_green = (green == value).to(x.dtype) * (1 - is_red)
    is_blue = 1 - is_red - is_green
    hue = ((green - blue) * is_red + (blue - red) * is_green + (red - green) * is_blue) / (chroma + (chroma == 0))
    hue = hue + 2 * is_green + 4 * is_blue + 6 * turns.to(x.dtype)[:, None, None]
    hue = hue - 6 * (hue / 6).floor_()
    shares = ((hue - 3).abs_() - 1, 2 - (hue - 2).abs_(), 2 - (hue - 4).abs_())  # of the chroma in red, green, blue
    turned = torch.empty_like(x)
    for channel, share in enumerate(shares):
        torch.addcmul(value - chroma, chroma, share.clamp_(0, 1), out=turned[:, channel])
    return turned


def _brightness(x: Tensor) -> Tensor:
    """`(batch, 1, height, width)`."""
    if x.shape[1] == 1:
        return x
    red, green, blue = (share * channel for share, channel in zip(BRIGHTNESS, x.split(1, 1), strict=True))
    return red + green + blue


def _one_by_one(x: Tensor) -> bool:
    """Whether large pictures lie on a processor, in whose caches one of them has room and the batch has not."""
    return x.device.type == "cpu" and len(x) > 0 and x[0].numel() >= LARGE


def _each(values: Tensor) -> Tensor:
    """`(batch,)` as `(batch, 1, 1, 1)`."""
    return values[:, None, None, None]
