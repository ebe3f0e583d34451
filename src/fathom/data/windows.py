"""Windows over one long sequence: index operations on one tensor, no Python per example."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fathom import seeding
from fathom.errors import InputError, ShapeError


class Windows:
    """Batches of windows of a sequence and of what follows each step, an epoch at a time, resumable as `Batches`.

    Each epoch begins at an offset below `steps`, drawn from `(seed, epoch)`, so that windows are cut elsewhere.

    - `random`: windows in random order.
    - `sequential`: the sequence is cut into `batch_size` rows; batch after batch moves along them, so that a row of a
      batch goes on where that row of the batch before stopped, and a recurrent state can be carried over.
    - `fixed`: sequential from offset 0, for measuring.

    Args:
        tensors: each `(steps of the whole sequence,)` or with more axes behind, such as `x` and the `y` that follows.
        batch_size: windows a batch.
        steps: length of a window.
        sampling: `random`, `sequential` or `fixed`.
        seed: `0 <= seed < 2**32`.
        device: where to keep the tensors; None leaves them where they are.
        limit: at most this many batches an epoch; 0 is all.

    Raises:
        InputError: the sequence is shorter than one batch of windows, or a number is out of range.

    Source: Dive into Deep Learning, "Language Models and the Dataset".
    """

    def __init__(
        self,
        *tensors: Tensor,
        batch_size: int,
        steps: int,
        sampling: str = "random",
        seed: int = 0,
        device: torch.device | str | None = None,
        limit: int = 0,
    ) -> None:
        length = len(tensors[0])
        if any(len(tensor) != length for tensor in tensors):
            raise ShapeError(f"windows: expected tensors of one length, got {[len(tensor) for tensor in tensors]}")
        if min(batch_size, steps) < 1 or limit < 0:
            raise InputError(f"windows: expected sizes of at least 1, got batch_size {batch_size}, steps {steps}")
        if sampling not in ("random", "sequential", "fixed"):
            raise InputError(f"sampling: expected random, sequential or fixed, got {sampling!r}")
        self.freedom = 1 if sampling == "fixed" else steps  # offsets that an epoch may begin at
        self.row = (length - self.freedom + 1) // batch_size  # steps in a row, sequentially
        windows = self.row // steps * batch_size if sampling != "random" else (length - self.freedom + 1) // steps
        if windows < batch_size:
            raise InputError(
                f"windows: expected at least {batch_size * steps + self.freedom:,} tokens for {batch_size} windows of "
                f"{steps} steps, got {length + 1:,}; give a longer text, or smaller sizes"
            )
        self.tensors = tuple(tensor.to(device) for tensor in tensors) if device is not None else tensors
        self.device = self.tensors[0].device
        self.batch_size, self.steps, self.sampling, self.seed = batch_size, steps, sampling, seed
        whole = windows // batch_size
        self.batches = min(whole, limit) if limit else whole
        self.windows = windows
        self.epoch = 0
        self.position = 0

    @property
    def examples(self) -> int:
        """Windows an epoch."""
        return self.batches * self.batch_size

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.batches

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        starts = self._starts()
        along = torch.arange(self.steps, device=starts.device)
        while self.position < len(self):
            chosen = starts[self.position]
            self.position += 1
            places = chosen[:, None] + along
            yield tuple(self._long(tensor[places]) for tensor in self.tensors)
        self.epoch += 1
        self.position = 0

    @staticmethod
    def _long(tensor: Tensor) -> Tensor:
        return tensor if tensor.is_floating_point() else tensor.long()

    def _starts(self) -> Tensor:
        """Where each window of the current epoch starts: `(batches, batch_size)` of int."""
        generator = seeding.generator(self.seed, self.epoch)
        offset = int(torch.randint(self.freedom, (1,), generator=generator))
        if self.sampling == "random":
            order = torch.randperm(self.windows, generator=generator)[: self.examples]
            starts = offset + self.steps * order.view(self.batches, self.batch_size)
        else:
            rows = offset + self.row * torch.arange(self.batch_size)
            starts = rows + self.steps * torch.arange(self.batches)[:, None]
        return starts.to(self.tensors[0].device)

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the position in it."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave; InputError if it is past the end."""
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position <= len(self):
            raise InputError(
                f"windows: expected a position from 0 to {len(self)}, got {position}; is it another run's?"
            )
        self.epoch, self.position = epoch, position

    def __repr__(self) -> str:
        sizes = f"{self.batches} an epoch of {self.batch_size} windows of {self.steps} steps"
        return f"Windows({sizes}, {self.sampling})"
