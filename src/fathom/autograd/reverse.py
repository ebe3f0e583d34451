"""Reverse mode: gradients from the result back to the leaves, freeing buffers on the way."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fathom.autograd.checkpointing import CheckpointNode
from fathom.autograd.errors import AnomalyError, DtypeError, GradientError, ShapeError
from fathom.autograd.node import Edge, Leaf, Node
from fathom.autograd.operations.indexing import add_at, filled
from fathom.autograd.state import STATE, changed
from fathom.autograd.table import RAW, RECORDED
from fathom.autograd.tensor import Tensor

Deliver = Callable[[Leaf, Tensor], None]


def backward(
    output: Tensor, gradient: Tensor | None = None, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add to the `grad` of every leaf the gradient of `output` with respect to it; see `Tensor.backward`."""
    retain = create_graph if retain_graph is None else retain_graph
    Pass([output], [gradient], retain, create_graph).run(_accumulate)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of the sum of the outputs, each weighted by its seed. Twin: `torch.autograd.grad`.

    Args:
        inputs: leaves or results on the way; only the part of the graph that leads to them is walked.
        grad_outputs: the seeds, of the shapes of the outputs; 1 for a single element.
        create_graph: record the backward pass, so that the gradients have gradients.
        allow_unused: None instead of an error for an input that the outputs do not depend on.

    Returns:
        One gradient for each input; no `grad` is touched.
    """
    outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    ins = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs or [None] * len(outs))
    for x in ins:
        if not x.requires_grad:
            raise GradientError(f"grad: an input of shape {x.shape} does not require gradients; use requires_grad_()")
    targets = [x.edge() for x in ins]
    retain = create_graph if retain_graph is None else retain_graph
    found = Pass(outs, seeds, retain, create_graph, targets).run(lambda leaf, gradient: None)
    missing = [x.shape for x, edge in zip(ins, targets, strict=True) if edge not in found]
    if missing and not allow_unused:
        raise GradientError(f"grad: the outputs do not depend on an input of shape {missing[0]}; or allow_unused=True")
    return tuple(found.get(edge) for edge in targets)  # type: ignore[misc]


def _accumulate(leaf: Leaf, gradient: Tensor) -> None:
    tensor = leaf.tensor()
    if tensor is None:
        return
    if tensor.grad is None:
        tensor.grad = gradient
    elif gradient.requires_grad:
        tensor.grad = tensor.grad + gradient
    else:
        tensor.grad.add_(gradient)


class Pass:
    """One walk from the outputs back.

    Args:
        outputs: where to start.
        seeds: the gradients of the outputs; None is 1, for a single element.
        retain: keep the buffers.
        create: read the formulas with tensors and record them.
        targets: the edges whose gradients are wanted; None is every leaf.
        stops: edges that are wanted too, and behind which the walk does not go.
    """

    def __init__(
        self,
        outputs: Sequence[Tensor],
        seeds: Sequence[Tensor | None],
        retain: bool,
        create: bool,
        targets: Sequence[Edge] | None = None,
        stops: Sequence[Edge] = (),
    ) -> None:
        self.retain, self.create = retain, create
        self.recorded = create or STATE.level > 0  # tangents go only through tensors
        self.n = RECORDED if self.recorded else RAW
        self.targets = None if targets is None else frozenset(targets)
        self.stops = frozenset(stops)
        self.pending: dict[Edge, Any] = {}
        self.own: set[Edge] = set()  # whose pending array nobody else has, so that it may be added to in place
        for output, seed in zip(outputs, seeds, strict=True):
            self.add(output.edge(), self._seed(output, seed))

    def _seed(self, output: Tensor, seed: Tensor | None) -> Any:
        if not output.requires_grad:
            raise GradientError(
                f"backward: a tensor of shape {output.shape} that no recorded operation made; does any input require "
                "gradients, and was it computed outside no_grad()?"
            )
        if seed is None:
            if output.array.size != 1:
                raise GradientError(
                    f"backward: a tensor of shape {output.shape} is not a scalar; reduce it with sum() or mean(), or "
                    "pass a gradient of its shape"
                )
            seed = Tensor.wrap(np.ones_like(output.array))
        if seed.shape != output.shape:
            raise ShapeError(
                f"backward: expected a gradient of shape {output.shape}, that of the tensor, got {seed.shape}"
            )
        if seed.dtype.kind != "f":
            raise DtypeError(f"backward: a gradient of {seed.dtype}; make it float")
        return seed if self.recorded else seed.array

    def run(self, deliver: Deliver) -> dict[Edge, Tensor]:
        """Walk; `deliver` gets every wanted leaf with its whole gradient. Returns the gradients of the targets."""
        found: dict[Edge, Tensor] = {}
        order, useful = self._order()
        with changed(recording=self.create), np.errstate(all="ignore"):
            while order:
                node = order.pop()
                gradient = self.pending.get(node)
                if gradient is None or isinstance(node, Leaf):
                    continue
                if self._wants(node):
                    found[node] = self._handed_over(node, gradient)
                del self.pending[node]
                if node not in self.stops:
                    self._through(node, gradient, useful)
            for leaf, gradient in self.pending.items():
                if isinstance(leaf, Leaf) and (self.targets is None or self._wants(leaf)):
                    found[leaf] = self._handed_over(leaf, gradient)
                    deliver(leaf, found[leaf])
        return found

    def _wants(self, edge: Edge) -> bool:
        return edge in self.stops or (self.targets is not None and edge in self.targets)

    def _handed_over(self, edge: Edge, gradient: Any) -> Tensor:
        if self.recorded:
            return gradient if self.create else gradient.detach()
        return Tensor.wrap(gradient if edge in self.own else np.array(gradient))

    def _order(self) -> tuple[list[Edge], set[Edge]]:
        """All edges, each after everything it came from, and those that lead to a target; no recursion."""
        order: list[Edge] = []
        useful: set[Edge] = set()
        seen: set[Edge] = set()
        stack: list[tuple[Edge, bool]] = [(edge, False) for edge in self.pending]
        while stack:
            edge, done = stack.pop()
            if done:
                order.append(edge)
                anyway = self.targets is None or self._wants(edge) or isinstance(edge, CheckpointNode)
                if anyway or any(e in useful for e in edge.edges if e):
                    useful.add(edge)
            elif edge not in seen:
                seen.add(edge)
                stack.append((edge, True))
                if edge not in self.stops:
                    stack.extend((e, False) for e in edge.edges if e is not None and e not in seen)
        return order, useful

    def _through(self, node: Node, gradient: Any, useful: set[Edge]) -> None:
        wanted = [edge is not None and edge in useful for edge in node.edges]
        if isinstance(node, CheckpointNode):
            self._again(node, gradient)
        elif True not in wanted:
            return
        elif not self.recorded and node.operation.name == "getitem" and not node.freed and not STATE.anomaly:
            self._add_slab(node, gradient)
        else:
            for i, pulled in enumerate(node.pull(self.n, gradient, wanted)):
                edge = node.edges[i]
                if pulled is not None and edge is not None:
                    if STATE.anomaly:
                        _look_for_nan(node, i, gradient, pulled)
                    self.add(edge, pulled, fresh=pulled is not gradient)
        if not self.retain:
            node.free()

    def add(self, edge: Edge, gradient: Any, fresh: bool = False) -> None:
        """Add to what is pending for `edge`; `fresh` unless someone else may hold the same array."""
        if gradient.dtype != edge.dtype:
            gradient = self.n.cast(gradient, dtype=edge.dtype)
        before = self.pending.get(edge)
        if before is None:
            self.pending[edge] = gradient
        elif edge in self.own:
            np.add(before, gradient, out=before)
            return
        else:
            self.pending[edge] = gradient = before + gradient
            fresh = True
        if fresh and isinstance(gradient, np.ndarray) and gradient.base is None:  # a view shares its memory
            self.own.add(edge)

    def _again(self, node: CheckpointNode, gradient: Any) -> None:
        """Run what a checkpoint left out, and walk through it to its inputs and to the leaves that it used."""
        inputs, y = node.rerun(self.create)
        seed = gradient if isinstance(gradient, Tensor) else Tensor.wrap(gradient)
        stops = [x.edge() for x in inputs if x.requires_grad]
        leaves = None if self.targets is None else [edge for edge in self.targets if isinstance(edge, Leaf)]
        inner = Pass([y], [seed], self.retain, self.create, leaves, stops)
        found = inner.run(lambda leaf, part: None)
        places = dict(zip(stops, (edge for edge in node.edges if edge is not None), strict=True))
        for edge, part in found.items():
            self.add(places.get(edge, edge), part if self.recorded else part.array)

    def _add_slab(self, node: Node, gradient: Any) -> None:
        """The gradient of x[key], added where it belongs: many slices of one x share one full array."""
        edge = node.edges[0]
        assert edge is not None
        inputs, _ = node.values(RAW)
        before = self.pending.get(edge)
        if before is None:
            before = np.zeros(edge.shape, edge.dtype)
        elif edge not in self.own:
            before = before.copy()
        add_at(before, filled(node.params["key"], tuple(inputs[1:])), gradient)
        self.pending[edge] = before
        self.own.add(edge)


def _look_for_nan(node: Node, position: int, gradient: Any, pulled: Any) -> None:
    array = pulled.array if isinstance(pulled, Tensor) else np.asarray(pulled)
    if np.isnan(array).any():
        where = f" called at {node.where}" if node.where else ""
        name = node.operation.argument(position)
        raise AnomalyError(
            f"{node.label}{where} made the first NaN in its backward pass: the gradient of its input {name}, shape "
            f"{array.shape}; its forward value is finite but its derivative is not"
        )
