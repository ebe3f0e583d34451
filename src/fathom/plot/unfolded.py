"""A recurrent net's computation graph: folded, a square for a step's delay, and unfolded over some steps."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fathom.errors import InputError
from fathom.plot.style import COLOURS, FAINT, INK, figure

RADIUS = 0.28
STEP = 1.35  # from one step to the next, and from one level to the next


@dataclass(frozen=True)
class Edge:
    """From one node to another, so many steps later.

    Args:
        start, end: nodes.
        delay: steps from the one to the other.
        label: of the weights on it; edges of one label share them and have one colour.
    """

    start: str
    end: str
    delay: int = 0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """What every step of a recurrent net computes.

    Args:
        nodes: from the lowest to the highest.
        edges: between them; those without a delay go upwards or to a neighbour.
        constant: nodes that all steps share, such as a context.
        title: said above.
    """

    nodes: Sequence[str]
    edges: Sequence[Edge]
    constant: Sequence[str] = field(default_factory=tuple)
    title: str = ""

    def __post_init__(self) -> None:
        """InputError if an edge leads nowhere, or a step would need itself."""
        for edge in self.edges:
            if edge.start not in self.nodes or edge.end not in self.nodes:
                raise InputError(f"pattern: expected edges between {', '.join(self.nodes)}, got {edge}")
            if edge.delay < 0 or (edge.delay == 0 and edge.start == edge.end):
                raise InputError(f"pattern: expected an edge to another node or to a later step, got {edge}")


def unfold(pattern: Pattern, steps: int) -> list[tuple[tuple[str, int], tuple[str, int], Edge]]:
    """Every edge of the graph over `steps` steps, as from `(node, step)` to `(node, step)`; a constant has step 0.

    Raises:
        InputError: fewer than one step.
    """
    if steps < 1:
        raise InputError(f"unfold: expected at least 1 step, got {steps}")
    found = []
    for edge in pattern.edges:
        for step in range(edge.delay, steps):
            start = 0 if edge.start in pattern.constant else step - edge.delay
            found.append(((edge.start, start), (edge.end, step), edge))
    return found


def graphs(path: str | os.PathLike[str], patterns: Sequence[Pattern], *, steps: int = 4) -> Path:
    """Each pattern in a row: folded at the left, over so many steps at the right.

    Args:
        steps: at least 2.
    """
    if not patterns or steps < 2:
        raise InputError(f"graphs: expected at least one pattern and 2 steps, got {len(patterns)} and {steps}")
    levels = max(len(pattern.nodes) for pattern in patterns)
    size = (3.0 + 1.3 * steps, (0.5 + 0.95 * levels) * len(patterns))
    with figure(path, size, len(patterns), 2, width_ratios=[2.5, (steps - 1) * STEP + 1.5]) as (_, grid):
        for row, pattern in zip(grid, patterns, strict=True):
            _folded(row[0], pattern)
            _unfolded(row[1], pattern, steps)
    return Path(path)


def _colours(pattern: Pattern) -> dict[str, str]:
    labels = dict.fromkeys(edge.label for edge in pattern.edges)
    return {label: COLOURS[number % len(COLOURS)] if label else FAINT for number, label in enumerate(labels)}


def _folded(axes: Any, pattern: Pattern) -> None:
    heights, colours = _heights(pattern), _colours(pattern)
    for edge in pattern.edges:
        here, there = (0.0, heights[edge.start]), (0.0, heights[edge.end])
        if edge.delay:
            _delayed(axes, here, there, edge, colours[edge.label])
        else:
            _arrow(axes, here, there, colours[edge.label], edge.label)
    for node in pattern.nodes:
        _node(axes, (0.0, heights[node]), node)
    _frame(axes, (-0.8, 1.7), heights, pattern.title)


def _delayed(axes: Any, here: tuple[float, float], there: tuple[float, float], edge: Edge, colour: str) -> None:
    """A line that leaves at the right and comes back there, with the square of a delay on it."""
    (_, low), (_, high) = here, there
    if low == high:
        reach, low, high = 0.8, low - 0.24, high + 0.02
    else:
        reach, high = 1.1, high + (0.14 if low > high else -0.14)
    middle = (low + high) / 2
    line = {"color": colour, "linewidth": 1.5}
    axes.plot(
        [RADIUS * (0.5 if edge.start == edge.end else 0.95), reach, reach, RADIUS * 1.6],
        [low, low, high, high],
        **line,
        zorder=1,
    )
    axes.annotate("", (RADIUS * 0.95, high), (RADIUS * 1.9, high), arrowprops=_look(colour))
    axes.plot(reach, middle, "s", color=INK, markersize=6, zorder=3)
    text = edge.label if edge.delay == 1 else f"{edge.label} ({edge.delay} steps)"
    axes.annotate(text, (reach, middle), xytext=(8, 0), textcoords="offset points", va="center", color=colour)


def _unfolded(axes: Any, pattern: Pattern, steps: int) -> None:
    heights, colours = _heights(pattern), _colours(pattern)
    middle = (steps - 1) / 2

    def place(node: tuple[str, int]) -> tuple[float, float]:
        return (middle if node[0] in pattern.constant else node[1]) * STEP, heights[node[0]]

    for start, end, edge in unfold(pattern, steps):
        bend = 0.25 if edge.delay > 1 else 0.0
        _arrow(axes, place(start), place(end), colours[edge.label], edge.label, bend)
    for node in pattern.nodes:
        if node in pattern.constant:
            _node(axes, place((node, 0)), node)
            continue
        for step in range(steps):
            _node(axes, place((node, step)), f"{node}{_index(step + 1)}")
    for edge in pattern.edges:
        if edge.delay and edge.start not in pattern.constant:  # what goes on to the right
            x, y = place((edge.start, steps - 1))
            height = heights[edge.end] - heights[edge.start]
            axes.plot(
                [x, x + 0.55 * STEP], [y, y + 0.55 * height], color=colours[edge.label], linewidth=1.5,
                linestyle=(0, (2, 2)), zorder=1,
            )  # fmt: skip
    _frame(axes, (-0.6, (steps - 1) * STEP + 0.9), heights, "")


def _heights(pattern: Pattern) -> dict[str, float]:
    return {node: STEP * level for level, node in enumerate(pattern.nodes)}


def _node(axes: Any, place: tuple[float, float], name: str) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle(place, RADIUS, facecolor="white", edgecolor=INK, linewidth=1.1, zorder=2))
    axes.text(*place, name, ha="center", va="center", fontsize=10, zorder=3)


def _arrow(
    axes: Any, start: tuple[float, float], end: tuple[float, float], colour: str, label: str, bend: float = 0.0
) -> None:
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    across, up = ((end[axis] - start[axis]) / length * RADIUS for axis in (0, 1))
    axes.annotate(
        "", (end[0] - across, end[1] - up), (start[0] + across, start[1] + up),
        arrowprops={**_look(colour), "connectionstyle": f"arc3,rad={bend}"}, zorder=1,
    )  # fmt: skip
    if label:
        share = 0.42  # off the middle, where lines cross
        spot = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        aside = (0, 5) if abs(up) < abs(across) / 3 else (7, 0)
        axes.annotate(
            label, spot, xytext=aside, textcoords="offset points", color=colour, fontsize=9, ha="center", va="center"
        )


def _look(colour: str) -> Mapping[str, Any]:
    return {"arrowstyle": "-|>", "color": colour, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 10}


def _index(number: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))


def _frame(axes: Any, across: tuple[float, float], heights: Mapping[str, float], title: str) -> None:
    axes.set(xlim=across, ylim=(-0.5, max(heights.values()) + 0.7), aspect="equal", title=title)
    axes.axis("off")
