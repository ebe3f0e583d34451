"""Functions of two variables: decision regions in the plane, and contour lines with a path through them."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import COLOURS, INK, array, figure

HALO = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.5}
MARKERS = "osD^vP*"  # a class is told by its shape as well as by its colour


def _square(ranges: tuple[tuple[float, float], tuple[float, float]], steps: int) -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid(*(np.linspace(low, high, steps) for low, high in ranges), indexing="xy")  # type: ignore[return-value]


def plane(
    path: str | os.PathLike[str],
    decide: Callable[[np.ndarray], Any],
    points: Any,
    labels: Any,
    *,
    names: Sequence[str] = (),
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    steps: int = 300,
) -> Path:
    """The regions into which a classifier divides the plane, and the examples on top.

    Args:
        decide: maps `(examples, 2)` of float32 to `(examples,)` class numbers.
        points: `(examples, 2)`.
        labels: `(examples,)` true class numbers, from 0.
        names: of the classes.
        steps: the grid has `steps × steps` points.
    """
    x, y = array(points).astype(np.float64), array(labels).astype(np.int64).ravel()
    if x.ndim != 2 or x.shape[1] != 2 or len(x) != len(y) or not len(x):
        raise InputError(f"plane: expected points (examples, 2) and a label each, got {x.shape} and {y.shape}")
    low, high = x.min(axis=0), x.max(axis=0)
    margin = np.where(high > low, 0.15 * (high - low), 1.0)
    ranges = tuple(zip((low - margin).tolist(), (high + margin).tolist(), strict=True))
    across, up = _square(ranges, steps)  # type: ignore[arg-type]
    regions = array(decide(np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32)))
    regions = regions.astype(np.int64).reshape(steps, steps)
    classes = int(max(y.max(), regions.max())) + 1
    with figure(path, (5.4, 4.6)) as (_, grid):
        from matplotlib.colors import ListedColormap

        axes = grid[0, 0]
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        palette = [COLOURS[number % len(COLOURS)] for number in range(classes)]
        axes.imshow(
            regions, origin="lower", extent=(*ranges[0], *ranges[1]), aspect="auto", interpolation="nearest",
            cmap=ListedColormap(palette), vmin=-0.5, vmax=classes - 0.5, alpha=0.22,
        )  # fmt: skip
        if regions.min() != regions.max():
            axes.contour(across, up, regions, levels=np.arange(classes - 1) + 0.5, colors=INK, linewidths=0.8)
        for number in range(classes):
            chosen = y == number
            name = names[number] if number < len(names) else f"class {number}"
            axes.scatter(
                *x[chosen].T,
                s=38 if len(x) < 100 else 14, color=palette[number], marker=MARKERS[number % len(MARKERS)],
                edgecolor="white", linewidth=0.7, label=name, zorder=3,
            )  # fmt: skip
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return Path(path)


def contours(
    path: str | os.PathLike[str],
    function: Callable[[np.ndarray, np.ndarray], Any],
    trajectory: Any | Mapping[str, Any] | None = None,
    *,
    xrange: tuple[float, float] | None = None,
    yrange: tuple[float, float] | None = None,
    marks: Mapping[str, tuple[float, float]] | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    levels: int = 14,
    steps: int = 150,
) -> Path:
    """Contour lines of `function(x, y)`, and the way that an optimiser took over them.

    Args:
        function: maps two arrays of one shape to values of that shape.
        trajectory: `(steps, 2)` points in order, or names to such; the start is a hollow dot, the end a full one.
        xrange, yrange: what is shown; by default all of the trajectories, with a margin.
        marks: names to single points (a minimum), each a star.
    """
    paths = trajectory if isinstance(trajectory, Mapping) else {"": trajectory} if trajectory is not None else {}
    ways = {name: array(way).astype(np.float64) for name, way in paths.items()}
    for name, way in ways.items():
        if way.ndim != 2 or way.shape[1] != 2:
            raise InputError(f"contours: expected the trajectory {name!r} as (steps, 2), got shape {way.shape}")
    seen = np.concatenate([*ways.values(), array(list((marks or {}).values())).reshape(-1, 2)])
    ranges = tuple(given or _range(seen[:, axis]) for axis, given in enumerate((xrange, yrange)))
    across, up = _square(ranges, steps)  # type: ignore[arg-type]
    with figure(path, (5.6, 4.4)) as (_, grid):
        axes = grid[0, 0]
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel, xlim=ranges[0], ylim=ranges[1])
        heights = array(function(across, up)).astype(np.float64)
        axes.contourf(across, up, heights, levels=levels, cmap="Greys", alpha=0.35)
        axes.contour(across, up, heights, levels=levels, colors="#8A8A8A", linewidths=0.6)
        for number, (name, way) in enumerate(ways.items()):
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(*way.T, color=colour, marker="." if len(way) <= 200 else None, markersize=5, label=name or None)
            axes.plot(*way[0], "o", color="white", markeredgecolor=colour, markersize=7)
            axes.plot(*way[-1], "o", color=colour, markersize=7)
        for name, (x, y) in (marks or {}).items():
            axes.plot(x, y, "*", color=INK, markersize=11, zorder=4)
            axes.annotate(name, (x, y), xytext=(8, 6), textcoords="offset points", fontsize=9, bbox=HALO)
        if any(ways):
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return Path(path)


def _range(values: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.2 * (high - low) or 1.0
    return low - margin, high + margin
