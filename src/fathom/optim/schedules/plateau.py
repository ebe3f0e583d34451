"""The one schedule with a memory: it waits until a loss no longer falls."""

import math
from collections.abc import Mapping
from typing import Any

from fathom.optim.schedules.course import within


class Plateau:
    """A factor that drops when the observed value has not got better for a while. It is `Stateful`.

    A value is better if it is below `best (1 - threshold)`. After more than `patience` values in a row that were not,
    the factor is multiplied by `factor`; then `cooldown` values are not counted.

    Twin: `torch.optim.lr_scheduler.ReduceLROnPlateau` (`mode="min"`, `threshold_mode="rel"`).

    Args:
        factor: of each drop, above 0 and below 1.
        patience: values that need not be better, at least 0.
        threshold: the share by which a value must be below the best, 0 to 1.
        cooldown: values after a drop that are not counted, at least 0.
        stop: the least factor, 0 to 1.
        warmup_steps: the first so many updates rise linearly to the factor.
    """

    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        cooldown: int = 0,
        stop: float = 0.0,
        warmup_steps: int = 0,
    ) -> None:
        within("factor", factor, above=0, below=1)
        for option, value in (("patience", patience), ("cooldown", cooldown), ("warmup_steps", warmup_steps)):
            within(option, value)
        within("threshold", threshold, most=1)
        within("stop", stop, most=1)
        self.factor, self.patience, self.threshold, self.cooldown = factor, patience, threshold, cooldown
        self.stop, self.warmup_steps = stop, warmup_steps
        self.current, self.best, self.waited, self.cooling = 1.0, math.inf, 0, 0

    def __call__(self, step: int) -> float:
        """The factor for the update after `step` of them, as the values observed so far have left it."""
        return self.current * min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else self.current

    def observe(self, value: float) -> None:
        """Take note of a loss; NaN is not better than anything."""
        if value < self.best * (1 - self.threshold):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.cooling > 0:
            self.cooling, self.waited = self.cooling - 1, 0
        if self.waited > self.patience:
            self.current = max(self.stop, self.current * self.factor)
            self.cooling, self.waited = self.cooldown, 0

    def state_dict(self) -> dict[str, Any]:
        """The factor now, the best value, and both counts; all plain numbers."""
        return {"current": self.current, "best": self.best, "waited": self.waited, "cooling": self.cooling}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.current, self.best = float(state["current"]), float(state["best"])
        self.waited, self.cooling = int(state["waited"]), int(state["cooling"])

    def __repr__(self) -> str:
        return f"Plateau(factor={self.factor:g}, patience={self.patience}: now {self.current:g}, best {self.best:g})"
