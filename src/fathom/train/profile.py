"""Where the time goes: a torch.profiler trace of a few steps."""

import os
from pathlib import Path
from typing import Any

from fathom.errors import SaveError
from fathom.train.events import Progress


class Profile:
    """Listener that profiles ten steps after two of warm-up, writes `trace.json` and keeps the top operations.

    Args:
        folder: where `trace.json` is written; open it at https://ui.perfetto.dev or chrome://tracing.
    """

    def __init__(self, folder: Path, warmup: int = 2, steps: int = 10, rows: int = 12) -> None:
        self.trace, self.warmup, self.steps, self.rows = folder / "trace.json", warmup, steps, rows
        self.table = ""
        self._seen = 0
        self._profiler: Any = None

    def step(self, progress: Progress) -> None:
        """Start after the warm-up; stop after `steps` more."""
        self._seen += 1
        if self._seen == self.warmup:
            from torch.profiler import profile

            os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # above all levels: 5, USDT, writes to every terminal
            self._profiler = profile(record_shapes=True)
            self._profiler.__enter__()
        elif self._seen == self.warmup + self.steps:
            self._stop()

    def epoch(self, progress: Progress) -> None:
        """Epochs don't matter."""

    def end(self, progress: Progress) -> None:
        """Stop, if the training was shorter than that."""
        self._stop()

    def _export(self, profiler: Any) -> None:
        self.trace.unlink(missing_ok=True)
        profiler.export_chrome_trace(str(self.trace))
        if not self.trace.is_file():  # on a full disk it leaves what it could write, and says nothing
            self.trace.with_name(f"{self.trace.name}.tmp").unlink(missing_ok=True)
            raise SaveError(f"could not write {self.trace}; make room, or leave --profile out")

    def _stop(self) -> None:
        if self._profiler is None:
            return
        profiler, self._profiler = self._profiler, None
        profiler.__exit__(None, None, None)
        self._export(profiler)
        by = "self_cuda_time_total" if profiler.profiler.use_device == "cuda" else "self_cpu_time_total"
        self.table = profiler.key_averages().table(sort_by=by, row_limit=self.rows, max_name_column_width=40)
