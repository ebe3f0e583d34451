"""Nests of tensors whose first axis counts the rows, as the states of a step function are."""

from typing import Any

from torch import Tensor


class Fixed(tuple[Any, ...]):
    """A part of a state that no step changes, and that all hypotheses of a row have in common (an encoded source).

    A search that only reorders a row's hypotheses need not touch it.
    """


def pick(state: Any, rows: Tensor, *, fixed: bool = True) -> Any:
    """The same nest of those rows, in this order; a row may be wanted more than once.

    Args:
        state: a tensor `(rows, ...)`, or tuples, lists and dicts of such; None stays None.
        rows: `(wanted,)` of int.
        fixed: False leaves the parts marked `Fixed` as they are.
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        return state.index_select(0, rows)
    if isinstance(state, dict):
        return {name: pick(part, rows, fixed=fixed) for name, part in state.items()}
    if isinstance(state, Fixed) and not fixed:
        return state
    parts = [pick(part, rows, fixed=fixed) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
