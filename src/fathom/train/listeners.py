"""Small listeners: the log, TensorBoard, early stopping, what a plateau observes."""

import json
from pathlib import Path
from typing import Any

from fathom.errors import SaveError
from fathom.optim import Plateau
from fathom.records import dump_json, write_text
from fathom.train.events import Progress


class JsonLines:
    """Writes `metrics.jsonl`: about 20 lines an epoch with the running means, and one with each epoch's record.

    On a resumed run the file is first cut back to the step from which the run goes on.
    """

    def __init__(self, path: Path, progress: Progress, lines_per_epoch: int = 20) -> None:
        self.path, self.lines_per_epoch = path, lines_per_epoch
        self._cut(progress.step)

    def step(self, progress: Progress) -> None:
        """Write a line at every twentieth of an epoch."""
        if progress.step % max(1, progress.steps_per_epoch // self.lines_per_epoch) == 0:
            self._write({"step": progress.step, "epoch": progress.epoch + 1, **progress.metrics})

    def epoch(self, progress: Progress) -> None:
        """Write the epoch's record."""
        self._write({"step": progress.step, **progress.history[-1]})

    def end(self, progress: Progress) -> None:
        """Nothing is left to write: each line is on the disk at once."""

    def _write(self, record: dict[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(dump_json(record, indent=None) + "\n")
        except OSError as error:
            raise SaveError(f"could not write {self.path}: {error.strerror}; make room, then resume") from error

    def _cut(self, step: int) -> None:
        if not self.path.is_file():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
            try:
                later = json.loads(line)["step"] > step
            except (ValueError, TypeError, KeyError):  # the process was killed while it wrote this line
                break
            if later or not line.endswith("\n"):
                break
            kept.append(line)
        write_text(self.path, "".join(kept))


class TensorBoard:
    """Writes the epochs' records for TensorBoard into `folder/tensorboard`; needs the extra `log`.

    On a resumed run, what was written after the step from which it goes on is purged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tensorboard"
        self._writer: Any = None

    @staticmethod
    def available() -> bool:
        """Whether the extra is installed."""
        from importlib.util import find_spec

        return find_spec("tensorboard") is not None

    def step(self, progress: Progress) -> None:
        """Write the running loss twenty times an epoch."""
        if progress.step % max(1, progress.steps_per_epoch // 20) == 0:
            self._open(progress).add_scalar("loss/running", progress.metrics["loss"], progress.step)

    def epoch(self, progress: Progress) -> None:
        """Write the epoch's record, training and test under one heading."""
        for name, value in progress.history[-1].items():
            split, _, what = name.partition("_")
            if what:
                self._open(progress).add_scalar(f"{what}/{split}", value, progress.step)

    def end(self, progress: Progress) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _open(self, progress: Progress) -> Any:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=progress.step)
        return self._writer


class Observed:
    """Shows a schedule with a memory the loss of each epoch.

    Args:
        schedule: what observes it.
        name: of the loss in an epoch's record.
    """

    def __init__(self, schedule: Plateau, name: str = "test_loss") -> None:
        self.schedule, self.name = schedule, name

    def step(self, progress: Progress) -> None:
        """Steps don't count."""

    def epoch(self, progress: Progress) -> None:
        """Show it."""
        self.schedule.observe(progress.history[-1][self.name])

    def end(self, progress: Progress) -> None:
        """Nothing to do."""


class EarlyStopping:
    """Ends the training after `patience` epochs in a row without a new best. Its memory is the history itself.

    Args:
        patience: epochs, at least 1.
        monitor: the name in an epoch's record.
        maximise: whether more of it is better.
    """

    def __init__(self, patience: int, monitor: str = "test_loss", maximise: bool = False) -> None:
        self.patience, self.monitor, self.maximise = patience, monitor, maximise

    def step(self, progress: Progress) -> None:
        """Steps don't count."""

    def epoch(self, progress: Progress) -> None:
        """Say `enough` when the best epoch lies `patience` epochs back."""
        scores = [record[self.monitor] for record in progress.history if self.monitor in record]
        if not scores:
            return
        best = max(scores) if self.maximise else min(scores)
        progress.enough = len(scores) - 1 - scores.index(best) >= self.patience

    def end(self, progress: Progress) -> None:
        """Nothing to do."""
