"""The table of operations: what each computes and, beside it, its derivative with respect to each input.

A derivative is written once and read twice. Its formula gets a namespace `n` as first argument, and every operation of
the table is a function of that namespace. Read with `RAW`, the values are NumPy arrays and `n.exp(x)` just computes;
read with `RECORDED`, they are tensors and `n.exp(x)` leaves a node of its own, so that the derivative has a derivative.

For an operation `y = f(a, b)` with the Jacobian matrices A = dy/da and B = dy/db, reverse mode needs `vjp`: from the
gradient `g` of y to those of the inputs, gᵀA and gᵀB; forward mode needs `jvp`: from the tangent `t` of an input to
that of y, At or Bt.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

LINEAR = "linear"  # y is linear in this input: its jvp is the operation itself, with the tangent in the input's place
JOINT = (
    "joint"  # y is linear in all its inputs together (cat, where): its jvp is the operation with the other inputs zero
)
SAME = "same"  # the Jacobian is symmetric (every elementwise operation, softmax): its jvp is its vjp

RAW = SimpleNamespace()  # operation name -> function of arrays
RECORDED = SimpleNamespace()  # operation name -> function of tensors; `apply.py` fills it


@dataclass(frozen=True)
class Wrt:
    """The derivative with respect to one input.

    Args:
        vjp: `(n, g, y, *inputs, **params)` to the gradient of this input, of its shape.
        jvp: `(n, t, y, *inputs, **params)` to the tangent of y; or LINEAR, JOINT or SAME.
        needs: the names of the values that `vjp` reads, `"y"` for the result unless an input is called so; of the
            others it may ask shape and dtype.
    """

    vjp: Callable[..., Any]
    jvp: Callable[..., Any] | str = SAME
    needs: tuple[str, ...] = ()


def wrt(vjp: Callable[..., Any], jvp: Callable[..., Any] | str = SAME, needs: str = "") -> Wrt:
    """A derivative; `needs` are names with spaces between them."""
    return Wrt(vjp, jvp, tuple(needs.split()))


@dataclass(frozen=True)
class Absent:
    """Stands in a formula for a value that was not kept: it still knows shape and dtype."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


@dataclass(frozen=True)
class Operation:
    """One row of the table.

    Args:
        forward: `(*arrays, **params)` to one array. If it takes `keep`, a dict, it may leave findings there that do not
            change when the inputs change a little (winners, masks); the formulas then get the same dict.
        derivatives: one for each input, None where there is none (indices, masks).
        arguments: the names of the inputs.
        variadic: the last argument may be repeated; every formula gets the `position` of its input.
    """

    name: str
    forward: Callable[..., Any]
    derivatives: tuple[Wrt | None, ...]
    arguments: tuple[str, ...]
    variadic: bool = False
    keeps: bool = False
    plans: dict[tuple[bool, ...], tuple[frozenset[int], bool]] = field(default_factory=dict)

    def derivative(self, position: int) -> Wrt | None:
        """The derivative with respect to the input at `position`."""
        return self.derivatives[min(position, len(self.derivatives) - 1)]

    def argument(self, position: int) -> str:
        """The name of the input at `position`, for messages."""
        return self.arguments[min(position, len(self.arguments) - 1)]

    def plan(self, wanted: tuple[bool, ...]) -> tuple[frozenset[int], bool]:
        """Which inputs to keep, and whether to keep the result, when these inputs want gradients."""
        found = self.plans.get(wanted)
        if found is None:
            rows = [self.derivative(i) for i, want in enumerate(wanted) if want]
            needs = {name for row in rows if row for name in row.needs}
            inputs = frozenset(i for i in range(len(wanted)) if self.argument(i) in needs)
            found = self.plans[wanted] = (inputs, "y" in needs and "y" not in self.arguments)
        return found

    def tangent(self, n: Any, position: int, t: Any, y: Any, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """The tangent of y that the tangent `t` of one input causes; None where the result is a constant."""
        row = self.derivative(position)
        if row is None:
            return None
        extra = {"position": position} if self.variadic else {}
        if row.jvp in (LINEAR, JOINT):
            others = inputs if row.jvp == LINEAR else [self._zero(n, i, x) for i, x in enumerate(inputs)]
            return getattr(n, self.name)(*others[:position], t, *others[position + 1 :], **params)
        formula = row.vjp if row.jvp == SAME else row.jvp
        assert callable(formula)
        return formula(n, t, y, *inputs, **params, **extra)

    def _zero(self, n: Any, position: int, x: Any) -> Any:
        return x if x is None or self.derivative(position) is None else n.zeros_like(x)

    def __repr__(self) -> str:
        return f"Operation({self.name}: {', '.join(self.arguments)})"


TABLE: dict[str, Operation] = {}


def operation(
    name: str, forward: Callable[..., Any], *rows: Wrt | None, inputs: str, variadic: bool = False
) -> Operation:
    """Enter an operation into the table.

    Args:
        name: what `n.name` calls in every formula.
        forward: see `Operation`.
        rows: its derivatives, in the order of the inputs; fewer when the last ones have none.
        inputs: their names, with spaces between them.
    """
    arguments = tuple(inputs.split())
    rows = (*rows, *[None] * (len(arguments) - len(rows)))
    new = Operation(name, forward, rows, arguments, variadic, keeps=_takes_keep(forward))
    assert name not in TABLE, f"operation {name!r} is entered twice"
    TABLE[name] = new
    setattr(RAW, name, forward)
    return new


def _takes_keep(forward: Callable[..., Any]) -> bool:
    try:
        return "keep" in inspect.signature(forward).parameters
    except ValueError:  # a ufunc
        return False
