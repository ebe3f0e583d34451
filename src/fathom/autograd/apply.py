"""How an operation of the table is applied to tensors: compute, record, and carry tangents along."""

from functools import partial
from typing import Any

import numpy as np

from fathom.autograd import operations
from fathom.autograd.errors import AnomalyError, ShapeError
from fathom.autograd.node import Node, Storage
from fathom.autograd.state import STATE
from fathom.autograd.table import RAW, RECORDED, TABLE, Operation
from fathom.autograd.tensor import Tensor

assert operations.__all__  # importing the room has filled the table

BROADCASTING = {"add", "subtract", "multiply", "divide", "maximum", "minimum", "where", "power_of_two_arrays"}


def apply(operation: Operation, *inputs: Tensor | None, **params: Any) -> Tensor:
    """The result of an operation, with a node if any input requires gradients and a tangent if any input has one."""
    if STATE.level and any(x is not None and x.dual is not None for x in inputs):
        return _apply_to_duals(operation, inputs, params)
    out, params = _compute(operation, inputs, params)
    if STATE.recording:
        _record(operation, inputs, params, out)
    return out


def _compute(
    operation: Operation, inputs: tuple[Tensor | None, ...], params: dict[str, Any]
) -> tuple[Tensor, dict[str, Any]]:
    arrays = [None if x is None else x.array for x in inputs]
    called = {**params, "keep": {}} if operation.keeps else params
    try:
        with np.errstate(all="ignore"):
            y = operation.forward(*arrays, **called)
    except (ValueError, IndexError) as error:
        raise _explained(operation, inputs, error) from error
    if not isinstance(y, np.ndarray):
        y = np.asarray(y)
    out = Tensor.wrap(y)
    first = arrays[0] if arrays else None
    if first is not None and (y is first or (y.base is not None and y.base is _owner(first))):
        assert inputs[0] is not None
        out.storage, out.is_view = inputs[0].storage, True
        out.rebases = out.storage.rebases
    if STATE.anomaly:
        _look_for_nan(operation, inputs, y)
    if STATE.tracer is not None:
        STATE.tracer(operation, inputs, params, out)
    return out, called


def _owner(array: np.ndarray[Any, Any]) -> Any:
    return array if array.base is None else array.base


def _record(operation: Operation, inputs: tuple[Tensor | None, ...], params: dict[str, Any], out: Tensor) -> None:
    wanted = tuple(
        x is not None and x.requires_grad and operation.derivative(i) is not None for i, x in enumerate(inputs)
    )
    if True in wanted:
        out.node = Node(operation, inputs, params, wanted, out)
        out.requires_grad = True


def _apply_to_duals(operation: Operation, inputs: tuple[Tensor | None, ...], params: dict[str, Any]) -> Tensor:
    """The innermost `jvp` is worked out with all its tangents taken off; what is left may hold those of outer ones."""
    level = max(x.dual[0] for x in inputs if x is not None and x.dual is not None)
    primals = tuple(x.dual[1] if x is not None and x.dual is not None and x.dual[0] == level else x for x in inputs)
    if any(x is not None and x.dual is not None for x in primals):
        primal = _apply_to_duals(operation, primals, params)
        # a fresh computation gives the findings (`keep`) that the formulas ask for
        called = {**params, "keep": {}} if operation.keeps else params
        if operation.keeps:
            operation.forward(*[None if x is None else x.array for x in primals], **called)
    else:
        primal, called = _compute(operation, primals, params)
        if STATE.recording:
            _record(operation, primals, called, primal)
    tangent: Any = None
    for i, x in enumerate(inputs):
        if x is not None and x.dual is not None and x.dual[0] == level:
            part = operation.tangent(RECORDED, i, x.dual[2], primal, primals, called)
            tangent = part if tangent is None or part is None else tangent + part
    if tangent is None:
        return primal
    out = Tensor.wrap(primal.array)
    out.storage = primal.storage
    out.dual = (level, primal, tangent)
    if STATE.recording:
        _record(operation, inputs, called, out)
    return out


def _look_for_nan(operation: Operation, inputs: tuple[Tensor | None, ...], y: np.ndarray[Any, Any]) -> None:
    if y.dtype.kind == "f" and np.isnan(y).any():
        shapes = ", ".join(str(x.shape) for x in inputs if x is not None)
        count = int(np.isnan(y).sum())
        raise AnomalyError(
            f"{operation.name} made the first NaN in its forward pass: {count} of {y.size} values, "
            f"inputs of shape {shapes}; look at the values that go into it"
        )


def _explained(operation: Operation, inputs: tuple[Tensor | None, ...], error: Exception) -> Exception:
    shapes = " and ".join(str(x.shape) for x in inputs if x is not None)
    reason = " ".join(str(error).split())
    if isinstance(error, IndexError):
        return IndexError(f"{operation.name}: on shape {shapes}: {reason}")
    if operation.name in BROADCASTING or operation.name in ("expand", "equal", "greater", "less"):
        rule = "axes are matched from the last one, and each pair must be equal or have a 1; reshape one of them"
        return ShapeError(f"{operation.name}: shapes {shapes} do not broadcast; {rule}")
    if operation.name == "matmul":
        return ShapeError(
            f"matmul: shapes {shapes} do not fit; the last axis of the first must equal the last but one of the "
            "second; transpose one of them"
        )
    return ShapeError(f"{operation.name}: does not work on shapes {shapes}; {reason}")


def _remembered(array: np.ndarray[Any, Any], node: Node, storage: Storage, dual: Any) -> Tensor:
    """A result as the tensor it was, made again for a formula that is recorded."""
    out = Tensor.wrap(array)
    out.node, out.storage, out.dual, out.requires_grad = node, storage, dual, True
    return out


def _unless_equal(operation: Operation) -> Any:
    def applied(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
        return x if x.shape == shape else apply(operation, x, shape=shape)

    return applied


for _name, _operation in TABLE.items():
    setattr(RECORDED, _name, partial(apply, _operation))
for _name in ("reshape", "expand", "sum_to"):
    setattr(RECORDED, _name, _unless_equal(TABLE[_name]))
RECORDED.zeros_like = lambda x: Tensor.wrap(np.zeros(x.shape, x.dtype))
RECORDED.ones_like = lambda x: Tensor.wrap(np.ones(x.shape, x.dtype))
RECORDED.constant = Tensor.wrap
RECORDED.remembered = _remembered
assert RAW.add is np.add
