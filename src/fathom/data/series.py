"""Series of numbers, one a step of time: what every one has in common, and a noisy sine.

A series is only ever split by time: its beginning is learnt from, its end is held out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer, number
from fathom.errors import DataError
from fathom.records import DataUsed

if TYPE_CHECKING:
    import numpy as np

HELD_OUT = 0.4  # of a series, at its end: 400 of the book's 1,000 steps
SINE = Card(
    name="noisy-sine",
    title="sin(0.01 t) with noise",
    example="a number, and the number after it",
    splits={"train": 599, "test": 399},
    licence="generated; Apache-2.0 as this package",
    task="forecasting",
)
CARDS = (SINE,)
OPTIONS = {
    "steps": integer(2),
    "noise": number(),  # standard deviation
    "test": number(0, below=1),  # share of the steps, at the end
    "seed": integer(0),
}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split of sin(0.01 t) for t = 1, 2, … with normal noise, 1,000 steps and a noise of 0.2 unless given.

    Source: Dive into Deep Learning, "Sequence Models".
    """
    import torch

    from fathom import seeding

    steps, noise = options.get("steps", 1000), options.get("noise", 0.2)
    random = seeding.generator(options.get("seed", 0), 0)
    time = torch.arange(1, steps + 1, dtype=torch.float64)
    values = torch.sin(0.01 * time) + noise * torch.randn(steps, generator=random, dtype=torch.float64)
    used = DataUsed(name=card.name, origin="generated")
    return series(card, split, values.numpy(), used, options.get("test", HELD_OUT), standardise=False)


def series(card: Card, split: str, values: np.ndarray, used: DataUsed, test: float, standardise: bool) -> Dataset:
    """One split of a series: `x` `(steps,)` float and `y` `(steps,)` the number after each.

    Args:
        values: `(steps,)`, the whole series.
        test: the share at its end that is held out.
        standardise: subtract the mean and divide by the standard deviation of the training part.

    Raises:
        DataError: the split has not two steps.
    """
    import dataclasses

    import torch

    first = len(values) - round(len(values) * test)
    known = values[:first]
    chosen = known if split == "train" else values[first:]
    if len(chosen) < 2:
        raise DataError(f"{used.name}: expected at least 2 steps in the {split} split, got {len(chosen)}; give more")
    mean, std = (float(known.mean()), float(known.std()) or 1.0) if standardise else (0.0, 1.0)
    numbers = torch.from_numpy((chosen - mean) / std).float()
    used = dataclasses.replace(used, sizes={split: len(chosen) - 1})
    about = {"kind": "series", "classes": [], "mean": mean, "std": std, "series_steps": len(values), "first": first}
    return Dataset(card, split, {"x": numbers[:-1], "y": numbers[1:]}, used, about)
