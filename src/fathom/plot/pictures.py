"""Grids of images with their labels."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import INK, WRONG, array, figure


def images(
    path: str | os.PathLike[str],
    pictures: Any,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 6,
    truth: Sequence[str] | None = None,
    predicted: Sequence[str] | None = None,
    title: str = "",
) -> Path:
    """A grid of images; with `truth` and `predicted`, each tells both, and a wrong prediction is red and crossed.

    Args:
        pictures: `(examples, height, width)`, `(examples, channels, height, width)` with 1 or 3 channels, or a sequence
            of single images of any sizes. Grey images are stretched from their own lowest to their highest value;
            coloured ones too, unless they lie in 0–1 or are bytes.
        titles: one line under each image; not together with `truth`.
        columns: images a row.
    """
    prepared = [displayable(array(picture)) for picture in pictures]
    if not prepared:
        raise InputError("images: expected at least one picture, got none")
    for name, labels in (("titles", titles), ("truth", truth), ("predicted", predicted)):
        if labels is not None and len(labels) != len(prepared):
            raise InputError(f"images: expected {len(prepared)} {name}, one a picture, got {len(labels)}")
    columns = min(columns, len(prepared))
    rows = -(-len(prepared) // columns)
    label_lines = 0 if titles is None and predicted is None else 1 + (predicted is not None)
    size = (1.45 * columns + 0.2, (1.35 + 0.2 * label_lines) * rows + (0.4 if title else 0.1))
    with figure(path, size, rows, columns) as (page, grid):
        if title:
            page.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
        for axes in grid.flat:
            axes.axis("off")
        for number, (axes, picture) in enumerate(zip(grid.flat, prepared, strict=False)):
            axes.imshow(picture, cmap="gray", interpolation="nearest" if max(picture.shape[:2]) < 64 else "antialiased")
            if predicted is not None:
                actual = truth[number] if truth is not None else None
                tell(axes, str(predicted[number]), actual)
            elif titles is not None:
                axes.set_title(str(titles[number]), fontsize=9, fontweight="normal", loc="center", pad=4, y=1.0)
    return Path(path)


def tell(axes: Any, predicted: str, actual: str | None, room: int = 21) -> None:
    """Write over a picture what it was taken for; if that is not what it is, crossed, red, and with the truth below.

    Args:
        room: letters that fit over the picture; longer lines are written smaller.
    """
    wrong = actual is not None and predicted != str(actual)
    text = f"✗ {predicted}" if wrong else predicted
    below = f"\ntrue: {actual}" if wrong else ""
    if actual is not None and not wrong:
        text, below = f"✓ {predicted}", "\n "
    longest = max(map(len, (text + below).split("\n")))
    axes.set_title(
        text + below,
        fontsize=max(6, min(9, 9 * room / longest)),
        fontweight="normal",
        loc="center",
        pad=4,
        color=WRONG if wrong else INK,
        linespacing=1.15,
    )


def displayable(picture: np.ndarray) -> np.ndarray:
    """One image as `(height, width)` or `(height, width, 3)`, in 0–1 or bytes."""
    if picture.ndim == 3 and picture.shape[0] in (1, 3):
        picture = np.moveaxis(picture, 0, -1)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if picture.ndim != 2 and not (picture.ndim == 3 and picture.shape[-1] == 3):
        raise InputError(f"images: expected (height, width) or 1 or 3 channels first, got shape {picture.shape}")
    if picture.dtype == np.uint8 or picture.ndim == 2:  # imshow stretches grey images itself
        return picture
    picture = np.nan_to_num(picture.astype(np.float64))
    low, high = picture.min(), picture.max()
    if low >= 0 and high <= 1:
        return picture
    return (picture - low) / max(high - low, 1e-12)
