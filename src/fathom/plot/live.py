"""Curves in the terminal, as text."""

import math
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, TextIO

from fathom.plot.curves import SPLITS, panels, values_by_epoch

if TYPE_CHECKING:
    from fathom.train.events import Progress


DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character by `[row][column]`; U+2800 is the empty one."""

ANSI = ("34", "33", "32", "35", "36", "31")


def chart(
    series: Mapping[str, Sequence[float]],
    *,
    width: int = 72,
    height: int = 12,
    xlabel: str = "",
    unicode: bool = True,
    colour: bool = False,
) -> str:
    """Named lines as text, their names and last values beside their right ends; values stand at equal distances.

    Args:
        width, height: of the whole chart in characters, axis and names included.
        xlabel: at the right end of the axis.
        unicode: draw with braille dots (2 × 4 a character); else with one sign a line, in ASCII.
        colour: use ANSI colours.
    """
    finite = {name: [value for value in values if math.isfinite(value)] for name, values in series.items()}
    finite = {name: values for name, values in finite.items() if values}
    rows = max(height - 1, 3)
    if not finite:
        return "(nothing to draw yet)"
    low = min(min(values) for values in finite.values())
    high = max(max(values) for values in finite.values())
    if high == low:
        low, high = low - (abs(low) or 1.0) * 0.5, high + (abs(high) or 1.0) * 0.5
    ticks = [f"{high - (high - low) * row / (rows - 1):.3g}" for row in range(rows)]
    margin = max(map(len, ticks))
    labels = _labels(finite, low, high, rows)
    columns = max(width - margin - 2 - max(len(text) for text, _ in labels.values()) - 1, 8)
    cells = _draw(finite, low, high, rows, columns, unicode)
    paint = _paint if colour else lambda text, line: text
    lines = []
    for row in range(rows):
        tick = ticks[row] if row in (0, rows - 1) or row == (rows - 1) // 2 else ""
        axis = "│" if unicode else "|"
        groups = groupby(cells[row], key=lambda cell: cell[1])  # neighbours of one colour
        drawn = "".join(paint("".join(sign for sign, _ in group), line) for line, group in groups)
        text, line = labels.get(row, ("", -1))
        lines.append(f"{tick:>{margin}} {axis}{drawn} {paint(text, line)}".rstrip())
    corner, bar = ("└", "─") if unicode else ("+", "-")
    rule = bar * (columns - len(xlabel) - 1) + f" {xlabel}" if xlabel else bar * columns
    lines.append(f"{'':{margin}} {corner}{rule}")
    return "\n".join(lines)


def _paint(text: str, line: int) -> str:
    return f"\x1b[{ANSI[line % len(ANSI)]}m{text}\x1b[0m" if line >= 0 and text.strip() else text


def _labels(series: Mapping[str, Sequence[float]], low: float, high: float, rows: int) -> dict[int, tuple[str, int]]:
    """`row -> (name and last value, number of the line)`; each label takes the free row nearest to its line's end."""
    taken: dict[int, tuple[str, int]] = {}
    for number, (name, values) in enumerate(series.items()):
        wish = round((high - values[-1]) / (high - low) * (rows - 1))
        free = [row for row in range(rows) if row not in taken]
        if free:
            taken[min(free, key=lambda row: abs(row - wish))] = (f"{name} {values[-1]:.3g}", number)
    return taken


def _draw(
    series: Mapping[str, Sequence[float]], low: float, high: float, rows: int, columns: int, unicode: bool
) -> list[list[tuple[str, int]]]:
    """`[row][column] -> (sign, number of the line or -1)`."""
    across, down = (2, 4) if unicode else (1, 1)
    bits = [[0] * columns for _ in range(rows)]
    owner = [[-1] * columns for _ in range(rows)]
    for number, values in enumerate(series.values()):
        for x, y in _dots(values, low, high, columns * across, rows * down):
            row, column = y // down, x // across
            bits[row][column] |= DOTS[y % down][x % across] if unicode else 1
            owner[row][column] = number
    signs = "*o+x#@"

    def sign(row: int, column: int) -> str:
        if not bits[row][column]:
            return " "
        return chr(0x2800 + bits[row][column]) if unicode else signs[owner[row][column] % len(signs)]

    return [[(sign(row, column), owner[row][column]) for column in range(columns)] for row in range(rows)]


def _dots(values: Sequence[float], low: float, high: float, width: int, height: int) -> list[tuple[int, int]]:
    """The dots of a line through `values`, spread over the whole width; `(0, 0)` is at the top left."""
    if len(values) == 1:
        values = [values[0], values[0]]
    dots = []
    before = None
    for x in range(width):
        place = x / max(width - 1, 1) * (len(values) - 1)
        left = min(int(place), len(values) - 2)
        value = values[left] + (values[left + 1] - values[left]) * (place - left)
        y = round((high - value) / (high - low) * (height - 1))
        steps = range(min(before, y) + 1, max(before, y)) if before is not None else range(0)
        dots += [(x, between) for between in steps]
        dots.append((x, y))
        before = y
    return dots


def _splits(name: str, history: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The lines of one quantity by split."""
    found = {split or name: values_by_epoch(name, split, history)[1] for split in SPLITS}
    return {split: values for split, values in found.items() if values}


class LiveCurve:
    """Listener that draws the loss and the first metric in the terminal while training goes on.

    On a terminal the chart is drawn in place, with a line on epoch, speed and time left under it, so it stands for the
    bar; elsewhere it is printed once, at the end.

    Args:
        stream: where to draw; stderr by default.
        height: lines of the chart.
        interval: least number of seconds between two drawings.
    """

    def __init__(self, stream: TextIO | None = None, height: int = 16, interval: float = 0.25) -> None:
        self.stream = stream or sys.stderr
        self.height, self.interval = height, interval
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self._losses: list[float] = []  # of the first steps and epochs, at most 512
        self._every = 1
        self._drawn_at = 0.0
        self._lines = 0
        self._start: tuple[float, int, int] | None = None

    def step(self, progress: "Progress") -> None:
        """Note the running loss; draw when it is time."""
        if not self.live:
            return
        now = time.monotonic()
        if self._start is None:
            self._start = (now, progress.step, progress.examples)
        if progress.step % self._every == 0:
            self._note(progress.metrics)
        if now - self._drawn_at >= self.interval:
            self._drawn_at = now
            self._show(progress)

    def epoch(self, progress: "Progress") -> None:
        """Draw with the epoch's record."""
        if self.live:
            self._show(progress)

    def end(self, progress: "Progress") -> None:
        """Draw for the last time; the chart stays."""
        self._show(progress)

    def _note(self, metrics: Mapping[str, float]) -> None:
        if "loss" in metrics:
            self._losses.append(metrics["loss"])
        if len(self._losses) > 512:  # keep every second one from now on, so that memory and drawing time stay small
            self._losses, self._every = self._losses[::2], self._every * 2

    def _show(self, progress: "Progress") -> None:
        text = self._text(progress)
        if not text:
            return
        lines = text.split("\n")
        back = f"\x1b[{self._lines}F\x1b[J" if self._lines and self.live else ""
        self.stream.write(back + text + "\n")
        self.stream.flush()
        self._lines = len(lines)

    def _text(self, progress: "Progress") -> str:
        size = shutil.get_terminal_size((80, 24))
        height = min(self.height, size.lines - 3)
        if len(progress.history) >= 2:
            names = panels(progress.history)[: 2 if height >= 12 else 1]
            label = f"epoch {len(progress.history)}"
            parts = [(name, _splits(name, progress.history), label) for name in names]
        elif self._losses or progress.history:
            losses = self._losses or [progress.history[-1].get("train_loss", math.nan)]
            parts = [("loss", {"train": losses}, f"step {progress.step}")]
        else:
            return ""
        encoding = getattr(self.stream, "encoding", None) or "ascii"
        look: Any = {
            "width": min(size.columns - 1, 100),
            "height": height // len(parts) - 1,
            "unicode": encoding.lower().replace("-", "") in ("utf8", "utf16"),
            "colour": self.live and not os.environ.get("NO_COLOR"),
        }
        drawn = [f"{name.replace('_', ' ')}\n{chart(series, xlabel=label, **look)}" for name, series, label in parts]
        return "\n".join([*drawn, self._status(progress)[: size.columns - 1]])

    def _status(self, progress: "Progress") -> str:
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in progress.metrics.items() if name != "epoch")
        head = f"epoch {min(progress.epoch + 1, progress.epochs)}/{progress.epochs}"
        elapsed = time.monotonic() - self._start[0] if self._start else 0.0
        if self._start is None or progress.step <= self._start[1] or progress.status != "running" or elapsed <= 0:
            return f"{head}  {numbers}"
        left = (progress.epochs * progress.steps_per_epoch - progress.step) * elapsed / (progress.step - self._start[1])
        rate = (progress.examples - self._start[2]) / elapsed
        return f"{head}  {rate:,.0f} examples/s  {left:,.0f} s left  {numbers}"
