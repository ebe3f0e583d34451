"""Means over the examples seen so far."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Running:
    """Weighted running means by name.

    Sums are Python floats (float64), so that a state written as JSON comes back to the last bit; numbers that live
    on an accelerator stay there until somebody asks.

    >>> running = Running()
    >>> running.update({"loss": 3.0}, 1)
    >>> running.update({"loss": 1.0}, 3)
    >>> running.means()
    {'loss': 1.5}
    """

    def __init__(self) -> None:
        self.weight = 0
        self._sums: dict[str, float | Tensor] = {}

    def update(self, values: Mapping[str, float | Tensor], weight: int) -> None:
        """Take in the means of a batch of `weight` examples."""
        self.weight += weight
        sums = self._sums
        for name, value in values.items():
            if isinstance(value, Tensor) and value.device.type == "cpu":
                value = value.item()
            sums[name] = sums.get(name, 0.0) + value * weight

    def merge(self, other: "Running") -> None:
        """Take in all that another process has summed."""
        self.weight += other.weight
        for name, value in other._sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """The mean of each name over all examples; empty before the first update."""
        return {name: float(value) / self.weight for name, value in self._sums.items()}

    def reset(self) -> None:
        """Begin again from nothing."""
        self.weight = 0
        self._sums = {}

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"weight": self.weight, "sums": {name: float(value) for name, value in self._sums.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.weight = int(state["weight"])
        self._sums = dict(state["sums"])

    def __repr__(self) -> str:
        return f"Running({self.weight} examples, {', '.join(self._sums) or 'nothing yet'})"
