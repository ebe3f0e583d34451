"""The implicit graph: what an operation leaves behind so that gradients find their way back."""

import sys
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from fathom.autograd.errors import GradientError
from fathom.autograd.state import STATE
from fathom.autograd.table import RAW, Absent, Operation

if TYPE_CHECKING:
    from fathom.autograd.tensor import Tensor

Shape = tuple[int, ...]


class Storage:
    """What all views of one array share: how often it was written to, and how often its place in the graph changed."""

    __slots__ = ("rebases", "version")

    def __init__(self) -> None:
        self.version = 0
        self.rebases = 0


class Leaf:
    """Where a gradient ends: a tensor that no recorded operation made."""

    __slots__ = ("__weakref__", "dtype", "shape", "tensor")

    def __init__(self, tensor: "Tensor") -> None:
        self.tensor = weakref.ref(tensor)
        self.shape: Shape = tensor.shape
        self.dtype = tensor.dtype

    edges: "tuple[Edge | None, ...]" = ()
    label = "leaf"


class Node:
    """One application of an operation: where its inputs came from, and the values that its derivatives need.

    A derivative is asked for by `pull`. Kept inputs are held as tensors; the result only as its array, for the tensor
    points here and would close a circle.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "edges",
        "freed",
        "inputs",
        "operation",
        "params",
        "result",
        "shape",
        "tensor",
        "versions",
        "where",
    )

    def __init__(
        self,
        operation: Operation,
        inputs: "tuple[Tensor | None, ...]",
        params: dict[str, Any],
        wanted: tuple[bool, ...],
        out: "Tensor",
    ) -> None:
        kept, keep_result = operation.plan(wanted)
        self.operation = operation
        self.params = params
        self.edges: tuple[Edge | None, ...] = tuple(
            x.edge() if want and x is not None else None for x, want in zip(inputs, wanted, strict=True)
        )
        self.inputs: tuple[Any, ...] = tuple(
            x if x is None or i in kept else Absent(x.array.shape, x.array.dtype) for i, x in enumerate(inputs)
        )
        self.versions = {i: inputs[i].storage.version for i in kept if inputs[i] is not None}  # type: ignore[union-attr]
        self.result: Any = None
        if keep_result:
            self.result = (out.array, out.storage, out.storage.version, out.dual)
        self.shape: Shape = out.array.shape
        self.dtype = out.array.dtype
        self.freed = False
        self.tensor = weakref.ref(out)
        self.where = _caller() if STATE.anomaly else ""

    @property
    def label(self) -> str:
        """The operation's name."""
        return self.operation.name

    def pull(self, n: Any, g: Any, wanted: list[bool]) -> list[Any]:
        """The gradients of the wanted inputs from that of the result, formulas read with `n`; None for the others."""
        inputs, y = self.values(n)
        extra = self.params
        pulled: list[Any] = []
        for i, want in enumerate(wanted):
            row = self.operation.derivative(i) if want else None
            if row is None:
                pulled.append(None)
            elif self.operation.variadic:
                pulled.append(row.vjp(n, g, y, *inputs, position=i, **extra))
            else:
                pulled.append(row.vjp(n, g, y, *inputs, **extra))
        return pulled

    def check(self) -> None:
        """GradientError if the kept values are no longer there, or no longer what they were."""
        if self.freed:
            raise GradientError(
                f"backward through {self.label} {self.shape} a second time: its buffers were freed; "
                "pass retain_graph=True to the first backward, or run the forward again"
            )
        for i, version in self.versions.items():
            if self.inputs[i].storage.version != version:
                raise self._overwritten(f"input {self.operation.argument(i)}", self.inputs[i].shape)
        if self.result is not None and self.result[1].version != self.result[2]:
            raise self._overwritten("its result", self.shape)

    def values(self, n: Any) -> tuple[list[Any], Any]:
        """The inputs and the result as the formulas read with `n` want them."""
        self.check()
        raw = n is RAW
        inputs = [x.array if raw and i in self.versions else x for i, x in enumerate(self.inputs)]
        if self.result is None:
            return inputs, Absent(self.shape, self.dtype)
        array, storage, _, dual = self.result
        return inputs, array if raw else n.remembered(array, self, storage, dual)

    def _overwritten(self, what: str, shape: Shape) -> GradientError:
        return GradientError(
            f"{self.label}: {what} of shape {shape} was changed in place, but backward needs its old value; "
            "use the form without the underscore, or change a clone()"
        )

    def held(self) -> list[Any]:
        """The arrays that only backward needs; leaves (parameters, data) are not among them."""
        arrays = [x.array for i, x in enumerate(self.inputs) if i in self.versions and x.node is not None]
        if self.result is not None:
            arrays.append(self.result[0])
        arrays.extend(x for x in self.params.get("keep", {}).values() if isinstance(x, np.ndarray))
        return arrays

    def free(self) -> None:
        """Let the kept values go."""
        if self.versions or self.result is not None or self.params.get("keep"):
            self.freed = True
            self.inputs = tuple(x if x is None else Absent(x.shape, x.dtype) for x in self.inputs)
            self.versions, self.result, self.params = {}, None, {}


def _caller() -> str:
    """The first line outside this room on the way to here, as `file:line`."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("fathom.autograd"):
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


Edge = Node | Leaf
