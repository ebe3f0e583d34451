"""What a schedule is, and the units and ranges in which its options are given."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fathom.errors import InputError, UnknownNameError

Schedule = Callable[[int], float]
"""Updates done so far (0 before the first) to the factor by which the base learning rate is multiplied."""


def updates(option: str, amount: float, steps: int, at_least: int = 1) -> int:
    """An option's number of updates: a share of all `steps` when it is below 1, else the number itself.

    Raises:
        InputError: it is negative, or from 1 on and not whole.
    """
    if amount < 0 or (amount >= 1 and amount != int(amount)):
        wanted = "a share of the training from 0 to 1, or a whole number of updates"
        raise InputError(f"{option}: expected {wanted}, got {amount:g}")
    return max(at_least, round(amount * steps) if amount < 1 else int(amount))


def within(
    option: str,
    value: float,
    *,
    least: float = 0.0,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """`value` if `least <= value <= most`, or `above < value`, or `value < below`, as far as given; else InputError."""
    limits = [f"at least {least:g}" if above is None else f"above {above:g}"]
    limits += [f"at most {most:g}"] if most is not None else []
    limits += [f"below {below:g}"] if below is not None else []
    fits = (
        (value >= least if above is None else value > above)
        and (most is None or value <= most)
        and (below is None or value < below)
    )
    if not fits:
        raise InputError(f"{option}: expected a number {' and '.join(limits)}, got {value:g}")
    return value


def wanted(build: Callable[..., Any], **values: Any) -> dict[str, Any]:
    """Those of `values` that are parameters of `build`."""
    names = inspect.signature(build).parameters
    return {name: value for name, value in values.items() if name in names}


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Puts `what` in front of the message of an InputError, unless it is there."""
    try:
        yield
    except UnknownNameError:
        raise
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(what) else f"{what}: {error}") from None
