"""Schedules that only fall: in steps, along a power, geometrically, or as the inverse of a root.

Each builder takes the number of updates that the schedule has (`steps`, T below) and gives the factor η as a function
of the updates done, t. Lengths and places are shares of T when below 1, else updates.
"""

import math
from bisect import bisect_right

from fathom.optim.schedules.course import Schedule, updates, within


def constant(steps: int) -> Schedule:
    """The base rate throughout: `η(t) = 1`."""
    return lambda step: 1.0


def factor(steps: int, factor: float = 0.5, every: float = 0.1, stop: float = 0.0) -> Schedule:
    """A drop at equal distances, down to a floor: `η(t) = max(stop, factor^⌊t / every⌋)`.

    Twin: `torch.optim.lr_scheduler.StepLR`, which has no floor. Source: Dive into Deep Learning, "Learning Rate
    Scheduling"; there the floor is a rate, here a share of the base rate.

    Args:
        factor: of each drop, above 0 and at most 1.
        every: the distance, a share of T or updates.
        stop: the least factor, 0 to 1.
    """
    within("factor", factor, above=0, most=1)
    within("stop", stop, most=1)
    distance = updates("every", every, steps)
    return lambda step: max(stop, factor ** (step // distance))


def multi_factor(steps: int, milestones: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1) -> Schedule:
    """A drop at each milestone that has been reached: `η(t) = factor^|{m : m <= t}|`.

    Twin: `torch.optim.lr_scheduler.MultiStepLR`. Source: He et al. 2016, arXiv 1512.03385, section 4.2, whose ResNets
    on CIFAR-10 drop to a tenth at 1/2 and 3/4 of the training: the defaults.

    Args:
        milestones: shares of T or updates (at least 1), in any order; one that is there twice counts twice.
        factor: of each drop, above 0 and at most 1.
    """
    within("factor", factor, above=0, most=1)
    places = sorted(updates("milestones", milestone, steps) for milestone in milestones)
    return lambda step: float(factor ** bisect_right(places, step))


def polynomial(steps: int, power: float = 2.0, end: float = 0.0) -> Schedule:
    """A power of what is left: `η(t) = end + (1 - end) (1 - t/T)^power`, and `end` from T on.

    Twin: `torch.optim.lr_scheduler.PolynomialLR`, which ends at 0. Source: Chen et al. 2018, arXiv 1606.00915,
    section 4.1 ("poly").

    Args:
        power: above 0; 1 is a straight line.
        end: the last factor, 0 to 1.
    """
    within("power", power, above=0)
    within("end", end, most=1)
    return lambda step: end + (1 - end) * (1 - min(step, steps) / steps) ** power


def linear(steps: int, end: float = 0.0) -> Schedule:
    """A straight line from 1 to `end`, the `polynomial` of power 1."""
    return polynomial(steps, 1.0, end)


def exponential(steps: int, end: float = 0.01, gamma: float | None = None) -> Schedule:
    """A geometric fall: `η(t) = gamma^t`.

    Twin: `torch.optim.lr_scheduler.ExponentialLR`. Source: Dive into Deep Learning, "Stochastic Gradient Descent",
    where `gamma = exp(-λ)`.

    Args:
        end: the factor at T, above 0 and at most 1, from which `gamma = end^(1/T)` follows.
        gamma: the factor of one update, above 0 and at most 1, in place of `end`.
    """
    within("end", end, above=0, most=1)
    if gamma is None:
        return lambda step: float(end ** (step / steps))
    rate = within("gamma", gamma, above=0, most=1)
    return lambda step: float(rate**step)


def inverse(steps: int, rate: float = 0.1, power: float = 0.5) -> Schedule:
    """The polynomial decay of stochastic approximation: `η(t) = (1 + rate t)^-power`.

    Source: Robbins and Monro 1951, whose sums (Ση infinite, Ση² finite) `1/2 < power <= 1` satisfies; Dive into Deep
    Learning, "Stochastic Gradient Descent", with 1/2.

    Args:
        rate: β, of one update, at least 0.
        power: α, at least 0.
    """
    within("rate", rate)
    within("power", power)
    return lambda step: float((1 + rate * step) ** -power)


def inverse_square_root(steps: int, warmup_steps: int = 0) -> Schedule:
    """Noam's schedule relative to its peak: `η(t) = min(s/w, √(w/s))` with `s = t + 1`, the number of the update.

    Its warm-up is part of it: w is the training's `warmup_steps`, and 1 without any, which leaves `1/√s`.

    Source: Vaswani et al. 2017, arXiv 1706.03762, equation 3, divided by its greatest value, `(d_model w)^-1/2`.
    """
    peak = max(1, warmup_steps)
    return lambda step: min((step + 1) / peak, math.sqrt(peak / (step + 1)))


def noam(d_model: int, warmup_steps: int = 4000) -> Schedule:
    """The rate itself as the paper has it: `d_model^-1/2 min(s^-1/2, s w^-3/2)` with `s = t + 1`; for a base rate of 1.

    Source: Vaswani et al. 2017, arXiv 1706.03762, equation 3; 4000 from section 5.3.

    Args:
        d_model: width of the model, at least 1.
        warmup_steps: w, the updates before the peak, at least 1.
    """
    within("d_model", d_model, least=1)
    within("warmup_steps", warmup_steps, least=1)
    relative = inverse_square_root(0, warmup_steps)
    return lambda step: relative(step) / math.sqrt(d_model * warmup_steps)
