"""What backward will need, counted: the memory that grows with the depth of the network."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fathom.autograd.node import Edge, Node
from fathom.autograd.tensor import Tensor


@dataclass(frozen=True)
class MemoryReport:
    """The bytes kept for backward, by operation.

    Args:
        bytes: operation name to bytes, the largest first; an array that several nodes keep counts once, for the first.
        nodes: operation name to the number of its nodes.
    """

    bytes: Mapping[str, int]
    nodes: Mapping[str, int]

    @property
    def total(self) -> int:
        """All bytes together."""
        return sum(self.bytes.values())

    def __str__(self) -> str:
        rows = [f"{name:<20} {self.nodes[name]:>6} {size:>14,}" for name, size in self.bytes.items()]
        head = f"{'operation':<20} {'nodes':>6} {'bytes':>14}"
        return "\n".join([head, *rows, f"{'together':<20} {sum(self.nodes.values()):>6} {self.total:>14,}"])


def memory_report(output: Tensor) -> MemoryReport:
    """The bytes that the graph behind `output` holds until backward comes through.

    Leaves (parameters and inputs) are there anyway and are not counted, nor are views of an array that is.
    """
    sizes: dict[str, int] = defaultdict(int)
    nodes: dict[str, int] = defaultdict(int)
    seen: set[int] = set()
    for node in graph_nodes(output):
        nodes[node.label] += 1
        sizes[node.label] += 0
        for array in node.held():
            owner = _owner(array)
            if id(owner) not in seen:
                seen.add(id(owner))
                sizes[node.label] += owner.nbytes
    return MemoryReport(dict(sorted(sizes.items(), key=lambda row: -row[1])), dict(nodes))


def _owner(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def graph_nodes(output: Tensor) -> list[Node]:
    """Every node behind `output`, each after those it came from."""
    order: list[Node] = []
    seen: set[Edge] = set()
    stack: list[tuple[Edge, bool]] = [(output.edge(), False)]
    while stack:
        edge, done = stack.pop()
        if done and isinstance(edge, Node):
            order.append(edge)
        elif not done and edge not in seen:
            seen.add(edge)
            stack.append((edge, True))
            stack.extend((e, False) for e in reversed(edge.edges) if e is not None)
    return order
