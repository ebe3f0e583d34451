"""Rows of pictures of one size, with a name before each row."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import FAINT, INK, array, figure

GAP = 0.06  # between two pictures, of their size


def picture_rows(path: str | os.PathLike[str], rows: Mapping[str, Any], *, key: str = "", side: float = 0.85) -> Path:
    """Each entry of `rows` as a row of pictures behind its name.

    Args:
        rows: name to `(pictures, channels, height, width)` of float in 0–1, 1 or 3 channels; the same shape in all.
        key: said below the rows; nothing if empty.
        side: height of a picture, in inches.
    """
    prepared = {name: array(pictures) for name, pictures in rows.items()}
    shapes = {pictures.shape for pictures in prepared.values()}
    if len(shapes) != 1 or any(len(shape) != 4 or shape[1] not in (1, 3) for shape in shapes):
        raise InputError(f"picture_rows: expected rows of one shape (pictures, 1 or 3, height, width), got {shapes}")
    count, _, height, width = shapes.pop()
    apart = max(1, round(GAP * height))
    sheet = np.ones((len(prepared) * (height + apart) - apart, count * (width + apart) - apart, 3))
    for row, pictures in enumerate(prepared.values()):
        for column, picture in enumerate(pictures):
            top, left = row * (height + apart), column * (width + apart)
            sheet[top : top + height, left : left + width] = np.moveaxis(picture, 0, -1)
    names = 0.1 * max(map(len, prepared)) + 0.35  # inches that they take
    scale = side / height
    with figure(path, (names + scale * sheet.shape[1], scale * sheet.shape[0] + 0.35)) as (page, grid):
        axes = grid[0, 0]
        axes.imshow(sheet, interpolation="nearest" if height < 64 else "antialiased")
        axes.set_xticks([])
        axes.set_yticks([row * (height + apart) + height / 2 for row in range(len(prepared))], list(prepared))
        axes.tick_params(length=0, labelsize=10, labelcolor=INK)
        axes.spines[:].set_visible(False)
        if key:
            page.supxlabel(key, fontsize=9, color=FAINT, x=0.01, ha="left")
    return Path(path)
