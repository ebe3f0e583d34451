"""The explicit graph: built first, run later; and the implicit one, looked at in the same form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fathom.autograd.errors import GradientError, ShapeError
from fathom.autograd.memory import graph_nodes
from fathom.autograd.node import Leaf
from fathom.autograd.state import changed
from fathom.autograd.table import RECORDED, Operation
from fathom.autograd.tensor import Tensor


@dataclass
class Vertex:
    """A value in a graph.

    Args:
        kind: "input", "constant" (parameters too) or the operation's name.
        sources: the numbers of the vertices that the operation takes; None where it was given nothing.
        value: the tensor, for constants and, once it has been run, for all.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: Any
    sources: tuple[int | None, ...] = ()
    operation: Operation | None = None
    params: dict[str, Any] = field(default_factory=dict)
    value: Tensor | None = None


class Graph:
    """Operations in the order in which they run. Call it with new inputs; the operations are those of the table.

    Args:
        vertices: each after its sources.
        inputs: the numbers of the vertices that a call fills.
        outputs: those that it returns.
        single: is the result one tensor, or a tuple?
    """

    def __init__(self, vertices: list[Vertex], inputs: list[int], outputs: list[int], single: bool = True) -> None:
        self.vertices, self.inputs, self.outputs, self.single = vertices, inputs, outputs, single

    def __call__(self, *inputs: Tensor) -> Any:
        """Run it: what the traced function would return, recorded like any other operations.

        Raises:
            ShapeError: another number of inputs, or another shape, than the graph was built for.
        """
        if len(inputs) != len(self.inputs):
            raise ShapeError(f"graph: expected {len(self.inputs)} inputs, got {len(inputs)}")
        values: dict[int, Tensor] = dict(zip(self.inputs, inputs, strict=True))
        for i, x in values.items():
            if x.shape != self.vertices[i].shape:
                raise ShapeError(
                    f"graph: it was built for an input of shape {self.vertices[i].shape}, got {x.shape}; trace it again"
                )
        for i, vertex in enumerate(self.vertices):
            if vertex.operation is not None:
                sources = [None if s is None else values[s] for s in vertex.sources]
                values[i] = getattr(RECORDED, vertex.operation.name)(*sources, **vertex.params)
            elif vertex.kind == "constant":
                assert vertex.value is not None
                values[i] = vertex.value
            vertex.value = values[i]
        results = tuple(values[i] for i in self.outputs)
        return results[0] if self.single else results

    def __len__(self) -> int:
        return len(self.vertices)

    def __repr__(self) -> str:
        count = sum(vertex.operation is not None for vertex in self.vertices)
        return f"Graph({len(self.inputs)} inputs, {count} operations, {len(self.outputs)} outputs)"


def trace(function: Callable[..., Any], *example: Tensor) -> Graph:
    """The operations that `function` applies to the example, as a graph that runs without it.

    Tensors that the function brings along (parameters) stay themselves: changed in place, they change the graph's
    result. What Python decides while tracing (`if`, loops, shapes) is decided for good, and changes in place are not
    seen.

    Args:
        function: of as many tensors as there are examples, to one tensor or a tuple of them.
    """
    vertices: list[Vertex] = []
    number: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no two tensors get one id

    def known(x: Tensor, kind: str = "constant") -> int:
        if id(x) not in number:
            number[id(x)] = len(vertices)
            vertices.append(Vertex(kind, x.shape, x.dtype, value=x))
            alive.append(x)
        return number[id(x)]

    def note(operation: Operation, sources: Sequence[Tensor | None], params: dict[str, Any], out: Tensor) -> None:
        places = tuple(None if x is None else known(x) for x in sources)
        number[id(out)] = len(vertices)
        vertices.append(Vertex(operation.name, out.shape, out.dtype, places, operation, params, out))
        alive.append(out)

    fresh = [x.detach().requires_grad_(x.requires_grad) for x in example]
    inputs = [known(x, "input") for x in fresh]
    with changed(tracer=note):
        y = function(*fresh)
    single = isinstance(y, Tensor)
    outputs = [known(x) for x in ((y,) if single else y)]
    return Graph(vertices, inputs, outputs, single)


def graph_of(output: Tensor) -> Graph:
    """The implicit graph behind a result, for looking at: it has the values that are still alive, and cannot be run.

    Raises:
        GradientError: no recorded operation made the tensor.
    """
    if output.node is None:
        raise GradientError(f"graph_of: no recorded operation made this tensor of shape {output.shape}")
    vertices: list[Vertex] = []
    number: dict[Any, int] = {}

    def place(edge: Any) -> int | None:
        if edge is None:
            return None
        if edge not in number:
            number[edge] = len(vertices)
            assert isinstance(edge, Leaf)
            vertices.append(Vertex("constant", edge.shape, edge.dtype, value=edge.tensor()))
        return number[edge]

    for node in graph_nodes(output):
        sources = tuple(place(edge) for edge in node.edges)
        number[node] = len(vertices)
        vertices.append(Vertex(node.label, node.shape, node.dtype, sources, None, node.params, node.tensor()))
    return Graph(vertices, [], [number[output.node]])
