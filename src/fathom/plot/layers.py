"""What is inside a network that looks at pictures: filters, feature maps, and where the evidence for a class lies."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.pictures import displayable, tell
from fathom.plot.style import FAINT, INK, array, figure

MOST_TILES = 64  # filters or maps in one picture


def filters(path: str | os.PathLike[str], weights: Any, title: str = "") -> Path:
    """The weights of a first layer as pictures, all on one scale around 0.

    Weights over one channel are red where positive and blue where negative; those over red, green and blue have these
    colours, grey for 0. Of more than 64, those with the largest norm are shown.

    Args:
        weights: `(filters, channels, rows, columns)` with 1 or 3 channels.
    """
    tiles = array(weights).astype(np.float64)
    if tiles.ndim != 4 or tiles.shape[1] not in (1, 3):
        raise InputError(f"filters: expected (filters, 1 or 3 channels, rows, columns), got {tiles.shape}")
    total = len(tiles)
    tiles = tiles[_most(np.linalg.norm(tiles.reshape(total, -1), axis=1))]
    some = f" (the {len(tiles)} largest of {total})" if len(tiles) < total else ""
    limit = np.abs(tiles).max() or 1.0
    coloured = tiles.shape[1] == 3
    shown = np.moveaxis(0.5 + tiles / (2 * limit), 1, -1) if coloured else tiles[:, 0]
    title = title or f"{total} filters of {tiles.shape[2]}×{tiles.shape[3]}"
    return _draw_tiles(path, shown, title + some, {} if coloured else {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit})


def feature_maps(path: str | os.PathLike[str], maps: Any, picture: Any, title: str = "") -> Path:
    """What the channels of a layer show for a picture, which stands on the left; bright is a large value.

    Of more than 64 channels, those that vary most over the picture are shown. All are on one scale.

    Args:
        maps: `(channels, rows, columns)`.
        picture: `(channels, height, width)`, 1 or 3 channels.
    """
    tiles = array(maps).astype(np.float64)
    if tiles.ndim != 3:
        raise InputError(f"feature_maps: expected (channels, rows, columns), got {tiles.shape}")
    total = len(tiles)
    tiles = tiles[_most(tiles.std(axis=(1, 2)))]
    some = f" (the {len(tiles)} that vary most)" if len(tiles) < total else ""
    return _draw_tiles(path, tiles, title + some, {"cmap": "viridis"}, displayable(array(picture)))


def heat_maps(
    path: str | os.PathLike[str],
    pictures: Any,
    heat: Any,
    predicted: Sequence[str],
    truth: Sequence[str] | None = None,
    *,
    title: str = "",
    columns: int = 4,
) -> Path:
    """Pairs of a picture and the same in grey under its heat, from transparent to yellow at the hottest place.

    Args:
        pictures: `(examples, channels, height, width)`, 1 or 3 channels, each as in `images`.
        heat: `(examples, rows, columns)` of at least 0, on the pixels of the picture or a whole number of times finer.
        predicted: over each pair.
        truth: what would be right, as it stands in `predicted` if it is; a wrong prediction is red and crossed.
    """
    heat = array(heat).astype(np.float64)
    prepared = [displayable(array(picture)) for picture in pictures]
    if not len(prepared) == len(heat) == len(predicted):
        counts = f"{len(prepared)}, {len(heat)}, {len(predicted)}"
        raise InputError(f"heat_maps: expected as many pictures, heats and names, got {counts}")
    columns = min(columns, len(prepared))
    rows = -(-len(prepared) // columns)
    lines = 1 if truth is None else 2
    with figure(path, (3.3 * columns + 0.2, (1.65 + 0.2 * lines) * rows + (0.4 if title else 0.1)), rows, columns) as (
        page,
        grid,
    ):
        if title:
            page.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        for axes in grid.flat:
            axes.axis("off")
        for number, (axes, picture) in enumerate(zip(grid.flat, prepared, strict=False)):
            axes.imshow(_pair(picture, heat[number]), interpolation="antialiased")
            tell(axes, str(predicted[number]), truth[number] if truth is not None else None, room=45)
            if not heat[number].any():
                axes.text(0.75, 0.04, "no heat above 0", transform=axes.transAxes, ha="center", color="white", size=8,
                          bbox={"facecolor": INK, "linewidth": 0, "pad": 2})  # fmt: skip
    return Path(path)


def _pair(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture and its heat side by side: `(height, 2 width + gap, 3)` in 0–1."""
    from matplotlib import colormaps

    colours = _coloured(picture)
    finer = heat.shape[0] // colours.shape[0]
    if heat.shape != (finer * colours.shape[0], finer * colours.shape[1]):
        raise InputError(f"heat_maps: expected heat on the pixels {colours.shape[:2]} or finer, got {heat.shape}")
    colours = np.kron(colours, np.ones((finer, finer, 1)))
    hot = (heat / (heat.max() or 1.0))[..., None]
    grey = colours @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    under = 0.15 + 0.7 * grey[..., None]
    over = colormaps["inferno"](0.25 + 0.7 * hot[..., 0])[..., :3]
    gap = np.ones((len(colours), max(1, colours.shape[1] // 28), 3))
    return np.concatenate([colours, gap, under + 0.75 * hot * (over - under)], axis=1)


def _coloured(picture: np.ndarray) -> np.ndarray:
    """A picture as `(height, width, 3)` in 0–1; a grey one is stretched from its lowest to its highest value."""
    picture = picture / 255 if picture.dtype == np.uint8 else picture.astype(np.float64)
    if picture.ndim == 3:
        return picture
    low, high = picture.min(), picture.max()
    return np.repeat(((picture - low) / max(high - low, 1e-12))[..., None], 3, axis=2)


def _most(size: np.ndarray) -> np.ndarray:
    """The places of what to show: all, or those of the largest size, in their order."""
    return np.sort(np.argsort(-size, kind="stable")[:MOST_TILES])


def _draw_tiles(
    path: str | os.PathLike[str], tiles: np.ndarray, title: str, look: dict[str, Any], picture: np.ndarray | None = None
) -> Path:
    """Tiles as one picture with white lines between; a bar tells the scale unless the tiles bring their colours."""
    columns = _columns(len(tiles), tiles.shape[2] / tiles.shape[1])
    rows = -(-len(tiles) // columns)
    whole = mosaic(tiles, columns)
    tile = min(1.1, max(0.55, 5.6 / columns))  # inches
    width, height = tile * columns, tile * rows * tiles.shape[1] / tiles.shape[2]
    beside = () if picture is None else (min(2.0, max(1.3, height)),)
    size = (max(sum(beside) + width + 1.1, 4.5), max(height, *beside, 1.0) + 0.6)
    with figure(path, size, 1, 1 + len(beside), width_ratios=(*beside, width)) as (page, grid):
        page.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
        for axes in grid.flat:
            axes.axis("off")
        if picture is not None:
            grid[0, 0].imshow(picture, cmap="gray", interpolation="antialiased")
        drawn = grid[0, -1].imshow(whole, interpolation="nearest", **look)
        if look:
            bar = page.colorbar(drawn, ax=grid[0, -1], shrink=min(1.0, 2.5 / size[1] + 0.4), pad=0.02, aspect=16)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelcolor=FAINT, length=0)
    return Path(path)


def _columns(count: int, wide: float) -> int:
    """Tiles a row, so that the whole is about half as high again as wide or flatter."""
    return count if count <= 8 else min(count, max(1, int(np.ceil(np.sqrt(1.6 * count / wide)))))


def mosaic(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Tiles `(count, height, width)`, or with 3 colours last, in rows; empty places and the lines between are NaN.

    With colours the lines are white. A line is about a fourteenth of a tile wide: small tiles are drawn larger for it.
    """
    larger = max(1, -(-14 // min(tiles.shape[1:3])))
    tiles = tiles.repeat(larger, axis=1).repeat(larger, axis=2)
    gap = max(1, min(tiles.shape[1:3]) // 14)
    rows = -(-len(tiles) // columns)
    height, width = tiles.shape[1] + gap, tiles.shape[2] + gap
    blank = 1.0 if tiles.ndim == 4 else np.nan
    whole = np.full((rows * height - gap, columns * width - gap, *tiles.shape[3:]), blank)
    for number, tile in enumerate(tiles):
        top, left = height * (number // columns), width * (number % columns)
        whole[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return whole
