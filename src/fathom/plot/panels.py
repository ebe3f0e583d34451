"""Several charts side by side: measured lines over their theory, and contour lines with the gradients across them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.charts import Series, _points
from fathom.plot.style import COLOURS, FAINT, INK, array, figure, label_ends, whole_numbers


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One chart of named lines.

    Args:
        series: name to y values, or to the pair `(x, y)`; a name has the same colour in every panel of a picture.
        theory: what a line should be, under the line's name. Then the theory is the line, and what was measured are
            dots on it.
        thin: a second line under a line's name, thinner and in its colour.
        ylim: lowest and highest y shown; None fits the values.
        whole: ticks of x at whole numbers only.
        names: whether the lines are named at their right ends.
        verticals: names to values of x at which a thin line stands, the name at its top.
        ticks: names that stand below the x axis, at these values of x, in place of numbers; a line's in its colour.
    """

    series: Series
    theory: Series = field(default_factory=dict)
    thin: Series = field(default_factory=dict)
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    logx: bool = False
    logy: bool = False
    ylim: tuple[float, float] | None = None
    whole: bool = False
    names: bool = True
    verticals: Mapping[str, float] = field(default_factory=dict)
    ticks: Mapping[str, float] = field(default_factory=dict)


def panels(path: str | os.PathLike[str], charts: Sequence[Panel], *, key: str = "", columns: int = 0) -> Path:
    """Charts side by side that share their colours.

    Args:
        key: said below the charts (`"dots: measured; lines: theory"`); nothing if empty.
        columns: charts in a row; 0 puts all into one.
    """
    every = list(dict.fromkeys(name for chart in charts for name in chart.series))
    if not every:
        raise InputError("panels: expected at least one line, got none")
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(every)}
    columns = columns or len(charts)
    rows = -(-len(charts) // columns)
    with figure(path, (0.6 + 4.4 * columns, 0.2 + 3.5 * rows), rows, columns) as (page, grid):
        for axes in grid.flat[len(charts) :]:
            axes.set_visible(False)
        for axes, chart in zip(grid.flat, charts, strict=False):
            _draw(axes, chart, colours)
        if key:
            page.supxlabel(key, fontsize=9, color=FAINT, x=0.01, ha="left")
        page.canvas.draw()  # gives the axes their final height, which decides how close two labels may stand
        for axes, chart in zip(grid.flat, charts, strict=False):
            if chart.names:
                label_ends(axes, *_ends(axes, chart, colours))
    return Path(path)


def _draw(axes: Any, chart: Panel, colours: Mapping[str, str]) -> None:
    axes.set(title=chart.title, xlabel=chart.xlabel, ylabel=chart.ylabel)
    axes.grid(axis="y")
    if chart.logx:
        axes.set_xscale("log")
    if chart.logy:
        axes.set_yscale("log")
    if chart.whole:
        whole_numbers(axes.xaxis)
    if chart.ticks:
        axes.set_xticks(list(chart.ticks.values()), list(chart.ticks))
        axes.set_xticks([], minor=True)
        for label in axes.get_xticklabels():
            label.set_color(colours.get(label.get_text(), FAINT))
            if len("".join(chart.ticks)) > 24:  # side by side they would run into each other
                label.set(rotation=20, ha="right", rotation_mode="anchor")
    for name, values in chart.series.items():
        x, y = _shown(name, values, chart.logy)
        style = "none" if name in chart.theory else "-"
        dots = name in chart.theory or len(x) <= 12
        axes.plot(x, y, color=colours[name], marker="o" if dots else None, markersize=3.2, linestyle=style)
    for name, values in {**chart.theory, **chart.thin}.items():
        axes.plot(*_shown(name, values, chart.logy), color=colours.get(name, FAINT), linewidth=0.9, zorder=1.5)
    if chart.ylim is not None:
        axes.set_ylim(*chart.ylim)
    for name, place in chart.verticals.items():
        axes.axvline(place, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.annotate(
            name, (place, 0.98), xycoords=("data", "axes fraction"), xytext=(3, 0), textcoords="offset points",
            fontsize=9, va="top", color=INK,
        )  # fmt: skip


def _shown(name: str, values: Any, logy: bool) -> tuple[np.ndarray, np.ndarray]:
    """`(x, y)`; what overflowed, and what a logarithmic axis can't show, is left out of the line."""
    x, y = _points(name, values)
    y = y.astype(np.float64)
    shown = (y > 1e-250) & (y < 1e250) if logy else np.isfinite(y)
    return x, np.where(shown, y, np.nan)


def _ends(axes: Any, chart: Panel, colours: Mapping[str, str]) -> tuple[list[tuple[str, str, float]], float]:
    ends, right = [], -np.inf
    for name, values in chart.series.items():
        x, y = _shown(name, values, chart.logy)
        seen = np.flatnonzero(np.isfinite(y))
        if len(seen):
            ends.append((name, colours[name], float(y[seen[-1]])))
            right = max(right, float(x[seen[-1]]))
        else:  # nothing of it can be shown: all 0 under a logarithm, or overflowed
            zero = not np.any(_points(name, values)[1])
            low, high = axes.get_ylim()
            ends.append((f"{name}: {'0' if zero else 'overflow'}", colours[name], low if zero else high))
    return ends, right


def gradient_arrows(
    path: str | os.PathLike[str],
    function: Callable[[np.ndarray, np.ndarray], Any],
    points: Any,
    gradients: Any,
    *,
    xrange: tuple[float, float],
    yrange: tuple[float, float],
    marks: Mapping[str, tuple[float, float]] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    steps: int = 150,
) -> Path:
    """Contour lines through some points, and at each point the gradient with the tangent of its contour line.

    Both axes have one scale, so that a right angle looks like one. The arrows show directions; their lengths are equal.

    Args:
        function: maps two arrays of one shape to values of that shape.
        points: `(points, 2)`.
        gradients: `(points, 2)`, none of them 0.
        marks: names to single points (a minimum), each a star.
    """
    at, along = array(points).astype(np.float64), array(gradients).astype(np.float64)
    if at.ndim != 2 or at.shape[1] != 2 or at.shape != along.shape:
        raise InputError(f"gradient_arrows: expected points and gradients (points, 2), got {at.shape}, {along.shape}")
    unit = along / np.linalg.norm(along, axis=1, keepdims=True)
    reach = 0.14 * min(xrange[1] - xrange[0], yrange[1] - yrange[0])
    across, up = np.meshgrid(np.linspace(*xrange, steps), np.linspace(*yrange, steps))
    levels = np.unique(np.round(array(function(at[:, 0], at[:, 1])).astype(np.float64), 9))
    height = 1.0 + 5.0 * (yrange[1] - yrange[0]) / (xrange[1] - xrange[0])
    with figure(path, (6.0, min(max(height, 3.0), 7.0))) as (_, grid):
        axes = grid[0, 0]
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=xrange, ylim=yrange, aspect="equal")
        heights = array(function(across, up)).astype(np.float64)
        axes.contour(across, up, heights, levels=14, colors="#C9C9C9", linewidths=0.6)
        axes.contour(across, up, heights, levels=levels, colors="#6E6E6E", linewidths=1.1)
        for (x, y), (dx, dy) in zip(at, unit * reach, strict=True):
            axes.plot([x - 0.6 * dy, x + 0.6 * dy], [y + 0.6 * dx, y - 0.6 * dx], color=COLOURS[0], linewidth=1.4)
            axes.annotate(
                "", (x + dx, y + dy), (x, y), annotation_clip=False,
                arrowprops={"arrowstyle": "-|>", "color": COLOURS[1], "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
            axes.plot(x, y, "o", color=INK, markersize=3.5)
        for name, (x, y) in (marks or {}).items():
            axes.plot(x, y, "*", color=INK, markersize=10, zorder=4)
            axes.annotate(name, (x, y), xytext=(7, 5), textcoords="offset points", fontsize=9)
        axes.plot([], [], color=COLOURS[1], label="gradient")
        axes.plot([], [], color=COLOURS[0], label="tangent of the contour line")
        axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.14), ncols=2, fontsize=9, borderpad=0)
    return Path(path)
