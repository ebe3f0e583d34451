"""Learning rate schedules: functions from the number of updates done to a factor on the learning rate."""

from collections.abc import Callable

from fathom.errors import InputError
from fathom.optim.schedules import cosines, decays
from fathom.optim.schedules.course import Schedule, naming, wanted
from fathom.optim.schedules.decays import noam
from fathom.optim.schedules.plateau import Plateau
from fathom.registry import Registry, arguments, spec

__all__ = ["Plateau", "Schedule", "create", "names", "noam", "warmed_up"]

SCHEDULES: Registry[Callable[..., Schedule]] = Registry("schedule")
SCHEDULES.add("constant", decays.constant)
SCHEDULES.add("factor", decays.factor)
SCHEDULES.add("multi-factor", decays.multi_factor)
SCHEDULES.add("polynomial", decays.polynomial)
SCHEDULES.add("linear", decays.linear)
SCHEDULES.add("exponential", decays.exponential)
SCHEDULES.add("inverse", decays.inverse)
SCHEDULES.add("inverse-square-root", decays.inverse_square_root)
SCHEDULES.add("cosine", cosines.cosine)
SCHEDULES.add("cosine-restarts", cosines.cosine_restarts)
SCHEDULES.add("one-cycle", cosines.one_cycle)
SCHEDULES.add("plateau", Plateau)

NOT_OPTIONS = ("steps", "warmup_steps")


def names() -> list[str]:
    """The names that `create` takes."""
    return SCHEDULES.names()


def create(name: str, total_steps: int, warmup_steps: int = 0) -> Schedule:
    """The schedule called `name` over `total_steps` updates, after a linear warm-up.

    The schedule's own count begins when the warm-up is over, and shares of the training are of the updates that are
    left then. Asked beyond `total_steps`, one that has an end (linear, polynomial, cosine) stays there, one-cycle
    refuses, and the others go on by their equation.

    Args:
        name: perhaps with options, `NAME,key=value`: `multi-factor,milestones=0.5/0.75,factor=0.1`.
        total_steps: updates in the whole training, at least 1.
        warmup_steps: the first so many updates rise linearly (`update 0` has `1 / warmup_steps` of what comes after).

    Raises:
        UnknownNameError: no such schedule or option; the nearest is suggested.
        InputError: a value that an option may not have.

    >>> schedule = create("linear", total_steps=12, warmup_steps=2)
    >>> [schedule(step) for step in (0, 1, 2, 7, 12)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if total_steps < 1 or warmup_steps < 0:
        raise InputError(f"total_steps, warmup_steps: expected at least 1 and 0, got {total_steps} and {warmup_steps}")
    word, given = spec(name)
    build, what = SCHEDULES.get(word), f"schedule {word}"
    options = arguments(what, build, given, NOT_OPTIONS)
    steps = wanted(build, steps=max(1, total_steps - warmup_steps))
    own_warmup = wanted(build, warmup_steps=warmup_steps)
    with naming(what):
        schedule = build(**steps, **own_warmup, **options)
    return schedule if own_warmup or not warmup_steps else warmed_up(schedule, warmup_steps)


def warmed_up(schedule: Schedule, warmup_steps: int) -> Schedule:
    """`schedule` after a linear rise to where it begins: `η(t) = (t + 1)/w η_0(0)` for `t < w`, then `η_0(t - w)`.

    Twin: `torch.optim.lr_scheduler.SequentialLR` of `LinearLR(start_factor=1/w, total_iters=w - 1)` and the rest.
    Source: Goyal et al. 2017, arXiv 1706.02677, section 2.2.
    """

    def course(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps * schedule(0)
        return schedule(step - warmup_steps)

    return course
