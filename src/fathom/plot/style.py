"""The one look of all pictures: fonts, colours that colour-blind eyes tell apart, no chart junk."""

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import SaveError
from fathom.records import replacing

# Okabe and Ito 2008, "Color Universal Design", in the order in which we hand them out (yellow is too pale for lines).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
INK = "#222222"
FAINT = "#767676"
GRID = "#E6E6E6"
WRONG = "#C00000"  # of predictions; always said by more than the colour

EASTERN_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
)

RC: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": "#9A9A9A",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": "#9A9A9A",
    "ytick.color": "#9A9A9A",
    "xtick.labelcolor": FAINT,
    "ytick.labelcolor": FAINT,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "image.cmap": "viridis",
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "text.usetex": False,
    "text.parse_math": False,  # a $ in a class's name is a $
    "svg.hashsalt": "fathom",
}


@contextlib.contextmanager
def figure(
    path: str | os.PathLike[str], size: tuple[float, float], rows: int = 1, columns: int = 1, **grid: Any
) -> Iterator[tuple[Any, np.ndarray]]:
    """A figure and its `(rows, columns)` axes, written to `path` as PNG when the block ends without an error.

    Args:
        size: width and height in inches, at 120 pixels each.
        grid: for `Figure.subplots` (`sharex=`, `width_ratios=` …).

    Raises:
        SaveError: the file can't be written.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    if not path.parent.is_dir():
        raise SaveError(f"could not write {path}: there is no folder {path.parent}; make it first")
    look: Any = {**RC, "font.family": _fonts()}
    with warnings.catch_warnings(), matplotlib.rc_context(look):
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a letter that no font has is drawn as a box
        page = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(page)
        axes = page.subplots(rows, columns, squeeze=False, **grid)
        yield page, axes
        _plain_powers(axes)
        with replacing(path) as temporary:
            page.savefig(temporary, format="png", metadata={"Software": None})


def _fonts() -> list[str]:
    """DejaVu Sans, and behind it a font for Chinese, Japanese and Korean names if the machine has one."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in EASTERN_FONTS if name in installed)]


def _plain_powers(axes: np.ndarray) -> None:
    """Write the ticks of logarithmic axes as 0.01 and 1e-05: the usual powers need the parsing that `RC` turns off."""
    from matplotlib.ticker import FuncFormatter, LogFormatter

    for axis in (axis for one in axes.flat for axis in (one.xaxis, one.yaxis)):
        if axis.get_scale() == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(LogFormatter(labelOnlyBase=False))  # seen only within less than a power of ten


def array(values: Any) -> np.ndarray:
    """Anything like a tensor, on any device, as a NumPy array; the values are left alone."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):  # which NumPy does not have
            values = values.float()
        return np.asarray(values.numpy())
    return np.asarray(values)


def label_ends(axes: Any, ends: Sequence[tuple[str, str, float]], x: float) -> None:
    """Write each line's name beside its right end, moved apart where they would overlap.

    Args:
        ends: `(name, colour, y of the line's last point)`.
        x: the right end, in data units.
    """
    if not ends:
        return
    low, high = axes.get_ylim()
    log = axes.get_yscale() == "log"

    def height(y: float) -> float:  # of the axes, 0 at the bottom
        if log:
            return float((np.log(y) - np.log(low)) / (np.log(high) - np.log(low)))
        return (y - low) / (high - low)

    room = 0.075 * 3.2 / max(axes.get_position().height * axes.figure.get_figheight(), 1.0)
    places = spread([min(max(height(y), 0.0), 1.0) for _, _, y in ends], room)
    right = axes.get_xlim()[1]
    for (name, colour, _), place in zip(ends, places, strict=True):
        axes.annotate(
            name, (max(x, right), place), xycoords=("data", "axes fraction"), xytext=(5, 0),
            textcoords="offset points", color=colour, va="center", fontsize=9, annotation_clip=False,
        )  # fmt: skip


def spread(places: Sequence[float], room: float) -> list[float]:
    """`places` moved as little as needed so that neighbours stand `room` apart; the order stays."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups: list[tuple[float, list[int]]] = []  # (middle, members), from the bottom
    for index in order:
        groups.append((places[index], [index]))
        while len(groups) > 1:
            (below, lower), (above, upper) = groups[-2:]
            if above - below >= room * (len(lower) + len(upper)) / 2 - 1e-12:
                break
            middle = (below * len(lower) + above * len(upper)) / (len(lower) + len(upper))
            groups[-2:] = [(middle, lower + upper)]
    moved = [0.0] * len(places)
    for middle, members in groups:
        for rank, index in enumerate(members):
            moved[index] = middle + (rank - (len(members) - 1) / 2) * room
    return moved


def whole_numbers(axis: Any) -> None:
    """Ticks of `axis` at whole numbers only, for epochs."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
