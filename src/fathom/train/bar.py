"""The live bar: what is being done, how well, how fast and how long still."""

import sys
import time
from typing import Any, TextIO

from fathom.train.events import Progress

LINES = 40  # that a training leaves behind, about


def _numbers(metrics: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items() if name != "epoch")


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
        self._bar: Any = None
        self._task: Any = None
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
        speed = f"  {rate:,.0f} examples/s" if rate else ""
        if left:
            speed += f"  {_clock(left)} left"
        line = f"{head}  {_numbers(progress.metrics)}{speed}"
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=self.stream, flush=True)

    def _move(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            columns = (TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[rest]}"))
            console = Console(file=self.stream)
            self._bar = RichProgress(*columns, console=console, auto_refresh=False, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=progress.epochs * progress.steps_per_epoch, rest="")
        rate, left = self._speed(progress)
        epoch = min(progress.epoch + 1, progress.epochs)
        numbers = _numbers(progress.running.means() if progress.running.weight else {})
        self._bar.update(
            self._task,
            completed=progress.step,
            description=f"epoch {epoch}/{progress.epochs}",
            rest=f"{numbers}  {rate:,.0f}/s  {_clock(left)}",
        )
        self._bar.refresh()
