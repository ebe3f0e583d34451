"""Heat maps over the steps of a sequence, one above the other, with one scale from 0 to 1: gates over a sentence."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fathom.errors import InputError
from fathom.plot.style import array, figure

WIDEST = 13.0  # inches


def over_steps(
    path: str | os.PathLike[str],
    maps: Mapping[str, Any],
    steps: Sequence[str],
    *,
    ylabel: str = "units",
    title: str = "",
) -> Path:
    """Numbers from 0 (white) to 1 (blue) by unit and step, a map under each name.

    Args:
        maps: name to `(units, steps)`.
        steps: what stands below each step (the characters of a sentence); nothing below one where it is empty.
        title: above all of them.
    """
    matrices = {name: array(values).astype(np.float64) for name, values in maps.items()}
    if not matrices:
        raise InputError("over_steps: expected at least one map, got none")
    for name, matrix in matrices.items():
        if matrix.ndim != 2 or matrix.shape[1] != len(steps):
            raise InputError(f"over_steps: expected {name} as (units, {len(steps)}), got {matrix.shape}")
    tall = max(1.5, 0.07 * max(len(matrix) for matrix in matrices.values()))
    size = (min(max(0.26 * len(steps) + 1.6, 4.0), WIDEST), 0.5 + (tall + 0.45) * len(matrices))
    with figure(path, size, rows=len(matrices), sharex=True) as (page, grid):
        if title:
            page.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold")
        for axes, (name, matrix) in zip(grid[:, 0], matrices.items(), strict=True):
            picture = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            axes.set_title(name, fontsize=10, fontweight="normal")
            axes.set_ylabel(ylabel)
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
        grid[-1, 0].set_xticks(range(len(steps)), ["␣" if step.isspace() else step for step in steps])
        page.colorbar(picture, ax=list(grid[:, 0]), shrink=0.6, pad=0.01).outline.set_visible(False)
    return Path(path)
