"""What a classifier does class by class: confusion matrix, precision and recall, and whether it is as sure as right."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import COLOURS, FAINT, GRID, INK, array, figure

if TYPE_CHECKING:
    from fathom.metrics import Bin

MOST_CLASSES = 100  # that can be read in one picture
LONGEST_NAME = 18  # letters
FEW = 10  # examples in a bin, that say little
SIZES = ((12, 0.5, 9), (30, 0.36, 8), (MOST_CLASSES, 0.135, 6))  # of up to so many classes: inches of a cell, points


def shortened(name: str, longest: int = LONGEST_NAME) -> str:
    """`name`, or its beginning and `…` if it has more letters than `longest`."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def confusion_matrix(path: str | os.PathLike[str], counts: Any, classes: Sequence[str]) -> Path:
    """What is taken for what: a row for each true class, blue where right and orange where wrong.

    The darkest blue is a whole class; the darkest orange is the largest share of a class that is taken for another.
    Up to 30 classes have their counts in the cells. Of more than 100, those with the most mistakes are shown.

    Args:
        counts: `(classes, classes)`, true class first.
    """
    matrix = array(counts).astype(np.float64)
    if matrix.shape != (len(classes), len(classes)):
        raise InputError(f"confusion_matrix: expected ({len(classes)}, {len(classes)}) counts, got {matrix.shape}")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    right = matrix.trace() / max(matrix.sum(), 1)
    chosen = _worst(matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal())
    names = [shortened(classes[number]) for number in chosen]
    shares, matrix = shares[np.ix_(chosen, chosen)], matrix[np.ix_(chosen, chosen)]
    wrong = np.where(np.eye(len(chosen), dtype=bool), 0, shares).max()
    cell, font = next((cell, font) for most, cell, font in SIZES if len(names) <= most)
    margin = 0.085 * font / 9 * max(map(len, names)) + 0.5  # inches, for the longest name
    side = max(cell * len(names), 1.4)
    turn = 90 if len(names) > 12 else 45
    turn = 0 if margin - 0.5 < side / len(names) else turn
    below = {0: 0.7, 45: 0.7 * margin + 0.2, 90: margin}[turn]
    with figure(path, (max(side + margin + 0.3, 4.2), side + below + 0.9)) as (page, grid):
        axes = grid[0, 0]
        some = f"; the {len(chosen)} of {len(classes)} classes with most mistakes" if len(chosen) < len(classes) else ""
        page.suptitle(f"{right:.1%} right{some}", x=0.02, ha="left", fontsize=11, fontweight="bold")
        axes.imshow(_painted(shares, wrong), interpolation="nearest")
        axes.set(xlabel="taken for", ylabel="true class")
        axes.xaxis.set_ticks(range(len(names)), names, fontsize=font, rotation=turn)
        axes.yaxis.set_ticks(range(len(names)), names, fontsize=font)
        for label in axes.get_xticklabels():
            label.set(ha="right" if turn == 45 else "center", rotation_mode="anchor" if turn == 45 else None)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        ends, lines = (-0.5, len(names) - 0.5), np.arange(len(names) + 1) - 0.5
        for draw in (axes.hlines, axes.vlines):
            draw(lines, *ends, color=GRID, linewidth=0.8 if len(names) <= 30 else 0.3)
        axes.set(xlim=ends, ylim=ends[::-1])
        if len(names) <= 30:
            _write_counts(axes, matrix, shares, wrong, font - 1)
        key = f"blue: right; orange: wrong, the darkest is {wrong:.0%} of a class" if wrong else "blue: right"
        page.supxlabel(key, fontsize=8, color=FAINT, x=0.02, ha="left")
    return Path(path)


def _worst(mistakes: np.ndarray) -> np.ndarray:
    """The numbers of the classes to show, in their order: all, or those with the most mistakes."""
    return np.sort(np.argsort(-mistakes, kind="stable")[:MOST_CLASSES])


def _painted(shares: np.ndarray, wrong: float) -> np.ndarray:
    """`(classes, classes, 3)`: white for nothing, blue on the diagonal, orange beside it."""
    from matplotlib import colormaps

    blue, orange = colormaps["Blues"](0.05 + 0.8 * shares), colormaps["Oranges"](0.12 + 0.6 * shares / (wrong or 1))
    painted = np.where(np.eye(len(shares), dtype=bool)[..., None], blue, orange)[..., :3]
    return np.where(shares[..., None] > 0, painted, 1.0)


def _write_counts(axes: Any, matrix: np.ndarray, shares: np.ndarray, wrong: float, font: float) -> None:
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            dark = shares[row, column] > (0.6 if row == column else 2 * wrong)
            size = font if count < 1000 else font - 1.5
            axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=size,
                      color="white" if dark else INK)  # fmt: skip


def per_class(path: str | os.PathLike[str], precision: Any, recall: Any, support: Any, classes: Sequence[str]) -> Path:
    """Two bars for each class, precision and recall; the class for which they are lowest comes first.

    Args:
        precision, recall: `(classes,)` in 0–1.
        support: `(classes,)`, examples of the class.
    """
    found, told, counts = (array(values).astype(np.float64) for values in (recall, precision, support))
    if not len(found) == len(told) == len(counts) == len(classes):
        raise InputError(f"per_class: expected {len(classes)} of each, got {len(told)}, {len(found)}, {len(counts)}")
    order = np.argsort(found * told / np.maximum(found + told, 1e-12), kind="stable")[:MOST_CLASSES]
    many = len(order) > 30
    room, font = (0.17, 7) if many else (0.42, 9)
    with figure(path, (6.4, 1.25 + room * len(order))) as (page, grid):
        axes = grid[0, 0]
        rows = np.arange(len(order))
        for shift, values, name, colour in ((-0.2, told, "precision", COLOURS[0]), (0.2, found, "recall", COLOURS[1])):
            axes.barh(rows + shift, values[order], height=0.36, color=colour, label=name)
            for row in () if many else rows:
                value = values[order[row]]
                axes.annotate(f"{value:.2f}", (value, row + shift), xytext=(3, 0), textcoords="offset points",
                              va="center", fontsize=8, color=FAINT)  # fmt: skip
        names = [f"{shortened(classes[number])} ({counts[number]:.0f})" for number in order]
        axes.set_yticks(rows, names, fontsize=font, color=INK)
        axes.set(xlim=(0, 1 if many else 1.08), ylim=(len(order) - 0.4, -0.6))
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.grid(axis="x")
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        if many:  # the page is long, so the scale stands at both ends
            axes.tick_params(labeltop=True)
        some = f", the lowest {len(order)} of {len(classes)} classes" if len(order) < len(classes) else ""
        page.suptitle(f"Precision and recall{some}", x=0.02, ha="left", fontsize=11, fontweight="bold")
        page.legend(loc="outside upper right", ncols=2, fontsize=9)
        page.supxlabel("in brackets: examples of the class", fontsize=8, color=FAINT, x=0.02, ha="left")
    return Path(path)


def reliability(path: str | os.PathLike[str], bins: "Sequence[Bin]", expected_error: float) -> Path:
    """Accuracy by confidence beside the diagonal on which a classifier is as sure as right, and examples by confidence.

    Args:
        bins: those that hold examples.
        expected_error: their mean gap, for the title.
    """
    if not bins:
        raise InputError("reliability: expected at least one bin with examples, got none")
    low, width = np.array([entry.low for entry in bins]), np.array([entry.high - entry.low for entry in bins])
    accuracy, confidence = (np.array([getattr(entry, name) for entry in bins]) for name in ("accuracy", "confidence"))
    counts = np.array([entry.count for entry in bins])
    firm = np.where(counts < FEW, 0.3, 1.0)
    edges = {"align": "edge", "linewidth": 0.8}
    with figure(path, (5.2, 5.8), 2, 1, sharex=True, height_ratios=(3, 1.1)) as (page, grid):
        upper, lower = grid[:, 0]
        page.suptitle(f"Expected calibration error {expected_error:.3f}", x=0.02, ha="left", fontsize=11, weight="bold")
        for place in range(len(bins)):  # matplotlib has one alpha for all bars
            upper.bar(low[place], accuracy[place], width[place], color=COLOURS[0], edgecolor="white", alpha=firm[place],
                      label="accuracy" if place == counts.argmax() else None, **edges)  # fmt: skip
        upper.bar(low, confidence - accuracy, width, bottom=accuracy, facecolor="none", edgecolor=COLOURS[1],
                  hatch="////", label="gap to confidence", **edges)  # fmt: skip
        upper.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="as sure as right")
        upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
        upper.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, fontsize=9, borderpad=0, columnspacing=1.2)
        lower.bar(low, counts, width, color="#9A9A9A", edgecolor="white", **edges)
        lower.set(xlabel="confidence: probability of the predicted class", ylabel="examples")
        means = {"accuracy": counts @ accuracy / counts.sum(), "confidence": counts @ confidence / counts.sum()}
        for place, (name, mean) in enumerate(means.items()):
            lower.axvline(mean, color=COLOURS[place], linewidth=1.6)
            lower.text(0.5 * place, 1.04, f"mean {name} {mean:.3f}", transform=lower.transAxes, fontsize=9,
                       color=COLOURS[place])  # fmt: skip
        if (counts < FEW).any():
            page.supxlabel(f"pale: fewer than {FEW} examples", fontsize=8, color=FAINT, x=0.02, ha="left")
        for axes in (upper, lower):
            axes.grid(axis="y")
    return Path(path)
