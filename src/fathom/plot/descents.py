"""Paths over functions of one or two variables, several charts in one picture, and the same in motion."""

import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import COLOURS, FAINT, INK, RC, array, figure
from fathom.plot.surfaces import HALO
from fathom.records import replacing

LINES = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)))  # for when the colours begin again


@dataclass(frozen=True, kw_only=True)
class Terrain:
    """One chart: a function and who walked over it.

    Args:
        function: of one array, or, with `yrange`, of two of one shape; gives values of that shape.
        paths: names to `(points, 1)` or `(points, 2)` in order; the start is a hollow dot, the end a full one. A name
            has one colour in every chart of a picture. What leaves the chart is cut off.
        xrange, yrange: what is shown; without `yrange` the function's value is the second axis.
        levels: of the contour lines: how many, or the heights themselves.
        logarithmic: spaces the contour lines by the logarithm of the height above the lowest point shown.
        marks: names to single points (a minimum), each a star; a blank name is not written.
    """

    function: Callable[..., Any]
    paths: Mapping[str, Any]
    xrange: tuple[float, float]
    yrange: tuple[float, float] | None = None
    title: str = ""
    xlabel: str = "x"
    ylabel: str = ""
    levels: int | Sequence[float] = 14
    logarithmic: bool = False
    marks: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the paths."""
        dimensions = 1 if self.yrange is None else 2
        for name, way in self.paths.items():
            shape = array(way).shape
            if len(shape) != 2 or shape[1] != dimensions:
                raise InputError(f"terrain: expected the path {name!r} as (points, {dimensions}), got shape {shape}")


Look = Mapping[str, Mapping[str, Any]]


def looks(charts: Sequence[Terrain]) -> Look:
    """A colour, and beyond seven names another kind of line, for each name in the charts."""
    names = dict.fromkeys(itertools.chain.from_iterable(chart.paths for chart in charts))
    return {
        name: {"color": COLOURS[number % len(COLOURS)], "linestyle": LINES[number // len(COLOURS) % len(LINES)]}
        for number, name in enumerate(names)
    }


def terrains(path: str | os.PathLike[str], charts: Sequence[Terrain], *, columns: int = 0, key: str = "") -> Path:
    """Charts of paths, side by side or in so many `columns`, with one legend below.

    Args:
        key: said above the names.
    """
    if not charts:
        raise InputError("terrains: expected at least one chart, got none")
    columns = columns or len(charts)
    rows = -(-len(charts) // columns)
    look = looks(charts)
    with figure(path, (0.4 + 4.0 * columns, 0.5 + 3.5 * rows), rows, columns) as (page, grid):
        for axes, chart in itertools.zip_longest(grid.flat, charts):
            if chart is None:
                axes.set_visible(False)
                continue
            ground(axes, chart)
            for name, way in chart.paths.items():
                track(axes, name, heights_of(chart, way), look[name])
        legend(page, look, key)
    return Path(path)


def legend(page: Any, look: Look, key: str = "") -> None:
    """All names below the charts."""
    from matplotlib.lines import Line2D

    names = [name for name in look if name]
    if names:
        handles = [Line2D([], [], linewidth=1.6, **look[name]) for name in names]
        columns = len(names) if len(names) <= 5 else -(-len(names) // 2)
        below: Any = {"loc": "outside lower center", "ncols": columns, "fontsize": 9, "handlelength": 2.6}
        page.legend(handles, names, title=key, title_fontproperties={"size": 9}, **below)


def ground(axes: Any, chart: Terrain) -> None:
    """The function itself: a line, or contour lines."""
    axes.set(title=chart.title, xlabel=chart.xlabel, ylabel=chart.ylabel, xlim=chart.xrange)
    axes.locator_params(axis="x", nbins=7)
    across = np.linspace(*chart.xrange, 401)
    if chart.yrange is None:
        height = array(chart.function(across)).astype(np.float64)
        axes.plot(across, height, color="#9A9A9A", linewidth=1.2)
        low, high = float(height.min()), float(height.max())
        axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
    else:
        axes.set_ylim(*chart.yrange)
        x, y = np.meshgrid(across[::2], np.linspace(*chart.yrange, 201))
        height = array(chart.function(x, y)).astype(np.float64)
        levels = _levels(height, chart)
        axes.contourf(x, y, height, levels=levels, cmap="Greys", alpha=0.22, extend="both", norm=_norm(levels))
        axes.contour(x, y, height, levels=levels, colors="#9A9A9A", linewidths=0.6, linestyles="solid")
    for name, (mark_x, mark_y) in chart.marks.items():
        axes.plot(mark_x, mark_y, "*", color=INK, markersize=10, zorder=4)
        if name.strip():
            axes.annotate(
                name, (mark_x, mark_y), xytext=(6, -14), textcoords="offset points", fontsize=9, bbox=HALO, zorder=4
            )


def _levels(height: np.ndarray, chart: Terrain) -> np.ndarray:
    if not isinstance(chart.levels, int):
        return np.asarray(chart.levels, dtype=np.float64)
    low, high = float(height.min()), float(height.max())
    if not chart.logarithmic:
        return np.linspace(low, high, chart.levels)
    return low + (high - low) * np.geomspace(1e-4, 1, chart.levels)


def _norm(levels: np.ndarray) -> Any:
    """One shade more at each contour line."""
    from matplotlib.colors import BoundaryNorm

    return BoundaryNorm(levels, 256, extend="both")


def heights_of(chart: Terrain, way: Any) -> np.ndarray:
    """`(points, 2)` to draw: a path over one variable gets the function's values as its second column."""
    way = array(way).astype(np.float64)
    if chart.yrange is not None:
        return way
    return np.stack([way[:, 0], array(chart.function(way[:, 0])).astype(np.float64)], axis=1)


def track(axes: Any, name: str, way: np.ndarray, look: Mapping[str, Any]) -> None:
    """One path."""
    few = len(way) <= 120
    axes.plot(*way.T, **look, linewidth=1.4, marker="." if few else None, markersize=5, alpha=0.9)
    axes.plot(*way[0], "o", color="white", markeredgecolor=look["color"], markersize=6)
    axes.plot(*way[-1], "o", color=look["color"], markersize=6)


def animate(
    path: str | os.PathLike[str], charts: Sequence[Terrain], frames: Sequence[int], *, columns: int = 0, pause: int = 80
) -> Path:
    """An animated GIF of the charts: in each frame the paths are drawn up to so many points.

    Args:
        frames: for each frame, up to which point of the paths it goes (0 shows the starts alone).
        pause: milliseconds a frame; the last stays for 25 of them.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not charts or not frames:
        raise InputError(f"animate: expected charts and frames, got {len(charts)} and {len(frames)}")
    columns = columns or len(charts)
    rows, look = -(-len(charts) // columns), looks(charts)
    style: Any = {**RC, "figure.dpi": 72}
    with matplotlib.rc_context(style):
        page = Figure(figsize=(0.4 + 3.6 * columns, 0.9 + 3.0 * rows), layout="constrained")
        canvas = FigureCanvasAgg(page)
        grid = page.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(charts) :]:
            axes.set_visible(False)
        moving = []
        for axes, chart in zip(grid.flat, charts, strict=False):
            ground(axes, chart)
            for name, way in chart.paths.items():
                moving.append(_Moving(axes, heights_of(chart, way), look[name]))
        legend(page, look)
        count = page.suptitle("after 0 updates", fontsize=10, color=FAINT)
        canvas.draw()  # the layout, once
        page.set_layout_engine("none")
        count.set_visible(False)
        canvas.draw()
        still: Any = canvas.copy_from_bbox(page.bbox)
        count.set_visible(True)
        pictures = []
        for until in frames:
            canvas.restore_region(still)
            for each in moving:
                each.draw(until)
            count.set_text(f"after {until} updates")
            page.draw_artist(count)
            pictures.append(np.array(canvas.buffer_rgba())[..., :3])
    _save_gif(Path(path), pictures, [pause] * (len(pictures) - 1) + [25 * pause])
    return Path(path)


class _Moving:
    """A path's line and its head, drawn up to some point."""

    def __init__(self, axes: Any, way: np.ndarray, look: Mapping[str, Any]) -> None:
        self.axes, self.way = axes, way
        (self.line,) = axes.plot([], [], linewidth=1.5, animated=True, **look)
        (self.head,) = axes.plot([], [], "o", markersize=6, color=look["color"], animated=True)

    def draw(self, until: int) -> None:
        self.line.set_data(*self.way[: until + 1].T)
        self.head.set_data(*self.way[min(until, len(self.way) - 1)][:, None])
        self.axes.draw_artist(self.line)
        self.axes.draw_artist(self.head)


def _palette() -> list[int]:
    """Red, green, blue, and so on: greys, and each colour of lines mixed with paler and paler ground."""
    shades = [[grey, grey, grey] for grey in (*range(0, 245, 5), 255)]
    for colour in COLOURS:
        pure = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
        shades += [(pure + share * (215 - pure)).astype(int).tolist() for share in (0, 0.12, 0.25, 0.4, 0.55, 0.7)]
    return [part for shade in shades for part in shade]


def _save_gif(path: Path, pictures: Sequence[np.ndarray], times: Sequence[int]) -> None:
    """One palette for all pictures; what is as in the picture before is transparent, which packs well.

    Args:
        pictures: `(height, width, 3)` of bytes each.
        times: milliseconds that each stays.
    """
    from PIL import Image

    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette())
    clear, before, frames = 255, None, []
    for picture in pictures:
        numbers = np.asarray(Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE)).copy()
        shown = numbers if before is None else np.where(numbers == before, clear, numbers).astype(np.uint8)
        frame = Image.fromarray(shown, mode="P")
        frame.putpalette(_palette() + [255] * (3 * 256 - len(_palette())))
        frames.append(frame)
        before = numbers
    with replacing(path) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=frames[1:], duration=list(times), loop=0,
            disposal=1, transparency=clear, optimize=False,
        )  # fmt: skip


def spread_frames(updates: int, count: int) -> list[int]:
    """About `count` points of a path of `updates` updates, close together at the start, where most happens."""
    chosen = {0, updates, *(round(updates * (number / count) ** 2) for number in range(count))}
    return sorted(chosen | set(range(min(math.isqrt(count), updates) + 1)))
