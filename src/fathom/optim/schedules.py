"""Learning rate schedules: pure functions from the number of updates done to a factor on the learning rate."""

import math
from collections.abc import Callable

from fathom.registry import Registry

Schedule = Callable[[int], float]
"""Updates done so far (0 before the first) to the factor by which the base learning rate is multiplied."""

SCHEDULES: Registry[Callable[[float], float]] = Registry("schedule")


@SCHEDULES.register("constant")
def _constant(fraction: float) -> float:
    return 1.0


@SCHEDULES.register("linear")
def _linear(fraction: float) -> float:
    return 1.0 - fraction


@SCHEDULES.register("cosine")
def _cosine(fraction: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * fraction))  # Loshchilov and Hutter 2017, equation 5, to 0, no restart


def names() -> list[str]:
    """The names that `create` takes."""
    return SCHEDULES.names()


def create(name: str, total_steps: int, warmup_steps: int = 0) -> Schedule:
    """The schedule called `name` over `total_steps` updates, after a linear warm-up.

    Args:
        total_steps: updates in the whole training; from there on the factor stays as it ends.
        warmup_steps: the first so many updates rise linearly to 1 (`update 0` has `1 / warmup_steps`).

    >>> schedule = create("linear", total_steps=12, warmup_steps=2)
    >>> [schedule(step) for step in (0, 1, 2, 7, 12)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    shape = SCHEDULES.get(name)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return shape(min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps)))

    return factor
