"""Lines, bars, histograms and heat maps."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import COLOURS, FAINT, INK, array, figure, label_ends

Series = Mapping[str, Any]


def _points(name: str, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """`(x, y)` of one line: a pair of equally long sequences, or y alone, counted from 0."""
    if isinstance(values, tuple) and len(values) == 2 and np.ndim(values[0]) == 1:
        x, y = array(values[0]), array(values[1])
    else:
        y = array(values)
        x = np.arange(len(y))
    if x.shape != y.shape or y.ndim != 1:
        raise InputError(f"line {name!r}: expected as many x as y, got shapes {x.shape} and {y.shape}")
    return x, y


def lines(
    path: str | os.PathLike[str],
    series: Series,
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    points: Series | None = None,
    logx: bool = False,
    logy: bool = False,
    ylim: tuple[float, float] | None = None,
) -> Path:
    """One chart of named lines, each named at its right end.

    Args:
        series: name to y values, or to the pair `(x, y)`.
        points: drawn as dots (measurements under a fitted line), in the same form.
        ylim: lowest and highest y shown; None fits the values.
    """
    with figure(path, (6.4, 4.0)) as (_, grid):
        axes = grid[0, 0]
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        axes.grid(axis="y")
        if logx:
            axes.set_xscale("log")
        if logy:
            axes.set_yscale("log")
        for name, values in (points or {}).items():
            x, y = _points(name, values)
            axes.plot(x, y, "o", color=FAINT, markersize=3.5, alpha=0.6, markeredgewidth=0, zorder=1.5, label=name)
        ends, right = [], -np.inf
        for number, (name, values) in enumerate(series.items()):
            x, y = _points(name, values)
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(x, y, color=colour, marker="o" if len(x) == 1 else None, zorder=2)
            seen = np.flatnonzero(np.isfinite(y))
            if len(seen):
                ends.append((name, colour, float(y[seen[-1]])))
                right = max(right, float(x[seen[-1]]))
        if ylim is not None:
            axes.set_ylim(*ylim)
        if len(ends) > 1 or points:
            label_ends(axes, ends, right)
        if points:
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderpad=0, fontsize=9, labelcolor=FAINT)
    return Path(path)


def histogram(
    path: str | os.PathLike[str],
    values: Series,
    *,
    bins: int = 40,
    xlabel: str = "",
    ylabel: str = "count",
    title: str = "",
) -> Path:
    """How often values occur, one outline for each name, over common bins."""
    samples = {name: array(sample).ravel() for name, sample in values.items()}
    samples = {name: sample[np.isfinite(sample)] for name, sample in samples.items()}
    together = np.concatenate(list(samples.values())) if samples else np.zeros(0)
    if not together.size:
        raise InputError("histogram: expected at least one finite value, got none")
    edges = np.histogram_bin_edges(together.astype(np.float64), bins=bins)
    with figure(path, (6.4, 4.0)) as (_, grid):
        axes = grid[0, 0]
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        axes.grid(axis="y")
        for number, (name, sample) in enumerate(samples.items()):
            colour = COLOURS[number % len(COLOURS)]
            counts, _ = np.histogram(sample, edges)
            axes.stairs(counts, edges, fill=True, color=colour, alpha=0.25)
            axes.stairs(counts, edges, color=colour, linewidth=1.4, label=name)
        if len(samples) > 1:
            axes.legend(loc="best", fontsize=9)
    return Path(path)


def bars(
    path: str | os.PathLike[str],
    values: Mapping[str, float],
    *,
    xlabel: str = "",
    title: str = "",
    marks: Mapping[str, float] | None = None,
    mark_label: str = "published",
    form: str = ".3g",
) -> Path:
    """One lying bar for each name, with its number at the end; `marks` draws a line across a bar (a published figure).

    Args:
        form: the format of the numbers, as in `format(number, form)`.
    """
    names = list(values)
    with figure(path, (6.4, 1.1 + 0.34 * max(len(names), 1))) as (_, grid):
        axes = grid[0, 0]
        axes.set(title=title, xlabel=xlabel)
        axes.barh(range(len(names)), [values[name] for name in names], color=COLOURS[0], height=0.62)
        for row, name in enumerate(names):
            axes.annotate(
                format(values[name], form), (values[name], row), xytext=(4 if values[name] >= 0 else -4, 0),
                textcoords="offset points", va="center", ha="left" if values[name] >= 0 else "right", fontsize=9,
            )  # fmt: skip
            if marks and name in marks:
                first = not any(line.get_label() == mark_label for line in axes.lines)
                axes.plot(
                    [marks[name]] * 2, [row - 0.42, row + 0.42], color=INK, linewidth=1.6, solid_capstyle="butt",
                    label=mark_label if first else None,
                )  # fmt: skip
        axes.set_yticks(range(len(names)), names, color=INK)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.axvline(0, color="#9A9A9A", linewidth=0.8)
        if axes.lines[:-1]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return Path(path)


def heatmap(
    path: str | os.PathLike[str],
    values: Any,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    form: str | None = None,
) -> Path:
    """A matrix in colours (attention weights, a confusion matrix).

    Args:
        values: `(rows, columns)`; NaN stays blank.
        rows, columns: their names; without them, their numbers from 0.
        form: writes each number into its cell with this format; None when at most 144 cells fit it (`.2g`), "" never.
    """
    matrix = array(values).astype(np.float64)
    if matrix.ndim != 2:
        raise InputError(f"heatmap: expected (rows, columns), got shape {matrix.shape}")
    height, width = matrix.shape
    if form is None:
        form = ".2g" if matrix.size <= 144 else ""
    size = (min(max(2.4 + 0.45 * width, 3.6), 11), min(max(1.6 + 0.38 * height, 2.6), 10))
    with figure(path, size) as (page, grid):
        axes = grid[0, 0]
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        picture = axes.imshow(matrix, cmap="Blues", aspect="auto", interpolation="nearest")
        for axis, names in ((axes.xaxis, columns), (axes.yaxis, rows)):
            if names:
                axis.set_ticks(range(len(names)), names)
        if columns and max(map(len, columns)) > 3:
            axes.tick_params(axis="x", rotation=45)
            for label in axes.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if form:
            _write_cells(axes, matrix, form)
        else:
            page.colorbar(picture, ax=axes, shrink=0.8, pad=0.02).outline.set_visible(False)
    return Path(path)


def _write_cells(axes: Any, matrix: np.ndarray, form: str) -> None:
    finite = matrix[np.isfinite(matrix)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            dark = high > low and (value - low) / (high - low) > 0.6
            axes.text(column, row, format(value, form), ha="center", va="center", fontsize=8,
                      color="white" if dark else INK)  # fmt: skip
