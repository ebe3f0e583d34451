"""The live bar: what is being done, how well, how fast and how long still."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from fathom.train.events import Progress

LINES = 40  # that a training leaves behind, about
BAR = 12  # columns that the bar itself has at least, with the gaps beside it


def _numbers(metrics: dict[str, float]) -> list[str]:
    return [f"{name} {value:.4g}" for name, value in metrics.items() if name != "epoch"]


def fitted(parts: Sequence[str], width: int, expendable: Iterable[str]) -> str:
    """The parts in one line of at most `width` characters; as many of the expendable ones go, in order, as must."""
    kept = list(parts)
    for part in expendable:
        if len("  ".join(kept)) <= width:
            break
        kept.remove(part)
    return "  ".join(kept)[: max(0, width)]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Bar:
    """Shows epoch, loss, metric, examples a second and time left on stderr.

    On a terminal a bar moves and each epoch leaves a line behind; elsewhere a plain line comes at each epoch's end
    and, in long epochs, every `interval` seconds. Where there are very many epochs, only some leave a line.
    """

    def __init__(self, stream: TextIO | None = None, interval: float = 10.0) -> None:
        self.stream = stream or sys.stderr
        self.interval = interval
        self.live = self.stream.isatty()
        self._console: Any = None
        self._bar: Any = None
        self._task: Any = None
        if self.live:
            from rich.console import Console

            self._console = Console(file=self.stream)
        self._shown = time.monotonic()
        self._start: tuple[float, int, int] | None = None

    def step(self, progress: Progress) -> None:
        """Move the bar at most ten times a second, or print a line every `interval` seconds."""
        now = time.monotonic()
        if self._start is None:
            self._start = (now, progress.examples, progress.step)
            if progress.device:
                print(f"training on {progress.device}", file=self.stream, flush=True)
        if now - self._shown < (0.1 if self.live else self.interval):
            return
        self._shown = now
        if self.live:
            self._move(progress)
        else:
            done = progress.step - progress.epoch * progress.steps_per_epoch
            self._print(f"epoch {progress.epoch + 1}/{progress.epochs}  {done}/{progress.steps_per_epoch}", progress)

    def epoch(self, progress: Progress) -> None:
        """Leave a line with the epoch's record; of many epochs, about forty leave one."""
        self._shown = time.monotonic()
        last = progress.enough or progress.epoch == progress.epochs
        if last or progress.epoch % max(1, progress.epochs // LINES) == 0:
            self._print(f"epoch {progress.epoch}/{progress.epochs}", progress)
        if self.live:
            self._move(progress)

    def end(self, progress: Progress) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._start = None  # what comes next, if anything does, has a speed of its own

    def _speed(self, progress: Progress) -> tuple[float, float]:
        """Examples a second in this sitting, and the seconds that are left."""
        if self._start is None:
            return 0.0, 0.0
        since, examples, step = self._start
        elapsed = time.monotonic() - since
        if elapsed <= 0 or progress.step == step:
            return 0.0, 0.0
        left = progress.epochs * progress.steps_per_epoch - progress.step
        return (progress.examples - examples) / elapsed, elapsed / (progress.step - step) * max(0, left)

    def _print(self, head: str, progress: Progress) -> None:
        rate, left = self._speed(progress)
        speed = [f"{rate:,.0f} examples/s"] if rate else []
        speed += [f"{_clock(left)} left"] if left else []
        numbers = _numbers(progress.metrics)
        parts = [head, *numbers, *speed]
        if not self.live:
            print("  ".join(parts), file=self.stream, flush=True)
            return
        of_training = [number for number in numbers if number.startswith("train_")]
        others = [number for number in numbers if number not in of_training]
        expendable = [*reversed(speed), *reversed(of_training[1:]), *reversed(others[1:])]
        line = fitted(parts, self._console.width, expendable)
        self._console.print(line, highlight=False, markup=False)

    def _move(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            columns = (TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[rest]}"))
            self._bar = RichProgress(*columns, console=self._console, auto_refresh=False, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=progress.epochs * progress.steps_per_epoch, rest="")
        rate, left = self._speed(progress)
        epoch = f"epoch {min(progress.epoch + 1, progress.epochs)}/{progress.epochs}"
        numbers = _numbers(progress.running.means() if progress.running.weight else {})
        speed = f"{rate:,.0f}/s"
        expendable = [speed, *reversed(numbers[1:])]
        rest = fitted([*numbers, speed, _clock(left)], self._console.width - len(epoch) - BAR, expendable)
        self._bar.update(self._task, completed=progress.step, description=epoch, rest=rest)
        self._bar.refresh()
