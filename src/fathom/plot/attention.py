"""Where attention looks: a map for each layer, head or sentence, its queries from top to bottom, its keys across."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import array, figure

SHADES = " ░▒▓█"  # of the terminal, from 0 to 1
WIDEST, TALLEST = 15.0, 15.0  # inches
MOST_NAMES = 64  # along an axis; with more only every other one is written, or fewer
LEGIBLE = 0.14  # inches from one name to the next, at least; widest and tallest stand back
TILT = 55  # degrees of long names above columns


def attention_maps(
    path: str | os.PathLike[str],
    maps: Mapping[str, Any],
    *,
    queries: Sequence[str] = (),
    keys: Sequence[str] = (),
    xlabel: str = "keys",
    ylabel: str = "queries",
    title: str = "",
    columns: int = 0,
    top: float | None = 1.0,
) -> Path:
    """Weights in blue on white, each map under its name, all on one scale.

    Args:
        maps: name to `(queries, keys)`; several maps may have several sizes. NaN stays grey.
        queries: what stands beside the rows of maps that have so many; without them the numbers from 0.
        keys: what stands above the columns, likewise.
        columns: maps in a row; 0 puts up to four.
        top: which weight is darkest; None takes the largest that there is.

    Raises:
        InputError: there is no map, or one is no matrix, or names do not fit.
    """
    matrices = {name: array(values).astype(np.float64) for name, values in maps.items()}
    _check(matrices, queries, keys)
    columns = columns or min(len(matrices), 4)
    rows = -(-len(matrices) // columns)
    cell = _cell(rows, columns, list(matrices.values()), queries, keys)
    size = _size(rows, columns, list(matrices.values()), queries, keys, cell)
    darkest = top if top is not None else max(float(np.nanmax(matrix)) for matrix in matrices.values())
    with figure(path, size, rows, columns) as (page, grid):
        if title:
            page.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
        for axes in grid.flat[len(matrices) :]:
            axes.set_visible(False)
        for number, (name, matrix) in enumerate(matrices.items()):
            axes = grid.flat[number]
            picture = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=darkest, aspect="equal", interpolation="nearest")
            axes.set_facecolor("#DDDDDD")
            axes.set_title(name, fontsize=10, fontweight="normal", loc="center")
            axes.spines[:].set_color("#CCCCCC")
            axes.tick_params(length=0, top=bool(keys), labeltop=bool(keys), bottom=False, labelbottom=not keys)
            _name(axes.yaxis, queries, matrix.shape[0], cell, seen=number % columns == 0)
            _name(axes.xaxis, keys, matrix.shape[1], cell, seen=bool(keys) or number + columns >= len(matrices))
            if keys and max(map(len, keys)) > (2 if cell > 0.2 else 1):
                for label in axes.get_xticklabels():
                    label.set(rotation=TILT, ha="left", rotation_mode="anchor")
        page.supxlabel(xlabel, fontsize=10)
        page.supylabel(ylabel, fontsize=10)
        bar = page.colorbar(picture, ax=list(grid.flat), shrink=min(0.6, 4.0 / size[1]), pad=0.02, aspect=25)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    return Path(path)


def attention_over_items(
    path: str | os.PathLike[str], scenes: Any, maps: Mapping[str, Any], questions: Sequence[str]
) -> Path:
    """Scenes side by side, the pictures of each in a row, and below each picture how much every question looks at it.

    Args:
        scenes: `(scenes, items, 3, height, width)` in 0–1.
        maps: name to `(scenes, questions, items)`, one below the other.
        questions: what stands beside the rows of each map.

    Raises:
        InputError: the maps do not fit the scenes or the questions.
    """
    strips, weights = array(scenes), {name: array(values) for name, values in maps.items()}
    count, items, _, height, width = strips.shape
    for name, values in weights.items():
        if values.shape != (count, len(questions), items):
            wanted = (count, len(questions), items)
            raise InputError(f"attention_over_items: expected {name} as {wanted}, got {values.shape}")
    cell = 0.5
    size = (count * (items * cell + 0.3) + 1.6, cell + len(weights) * (0.6 * cell * len(questions) + 0.35) + 0.5)
    ratios = [cell, *[0.6 * cell * len(questions)] * len(weights)]
    with figure(path, size, 1 + len(weights), count, height_ratios=ratios) as (page, grid):
        for scene in range(count):
            strip = strips[scene].transpose(2, 0, 3, 1).reshape(height, items * width, 3)
            grid[0, scene].imshow(strip, extent=(-0.5, items - 0.5, 0, 1), aspect="auto", interpolation="nearest")
            grid[0, scene].axis("off")
            for row, (name, values) in enumerate(weights.items(), 1):
                axes = grid[row, scene]
                drawn = axes.imshow(values[scene], cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
                axes.set_title(name, fontsize=10, fontweight="normal", loc="left", pad=4)
                axes.tick_params(length=0)
                axes.set_xticks([])
                axes.set_yticks(range(len(questions)), questions if scene == 0 else [""] * len(questions))
                axes.spines[:].set_color("#CCCCCC")
        bar = page.colorbar(drawn, ax=list(grid[1:].flat), shrink=0.6, pad=0.01, aspect=25)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0)
    return Path(path)


def attention_text(weights: Any, queries: Sequence[str], keys: Sequence[str]) -> str:
    """The same for a terminal: a line for each query, two characters for each key, darker the more it is looked at.

    The keys stand below by number and, in one more line, by name.

    Args:
        weights: `(queries, keys)` from 0 to 1.
        queries, keys: their names.
    """
    matrix = array(weights).astype(np.float64)
    _check({"weights": matrix}, queries, keys)
    widest = max([len(name) for name in queries], default=0)
    shades = np.clip(np.rint(np.nan_to_num(matrix) * (len(SHADES) - 1)), 0, len(SHADES) - 1).astype(int)
    lines = [
        f"{name:>{widest}} │{''.join(2 * SHADES[shade] for shade in row)}│"
        for name, row in zip(queries, shades, strict=True)
    ]
    numbers = "".join(f"{number:>2}" for number in range(1, len(keys) + 1))
    named = "  ".join(f"{number} {name}" for number, name in enumerate(keys, 1))
    return "\n".join([*lines, f"{'':>{widest}}  {numbers}", f"{'':>{widest}}  {named}"])


def _cell(
    rows: int, columns: int, matrices: Sequence[np.ndarray], queries: Sequence[str], keys: Sequence[str]
) -> float:
    """Inches of a cell's side: as large as there is room for, and not too small for its name."""
    tall, wide = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    least = LEGIBLE if queries or keys else 0.0
    wanted = min(0.34, max(5.0 / max(tall, wide), least))
    cell = min(wanted, WIDEST / (columns * (wide + 4)), TALLEST / (rows * (tall + 4)))
    return cell if max(tall, wide) > MOST_NAMES else max(cell, least)


def _size(
    rows: int,
    columns: int,
    matrices: Sequence[np.ndarray],
    queries: Sequence[str],
    keys: Sequence[str],
    cell: float,
) -> tuple[float, float]:
    """Inches of a picture whose cells are squares."""
    tall, wide = (max(matrix.shape[axis] for matrix in matrices) for axis in (0, 1))
    left, above = (max([len(name) for name in names], default=3) for names in (queries, keys))
    across = columns * max(cell * wide, 1.2) + 0.075 * left + 1.3
    return across, rows * (max(cell * tall, 1.0) + 0.45 + 0.06 * above) + 0.7


def _check(matrices: Mapping[str, np.ndarray], queries: Sequence[str], keys: Sequence[str]) -> None:
    if not matrices:
        raise InputError("attention_maps: expected at least one map, got none")
    for name, matrix in matrices.items():
        if matrix.ndim != 2:
            raise InputError(f"attention_maps: expected {name} as (queries, keys), got shape {matrix.shape}")
        for what, names, size in (("queries", queries, matrix.shape[0]), ("keys", keys, matrix.shape[1])):
            if names and len(names) != size:
                raise InputError(f"attention_maps: expected {size} {what} for {name}, got {len(names)} names")


def _name(axis: Any, names: Sequence[str], size: int, cell: float, seen: bool) -> None:
    """Names, or numbers from 0, beside an axis; where there are too many, of every other one or fewer."""
    if not seen:
        axis.set_ticks([])
        return
    step = -(-size // (MOST_NAMES if names else 10))
    places = range(0, size, step)
    points = 72 * cell * step  # from one to the next
    axis.set_ticks(places, [names[place] if names else str(place) for place in places], fontsize=min(9, 0.7 * points))
