"""Binary trees over the words of a sentence, each node in the colour of what is said of it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fathom.errors import InputError
from fathom.plot.style import FAINT, INK, figure

COLOURS = ("#B2472B", "#EFA98D", "#E8E8E8", "#9CC7E3", "#2C78B0")  # from bad to good, told apart by their order, too
MARKS = ("−−", "−", "0", "+", "++")
WIDEST, TALLEST = 13.0, 2.9  # inches, of the picture and of a tree


@dataclass(frozen=True)
class Drawn:
    """A tree to draw, its nodes with children before parents.

    Args:
        words: of each node, "" inside.
        children: how far above each node its left and right child stand, `(0, 0)` at a leaf.
        said: the class given to each node.
        true: the class that each node has, None where nobody knows.
    """

    words: Sequence[str]
    children: Sequence[Sequence[int]]
    said: Sequence[int]
    true: Sequence[int | None]


def draw_trees(
    path: str | os.PathLike[str], drawn: Sequence[Drawn], classes: Sequence[str], titles: Sequence[str] = ()
) -> Path:
    """Trees above each other, each node a disc in the colour of its class; a wrong one has the right class beside it.

    Args:
        classes: five, from the worst to the best.
        titles: of the trees; none if there are none.

    Raises:
        InputError: there is no tree, or there are not five classes.
    """
    if not drawn or len(classes) != len(COLOURS):
        raise InputError(f"draw_trees: expected trees and {len(COLOURS)} classes, got {len(drawn)} and {len(classes)}")
    laid = [layout(tree.children) for tree in drawn]
    widest = max(sum(bool(word) for word in tree.words) for tree in drawn)
    tall = [min(0.36 * max(y for _, y in places), TALLEST) + 0.9 for places in laid]
    size = (min(max(0.85 * widest + 0.6, 7.0), WIDEST), sum(tall) + 0.4)
    with figure(path, size, rows=len(drawn), height_ratios=tall) as (page, grid):
        for row, axes in enumerate(grid[:, 0]):
            _draw(axes, drawn[row], laid[row])
            if titles:
                axes.set_title(titles[row])
        from matplotlib.lines import Line2D

        keys = [
            Line2D([], [], marker="o", linestyle="", markersize=9, color=colour, label=f"{mark} {name}")
            for colour, mark, name in zip(COLOURS, MARKS, classes, strict=True)
        ]
        page.legend(handles=keys, loc="outside upper left", ncols=len(keys), fontsize=9, handletextpad=0.2)
    return Path(path)


def layout(children: Sequence[Sequence[int]]) -> list[tuple[float, float]]:
    """Where each node is drawn: leaves side by side at 0, parents above the middle of their children, by height."""
    places: list[tuple[float, float]] = []
    leaves = 0
    for row, (left, right) in enumerate(children):
        if left:
            (x0, y0), (x1, y1) = places[row - left], places[row - right]
            places.append(((x0 + x1) / 2, 1 + max(y0, y1)))
        else:
            places.append((float(leaves), 0.0))
            leaves += 1
    return places


def _draw(axes: Any, tree: Drawn, places: Sequence[tuple[float, float]]) -> None:
    from matplotlib.collections import LineCollection

    axes.axis("off")
    edges = [(places[row - child], places[row]) for row, pair in enumerate(tree.children) for child in pair if child]
    axes.add_collection(LineCollection(edges, colors="#B8B8B8", linewidths=1, zorder=1))
    axes.scatter(
        *zip(*places, strict=True), s=210, c=[COLOURS[said] for said in tree.said], edgecolors="white", zorder=2
    )
    for place, word, said, true in zip(places, tree.words, tree.said, tree.true, strict=True):
        ink = "white" if said in (0, len(COLOURS) - 1) else INK
        _write(axes, place, MARKS[said], (0, 0), ha="center", va="center", fontsize=9 - len(MARKS[said]), color=ink)
        if true is not None and true != said:
            _write(axes, place, MARKS[true], (9, 3), fontsize=8, color=FAINT)
        if word:
            _write(axes, place, word, (0, -12), ha="center", va="top", fontsize=9)
    axes.set_xlim(-0.6, max(x for x, _ in places) + 0.6)
    axes.set_ylim(-1.4, max(y for _, y in places) + 0.7)


def _write(axes: Any, place: tuple[float, float], text: str, points: tuple[int, int], **look: Any) -> None:
    """Text so many points beside a node; the axes leave room for it, so that it need not be laid out."""
    said = axes.annotate(text, place, xytext=points, textcoords="offset points", zorder=3, **look)
    said.set_in_layout(False)
