"""Binary trees folded from their leaves to their roots, all nodes of one height at once.

A forest is a table of nodes, `(nodes, 4)` of int, whose columns are

- the number of the leaf's word, 0 at an inner node;
- how many rows above the node its left child stands, and its right one, 0 at a leaf;
- the node's height: 0 at a leaf, else one more than the higher child's.

Children stand above their parents, and every node but the roots is one node's child. Rows refer to each other by
distance alone, so that any run of whole trees is a forest, and forests one below the other are one.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fathom.errors import ShapeError

WORD, LEFT, RIGHT, HEIGHT = range(4)
KINDS: dict[str, Callable[[int], int]] = {  # of so many leaves, how many stand under the left child of the root
    "balanced": lambda count: (count + 1) // 2,
    "right": lambda count: 1,
    "left": lambda count: count - 1,
}

Combine = Callable[[Tensor, Tensor], Tensor]
"""States of left and of right children, both `(nodes, features)`, to those of their parents."""


@dataclass(frozen=True)
class Levels:
    """What is done with a forest level by level, found by index operations on all its nodes together.

    Nodes are ordered by height and, where that is equal, by the height of their parents: then the children that a
    level asks for are one run of each lower level, and every state is handed up once.

    Args:
        order: `(nodes,)` of int, the rows in that order.
        place: `(nodes,)` of int, where in that order each row has come to stand.
        runs: by level, at which levels the parents of its nodes are, in order, and of how many; 0 stands for none.
        children: by level above 0, `(2, nodes of the level)` of int: where its left and right children stand among
            the states handed up to that level.
    """

    order: Tensor
    place: Tensor
    runs: list[list[tuple[int, int]]]
    children: list[Tensor]

    @property
    def leaves(self) -> Tensor:
        """The rows of the leaves, `(leaves,)`, in their order."""
        return self.order[: sum(size for _, size in self.runs[0])]


def roots(forest: Tensor) -> Tensor:
    """The rows that are nobody's child, `(trees,)` of int: the last of each tree."""
    inner = (forest[:, HEIGHT] > 0).nonzero()
    children = inner - forest[inner[:, 0], LEFT : RIGHT + 1]
    free = torch.ones(len(forest), dtype=torch.bool, device=forest.device)
    return free.index_fill(0, children.flatten(), value=False).nonzero()[:, 0]


@functools.lru_cache(maxsize=1024)
def shape(words: int, kind: str) -> Tensor:
    """The tree of a kind over so many leaves: `(2 words - 1, 3)` of int, the last three columns of a forest.

    Args:
        words: at least 1.
        kind: `balanced` cuts into halves, the first the longer one; `right` splits off the first leaf, `left` the last.
    """
    rows: list[tuple[int, int, int]] = []
    todo = [(words, 0)]  # a subtree of so many leaves; or, after its two, the node over as many on the right
    while todo:
        count, right = todo.pop()
        if right:
            rows.append((2 * right, 1, 1 + max(rows[-2 * right][2], rows[-1][2])))
        elif count == 1:
            rows.append((0, 0, 0))
        else:
            first = KINDS[kind](count)
            todo += [(0, count - first), (count - first, 0), (first, 0)]
    return torch.tensor(rows)


def shaped(forest: Tensor, kind: str) -> Tensor:
    """Other trees over the leaves of a forest `(nodes, 4)`, as many and as large, each of one of `KINDS`."""
    words = forest[forest[:, HEIGHT] == 0, WORD]
    last = roots(forest)
    sizes = last.diff(prepend=last.new_tensor([-1]))
    rows = torch.cat([shape((size + 1) // 2, kind) for size in sizes.tolist()]).to(forest.device)
    numbers = torch.zeros_like(rows[:, 0]).masked_scatter(rows[:, 2] == 0, words)
    return torch.cat([numbers[:, None], rows], dim=1)


def levels(forest: Tensor) -> Levels:
    """The levels of a forest `(nodes, 4)` of int.

    Raises:
        ShapeError: it is no table of four columns, or has no node.
    """
    if forest.dim() != 2 or forest.shape[1] != 4 or len(forest) == 0:
        raise ShapeError(f"forest: expected nodes (nodes, 4), got {tuple(forest.shape)}; see fathom.ops.trees")
    height = forest[:, HEIGHT]
    rows = torch.arange(len(forest), device=forest.device)
    inner = rows[height > 0]
    child = inner[:, None] - forest[inner, LEFT : RIGHT + 1]  # (inner nodes, 2)
    above = torch.zeros_like(height).index_put((child,), height[inner, None].expand_as(child))  # the parent's height
    count = int(height.max()) + 1
    key = height * count + above
    order = key.argsort(stable=True)
    runs = torch.bincount(key, minlength=count * count).view(count, count)
    handed = (above * count + height).argsort(stable=True)  # by the level that they are handed to
    start = runs.sum(0).cumsum(0) - runs.sum(0)
    waiting = rows - start[above[handed]]
    position = torch.empty_like(rows).index_copy_(0, handed, waiting)
    place = torch.empty_like(rows).index_copy_(0, order, rows)
    table = [[(level, size) for level, size in enumerate(run) if size] for run in runs.tolist()]
    sizes = runs.sum(1).tolist()
    parents = order[sizes[0] :]
    asked = position[parents[:, None] - forest[parents, LEFT : RIGHT + 1]].T.contiguous()
    return Levels(order, place, table, list(asked.split(sizes[1:], dim=1)))


def fold(leaves: Tensor, forest: Levels, combine: Combine) -> Tensor:
    """The state of every node, a level at a time.

    Args:
        leaves: `(leaves, features)`, the states of the leaves, in the order of `forest.leaves`.
        forest: of `levels`.
        combine: makes the state of a node from those of its children; called once a level.

    Returns:
        `(nodes, features)`, in the rows of the forest.
    """
    waiting: list[list[Tensor]] = [[] for _ in forest.runs]
    states, done = leaves, []
    for level, runs in enumerate(forest.runs):
        if level:
            below = torch.cat(waiting[level])
            left, right = forest.children[level - 1]
            states = combine(below.index_select(0, left), below.index_select(0, right))
        done.append(states)
        for (above, _), part in zip(runs, states.split([size for _, size in runs]), strict=True):
            waiting[above].append(part)
    return torch.cat(done).index_select(0, forest.place)


def fold_by_node(leaves: Iterable[Tensor], forest: Tensor, combine: Combine) -> list[Tensor]:
    """As `fold`, in a Python loop over the nodes: slow, and the judge of the other.

    Args:
        leaves: the state of each leaf, `(1, features)`, in the order of the forest's rows.
        forest: `(nodes, 4)` of int.
        combine: called once for each inner node.

    Returns:
        The state of each node, `(1, features)`.
    """
    states: list[Tensor] = []
    fresh = iter(leaves)
    for row, (_, left, right, height) in enumerate(forest.tolist()):
        states.append(combine(states[row - left], states[row - right]) if height else next(fresh))
    return states
