"""`curves.png`: loss and metrics of a run by epoch, training beside test, with the published figure."""

import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom.plot.style import COLOURS, FAINT, figure, label_ends, whole_numbers
from fathom.records import Published, RunFolder

if TYPE_CHECKING:
    from fathom.train.events import Progress

SPLITS = {"train": COLOURS[0], "test": COLOURS[1], "plain": COLOURS[3], "": COLOURS[2]}
PANELS = 6  # more would be too small to read


class Curves:
    """Listener that keeps `curves.png` up to date in a run folder.

    It draws at the end, and before that at an epoch's end when the last drawing lies at least `interval` seconds and
    fifty times as long back as drawing takes: the picture costs a training at most 2 % of its time.

    Args:
        folder: the run folder.
        published: the source's figures, drawn as dotted lines.
        interval: least number of seconds between two drawings.
    """

    def __init__(
        self, folder: RunFolder | str | os.PathLike[str], published: Sequence[Published] = (), interval: float = 2.0
    ) -> None:
        self.path = (folder.path if isinstance(folder, RunFolder) else Path(folder)) / "curves.png"
        self.published, self.interval = tuple(published), interval
        self._drawn_at = time.monotonic()
        self._cost = 0.5  # seconds, before the first drawing has told
        self._drawn_epochs = 0

    def step(self, progress: "Progress") -> None:
        """Steps don't show."""

    def epoch(self, progress: "Progress") -> None:
        """Draw, unless it was done a moment ago."""
        if time.monotonic() - self._drawn_at >= max(self.interval, 50 * self._cost):
            self._draw(progress)

    def end(self, progress: "Progress") -> None:
        """Draw what has not been drawn."""
        if progress.history and len(progress.history) != self._drawn_epochs:
            self._draw(progress)

    def _draw(self, progress: "Progress") -> None:
        start = time.monotonic()
        curves(self.path, progress.history, self.published)
        self._drawn_at = time.monotonic()
        self._cost = self._drawn_at - start
        self._drawn_epochs = len(progress.history)


def curves(
    path: str | os.PathLike[str], history: Sequence[Mapping[str, float]], published: Sequence[Published] = ()
) -> Path:
    """One panel for each quantity of `history`, the loss first.

    Args:
        history: one record an epoch: `epoch`, and numbers named `train_…` and `test_…`.
        published: each is a dotted line in the panel of its metric.
    """
    names = panels(history)
    count = max(1, len(names))
    columns = count if count <= 4 else 3
    rows = -(-count // columns)
    with figure(path, (1.0 + 4.1 * columns, 3.3 * rows), rows, columns) as (_, grid):
        for axes in grid.flat[len(names) :]:
            axes.axis("off")
        for axes, name in zip(grid.flat, names, strict=False):
            axes.set(title=name.replace("_", " "), xlabel="epoch")
            axes.grid(axis="y")
            whole_numbers(axes.xaxis)
            _draw_splits(axes, name, history)
            _draw_published(axes, name, published)
            if len(history) == 1:
                epoch = history[0].get("epoch", 1)
                axes.set_xlim(epoch - 0.5, epoch + 0.5)
            label_ends(axes, _ends(name, history), history[-1].get("epoch", len(history)))
    return Path(path)


def panels(history: Sequence[Mapping[str, float]]) -> list[str]:
    """The quantities in `history` without their split, the loss first, at most six."""
    names = dict.fromkeys(_quantity(key) for record in history for key in record if key != "epoch")
    return sorted(names, key=lambda name: name != "loss")[:PANELS]


def _quantity(key: str) -> str:
    split, _, rest = key.partition("_")
    return rest if split and split in SPLITS and rest else key


def values_by_epoch(name: str, split: str, history: Sequence[Mapping[str, float]]) -> tuple[list[float], list[float]]:
    """`(epochs, values)`; the split of a quantity that has none is ""."""
    epochs, values = [], []
    for number, record in enumerate(history, start=1):
        value = record.get(f"{split}_{name}" if split else name)
        if value is not None and math.isfinite(value):
            epochs.append(record.get("epoch", number))
            values.append(value)
    return epochs, values


def _draw_splits(axes: Any, name: str, history: Sequence[Mapping[str, float]]) -> None:
    every = []
    for split, colour in SPLITS.items():
        epochs, values = values_by_epoch(name, split, history)
        axes.plot(epochs, values, color=colour, marker="o" if len(epochs) <= 12 else None, markersize=4)
        every += values
    if every and name.endswith(("loss", "error")) and min(every) > 0 and max(every) > 50 * min(every):
        axes.set_yscale("log")


def _draw_published(axes: Any, name: str, published: Sequence[Published]) -> None:
    seen, outside = axes.get_ylim(), False
    for figure_ in published:
        split = figure_.metric.partition("_")[0]
        if _quantity(figure_.metric) != name or figure_.value is None:
            continue
        colour = SPLITS.get(split, FAINT)
        axes.axhline(figure_.value, color=colour, linestyle=(0, (1, 2)), linewidth=1.4, zorder=1)
        label = f"published {split}" if split in SPLITS else "published"
        axes.annotate(
            f"{label} {figure_.value:g}", (0.01, figure_.value), xycoords=("axes fraction", "data"),
            xytext=(2, 3), textcoords="offset points", fontsize=8, color=colour,
        )  # fmt: skip
        seen = min(seen[0], figure_.value), max(seen[1], figure_.value)
        outside = True
    if outside and axes.get_yscale() != "log":
        room = 0.1 * (seen[1] - seen[0])
        axes.set_ylim(seen[0] - room / 2, seen[1] + room)


def _ends(name: str, history: Sequence[Mapping[str, float]]) -> list[tuple[str, str, float]]:
    ends = []
    for split, colour in SPLITS.items():
        _, values = values_by_epoch(name, split, history)
        if values:
            ends.append((f"{split} {values[-1]:.3g}".strip(), colour, values[-1]))
    return ends
