"""Windows that slide over a picture: where they stand, and what part of the image a unit sees."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import COLOURS, FAINT, GRID, INK, array, figure


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A square kernel on a square picture; all in pixels.

    Args:
        size: of the picture.
        kernel: of the window.
        padding: on every side.
        stride: from one window to the next.
        dilation: from one entry of the kernel to the next.
    """

    size: int
    kernel: int
    padding: int = 0
    stride: int = 1
    dilation: int = 1

    @property
    def output(self) -> int:
        """Windows along a side."""
        return (self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1

    @property
    def title(self) -> str:
        """The kernel, and what is not usual."""
        unusual = (("padding", self.padding, 0), ("stride", self.stride, 1), ("dilation", self.dilation, 1))
        words = [
            f"{self.kernel}×{self.kernel}",
            *(f"{name} {value}" for name, value, usual in unusual if value != usual),
        ]
        return ", ".join(words)


def placements(path: str | os.PathLike[str], cases: Sequence[Placement], *, columns: int = 3) -> Path:
    """The pixels of a picture and of its padding, with the first window, the next, and the last."""
    if not cases:
        raise InputError("placements: expected at least one placement, got none")
    columns = min(columns, len(cases))
    rows = -(-len(cases) // columns)
    with figure(path, (2.9 * columns, 3.15 * rows), rows, columns) as (_, grid):
        for axes in grid.flat:
            axes.axis("off")
        for axes, case in zip(grid.flat, cases, strict=False):
            _draw_placement(axes, case)
    return Path(path)


def _draw_placement(axes: Any, case: Placement) -> None:
    from matplotlib.patches import Rectangle

    for row in range(-case.padding, case.size + case.padding):
        for column in range(-case.padding, case.size + case.padding):
            inside = 0 <= row < case.size and 0 <= column < case.size
            paint, line = (GRID, "-") if inside else ("white", ":")
            axes.add_patch(
                Rectangle((column, row), 1, 1, facecolor=paint, edgecolor="#B0B0B0", linewidth=0.6, linestyle=line)
            )
    last = case.output - 1
    places = {(0, 0): COLOURS[0], (0, min(1, last)): COLOURS[1], (last, last): COLOURS[2]}
    for (row, column), colour in reversed(places.items()):
        top, left = (place * case.stride - case.padding for place in (row, column))
        reach = case.dilation * (case.kernel - 1) + 1
        axes.add_patch(Rectangle((left, top), reach, reach, fill=False, edgecolor=colour, linewidth=2.0))
        for entry in np.ndindex(case.kernel, case.kernel):
            centre = (left + entry[1] * case.dilation + 0.5, top + entry[0] * case.dilation + 0.5)
            axes.plot(*centre, "o", color=colour, markersize=4, alpha=0.8)
    margin = 1.3
    axes.set(xlim=(-margin, case.size + margin), ylim=(case.size + margin, -margin), aspect="equal")
    axes.set_title(f"{case.title}\n{case.size}×{case.size} becomes {case.output}×{case.output}", fontsize=10)


def fields(
    path: str | os.PathLike[str],
    maps: Sequence[Any],
    titles: Sequence[str],
    *,
    boxes: Sequence[tuple[int, int, int, int]] = (),
    signed: bool = False,
    columns: int = 4,
    key: str = "",
) -> Path:
    """Maps of numbers in a frame each; those of at most nine entries have them written in.

    Args:
        maps: `(height, width)` each.
        titles: one above each map.
        boxes: drawn on each map: top, left, bottom and right pixel, the last two not included; none if empty.
        signed: blue above 0 and red below, all maps on one scale; else from 0 on, each on its own.
        columns: maps a row.
        key: said below.
    """
    drawn = [array(values) for values in maps]
    if not drawn or len(drawn) != len(titles) or (boxes and len(boxes) != len(drawn)):
        raise InputError(
            f"fields: expected as many maps as titles and boxes, got {len(drawn)}, {len(titles)} and {len(boxes)}"
        )
    columns = min(columns, len(drawn))
    rows = -(-len(drawn) // columns)
    highest = max(float(np.abs(values).max()) for values in drawn) or 1.0
    look = {"cmap": "RdBu", "vmin": -highest, "vmax": highest} if signed else {"cmap": "Blues", "vmin": 0}
    label = 0.35 + 0.2 * max(title.count("\n") for title in titles)
    with figure(path, (2.3 * columns, (2.3 + label) * rows + 0.3 * bool(key)), rows, columns) as (page, grid):
        for axes in grid.flat[len(drawn) :]:
            axes.set_visible(False)
        for number, (axes, values) in enumerate(zip(grid.flat, drawn, strict=False)):
            axes.imshow(values, interpolation="nearest", **look)
            axes.set_title(titles[number], fontsize=9, fontweight="normal")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=INK, linewidth=0.6)
            if boxes:
                _frame(axes, boxes[number])
            for entry, value in np.ndenumerate(values) if values.size <= 9 else ():
                colour = "white" if abs(value) > 0.6 * highest else INK
                axes.text(entry[1], entry[0], f"{value:.2f}", ha="center", va="center", fontsize=9, color=colour)
        if key:
            page.supxlabel(key, fontsize=9, color=FAINT, x=0.01, ha="left")
    return Path(path)


def _frame(axes: Any, box: tuple[int, int, int, int]) -> None:
    from matplotlib.patches import Rectangle

    top, left, bottom, right = box
    place, colour = (left - 0.5, top - 0.5), COLOURS[1]
    axes.add_patch(Rectangle(place, right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.8, zorder=3))
