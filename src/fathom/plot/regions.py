"""Sets in the plane: which segments stay inside, where points are projected to, and paths to a constrained minimum."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import COLOURS, INK, WRONG, array, figure
from fathom.plot.surfaces import HALO

STAYS, LEAVES = COLOURS[2], WRONG


@dataclass(frozen=True, kw_only=True)
class Region:
    """One chart of a set.

    Args:
        contains: points `(points, 2)` float64 to `(points,)` of bool.
        xrange, yrange: what is shown.
        function: points `(points, 2)` to values `(points,)`, drawn as contour lines; None draws none.
        segments: `(segments, 2, 2)`, pairs of ends; solid if all of a segment is in the set, else dashed and red.
        arrows: `(arrows, 2, 2)`, from where to where.
        paths: names to `(points, 2)` in order, each point a dot; named in a legend.
        marks: names to single points, each a star.
        equal: whether both axes have one scale.
    """

    contains: Callable[[np.ndarray], Any]
    xrange: tuple[float, float]
    yrange: tuple[float, float]
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    function: Callable[[np.ndarray], Any] | None = None
    segments: Any = ()
    arrows: Any = ()
    paths: Mapping[str, Any] = field(default_factory=dict)
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    equal: bool = True


def regions(path: str | os.PathLike[str], charts: Sequence[Region], *, columns: int = 3) -> Path:
    """Charts of sets, so many in a row."""
    if not charts:
        raise InputError("regions: expected at least one chart, got none")
    columns = min(columns, len(charts))
    rows = -(-len(charts) // columns)
    with figure(path, (0.3 + 4.0 * columns, 0.2 + 3.7 * rows), rows, columns) as (_, grid):
        for axes in grid.flat[len(charts) :]:
            axes.set_visible(False)
        for axes, chart in zip(grid.flat, charts, strict=False):
            _draw(axes, chart)
    return Path(path)


def _draw(axes: Any, chart: Region) -> None:
    axes.set(title=chart.title, xlabel=chart.xlabel, ylabel=chart.ylabel, xlim=chart.xrange, ylim=chart.yrange)
    if chart.equal:
        axes.set_aspect("equal")
    x, y = np.meshgrid(np.linspace(*chart.xrange, 301), np.linspace(*chart.yrange, 301))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    inside = array(chart.contains(points)).reshape(x.shape).astype(np.float64)
    axes.contourf(x, y, inside, levels=[0.5, 1.5], colors=[COLOURS[5]], alpha=0.3)
    axes.contour(x, y, inside, levels=[0.5], colors=[COLOURS[0]], linewidths=1.0)
    if chart.function is not None:
        heights = array(chart.function(points)).reshape(x.shape).astype(np.float64)
        axes.contour(x, y, heights, levels=12, colors="#9A9A9A", linewidths=0.6, linestyles="solid")
    for ends in array(chart.segments):
        _segment(axes, chart, ends)
    for start, end in array(chart.arrows):
        look = {"arrowstyle": "-|>", "color": COLOURS[1], "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", end, start, arrowprops=look)
        axes.plot(*start, "o", color=COLOURS[1], markersize=3.5)
    for number, (name, way) in enumerate(chart.paths.items()):
        colour = COLOURS[(number + 1) % len(COLOURS)]
        axes.plot(*array(way).T, color=colour, marker="o", markersize=3.5, linewidth=1.3, label=name)
    for name, place in chart.marks.items():
        axes.plot(*place, "*", color=INK, markersize=11, zorder=4)
        axes.annotate(name, place, xytext=(8, 6), textcoords="offset points", fontsize=9, bbox=HALO, zorder=5)
    if chart.paths:
        axes.legend(loc="lower left", fontsize=8, framealpha=0.85, frameon=True, edgecolor="none")


def _segment(axes: Any, chart: Region, ends: np.ndarray) -> None:
    share = np.linspace(0, 1, 201)[:, None]
    stays = bool(np.all(array(chart.contains((1 - share) * ends[0] + share * ends[1]))))
    colour = STAYS if stays else LEAVES
    axes.plot(*ends.T, color=colour, linestyle="-" if stays else (0, (4, 2)), marker="o", markersize=4, linewidth=1.5)
