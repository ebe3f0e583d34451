"""What the loop tells its listeners, and what it asks of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fathom.metrics import Running


class Stateful(Protocol):
    """Anything that changes in training and can be saved: models, optimisers, batches, random states, …"""

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers, text, lists, tuples and dicts of them."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Put back what `state_dict` gave."""


@dataclass
class Progress:
    """How far a training has come. Listeners get this object; it is `Stateful`.

    Args:
        epochs: how many epochs the training shall have.
        steps_per_epoch: batches in an epoch.
        epoch: epochs completed; in an `epoch` event it counts the one that just ended.
        step: batches done since the beginning, over all epochs.
        examples: examples seen since the beginning.
        seconds: time spent since the beginning, over all sittings.
        history: one dict an epoch, `train_...` and `test_...` by name.
        running: means over the epoch that is under way.
        status: `running`, then `finished`, `stopped` (by a signal) or `failed`.
        enough: set by a listener to end the training after this epoch.
        device: on what it runs, in words.
    """

    epochs: int = 0
    steps_per_epoch: int = 0
    epoch: int = 0
    step: int = 0
    examples: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    running: Running = field(default_factory=Running)
    status: str = "running"
    enough: bool = False
    device: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """Running means of the epoch under way (`loss`, …); between epochs, the last epoch's record."""
        if self.running.weight:
            return self.running.means()
        return dict(self.history[-1]) if self.history else {}

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "examples": self.examples,
            "seconds": self.seconds,
            "history": self.history,
            "running": self.running.state_dict(),
            "enough": self.enough,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.epoch, self.step, self.examples = state["epoch"], state["step"], state["examples"]
        self.seconds, self.enough = state["seconds"], state["enough"]
        self.history = [dict(record) for record in state["history"]]
        self.running.load_state_dict(state["running"])


class Listener(Protocol):
    """Hears of every step, every epoch's end and the end, however it came (`progress.status` tells)."""

    def step(self, progress: Progress) -> None:
        """A batch is done."""

    def epoch(self, progress: Progress) -> None:
        """An epoch is done and measured; its record is `progress.history[-1]`."""

    def end(self, progress: Progress) -> None:
        """The training is over, or was stopped, or failed."""
