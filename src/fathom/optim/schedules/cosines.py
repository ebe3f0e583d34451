"""Schedules made of half cosine waves: one run, warm restarts, one cycle up and down.

Builders as in `decays`: T is the number of updates of the schedule, t those done; lengths are shares of T when below
1, else updates.
"""

import math

from fathom.errors import InputError
from fathom.optim.schedules.course import Schedule, updates, within

CURVES = ("cosine", "linear")


def _wave(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def cosine(steps: int, end: float = 0.0) -> Schedule:
    """Half a wave from 1 to `end`: `η(t) = end + (1 - end)/2 (1 + cos(π t/T))`, and `end` from T on.

    Twin: `torch.optim.lr_scheduler.CosineAnnealingLR`, which rises again after T. Source: Loshchilov and Hutter 2017,
    arXiv 1608.03983, equation 5, without a restart.

    Args:
        end: the last factor, 0 to 1.
    """
    within("end", end, most=1)
    return lambda step: _wave(1.0, end, min(step, steps) / steps)


def cosine_restarts(steps: int, first: float = 0.25, multiply: int = 1, end: float = 0.0) -> Schedule:
    """Half waves one after the other, each starting from 1 again: `η = end + (1 - end)/2 (1 + cos(π T_cur/T_i))`.

    The lengths are `T_0 = first` and `T_{i+1} = multiply T_i`; `T_cur` counts the updates since the last restart. It
    has no end: after T the waves go on.

    Twin: `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`. Source: Loshchilov and Hutter 2017, arXiv 1608.03983,
    equation 5.

    Args:
        first: length of the first wave, a share of T or updates.
        multiply: how much longer each wave is than the one before, a whole number from 1.
        end: the factor before each restart, 0 to 1.
    """
    within("multiply", multiply, least=1)
    within("end", end, most=1)
    length = updates("first", first, steps)

    def course(step: int) -> float:
        done, wave = _since_restart(step, length, multiply)
        return _wave(1.0, end, done / wave)

    return course


def _since_restart(step: int, length: int, multiply: int) -> tuple[int, int]:
    if multiply == 1:
        return step % length, length
    while step >= length:
        step, length = step - length, length * multiply
    return step, length


def one_cycle(steps: int, rise: float = 0.3, start: float = 0.04, end: float = 4e-6, curve: str = "cosine") -> Schedule:
    """Up from `start` to 1 and down to `end`, in T updates and not one more.

    The base learning rate is the peak, reached after `rise T - 1` updates; the end after `T - 1`, so that the last
    update has it. The momentum stays as it is (Smith lets it fall while the rate rises).

    Twin: `torch.optim.lr_scheduler.OneCycleLR` with `cycle_momentum=False`; its `div_factor` is `1/start`, its
    `final_div_factor` is `start/end`. Source: Smith and Topin 2017, arXiv 1708.07120; the two phases and the waves are
    those of fast.ai.

    Args:
        rise: T's share that goes up, 0 to 1; from 1 on, the number of updates.
        start: the first factor, 0 to 1; 1/25 in torch.
        end: the last factor, 0 to 1; 1/25 of 1/10,000 in torch.
        curve: `cosine` or `linear`, the shape of both phases.

    Raises:
        InputError: from the schedule, when it is asked for more than T updates.
    """
    within("start", start, most=1)
    within("end", end, most=1)
    if curve not in CURVES:
        raise InputError(f"curve: expected one of {', '.join(CURVES)}, got {curve!r}")
    updates("rise", rise, steps)
    top = (rise * steps if rise < 1 else rise) - 1  # not rounded: the peak may lie between two updates
    between = _wave if curve == "cosine" else _line

    def course(step: int) -> float:
        if step >= steps:
            raise InputError(
                f"schedule one-cycle: expected a step below {steps}, where its cycle ends, got {step}; plan more steps"
            )
        if step <= top:
            return between(start, 1.0, step / top if top > 0 else 1.0)
        return between(1.0, end, (step - top) / (steps - 1 - top))

    return course


def _line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share
