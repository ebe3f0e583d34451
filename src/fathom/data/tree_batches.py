"""Batches of whole trees: index operations on the table of all nodes, no Python per tree or node."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fathom.data.batches import Batches
from fathom.errors import ShapeError


def rows_of(spans: Tensor) -> Tensor:
    """The rows of some trees, one tree after the other, `(nodes,)` of int.

    Args:
        spans: `(trees, 2)` of int, each tree's first row and number of nodes.
    """
    first, count = spans.unbind(1)
    before = count.cumsum(0) - count
    steps = torch.arange(int(count.sum()), device=spans.device)
    return steps + (first - before).repeat_interleave(count)


class TreeBatches:
    """Forests of `batch_size` trees with their labels, an epoch at a time, shuffled and resumable as `Batches`.

    Each is a pair of `(nodes, columns)`, so many rows of `nodes` as the trees have, and `(nodes,)`, their labels.

    Args:
        spans: `(trees, 2)` of int, each tree's first row and number of nodes.
        nodes: `(nodes, columns)` of int, tables as `fathom.ops.trees` has them, side by side if several.
        labels: `(nodes,)` of int.
        batch_size, shuffle, seed, device, limit: as `Batches` takes them; the examples are trees.

    Raises:
        InputError: as of `Batches`.
        ShapeError: there are not as many labels as nodes.
    """

    def __init__(
        self,
        spans: Tensor,
        nodes: Tensor,
        labels: Tensor,
        *,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        device: torch.device | str | None = None,
        limit: int = 0,
    ) -> None:
        if len(nodes) != len(labels):
            raise ShapeError(f"batches: expected as many labels as nodes, got {len(labels)} and {len(nodes)}")
        self.trees = Batches(spans, batch_size=batch_size, shuffle=shuffle, seed=seed, device=device, limit=limit)
        self.device = self.trees.device
        self.nodes, self.labels = nodes.to(self.device), labels.to(self.device)

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.trees)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for (spans,) in self.trees:
            rows = rows_of(spans)
            yield self.nodes.index_select(0, rows), self.labels.index_select(0, rows)

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the position in it."""
        return self.trees.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave; InputError if it is past the end."""
        self.trees.load_state_dict(state)

    def __repr__(self) -> str:
        return f"TreeBatches({len(self)} an epoch of {self.trees.batch_size}, {self.trees.examples:,} trees)"
