"""Sets that are generated from a rule and a seed: the truth is known, so what was learned can be held against it.

Each split is a stream of its own of the seed. Source of the rules: Dive into Deep Learning, as each function says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fathom import records
from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer, number

if TYPE_CHECKING:
    from torch import Tensor

    Drawn = tuple[dict[str, Tensor], dict[str, Any]]  # tensors, and the truth in plain values


def _card(name: str, title: str, example: str, train: int, test: int, task: str) -> Card:
    return Card(
        name=name,
        title=title,
        example=example,
        splits={"train": train, "test": test},
        licence="generated; Apache-2.0 as this package",
        task=task,
        classes=("0", "1") if task == "classification" else (),
    )


LINEAR = _card("synthetic-linear", "y = 2 a - 3.4 b + 4.2 + noise", "(2,) and (1,)", 1000, 1000, "regression")
XOR = _card("xor", "Exclusive or", "(2,) of 0 and 1, and whether they differ", 4, 4, "classification")
SEPARABLE = _card(
    "separable",
    "Two classes that a line separates",
    "a point (2,) in [-1, 1], and its side",
    200,
    200,
    "classification",
)
POLYNOMIAL = _card(
    "polynomial",
    "A cubic with noise, as powers of its argument",
    "(20,), the powers t^i / i! of one normal number t, and (1,)",
    100,
    100,
    "regression",
)
HIGH = _card(
    "high-dimensional-linear", "More inputs than examples", "(200,) normal numbers and (1,)", 20, 100, "regression"
)
CARDS = (LINEAR, XOR, SEPARABLE, POLYNOMIAL, HIGH)
OPTIONS = {
    "examples": integer(1),  # in this split
    "noise": number(),  # standard deviation, in units of y (of x for xor)
    "seed": integer(0),
    "columns": integer(4),  # polynomial: how many powers
    "inputs": integer(1),  # high-dimensional-linear
    "margin": number(0, below=0.5),  # separable: least distance from the line
}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split of a generated set; `about` holds the rule behind it."""
    from fathom import seeding

    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split))
    settings = {"examples": card.splits[split]} | {key: value for key, value in options.items() if key != "seed"}
    tensors, truth = _RULES[card.name](random, settings)
    used = records.DataUsed(name=card.name, origin="generated", sizes={split: len(tensors["x"])})
    about = {"kind": "generated", "classes": list(card.classes), "truth": truth}
    return Dataset(card, split, {name: tensor.contiguous() for name, tensor in tensors.items()}, used, about)


def linear(random: Any, settings: dict[str, Any]) -> Drawn:
    """`x` `(examples, 2)` normal, `y` `(examples, 1)` = x w + b + noise.

    Source: Dive into Deep Learning, "Linear Regression Implementation from Scratch": w = (2, -3.4), b = 4.2, 0.01.
    """
    import torch

    w, b = torch.tensor([[2.0], [-3.4]]), 4.2
    x = torch.randn(settings["examples"], 2, generator=random)
    return {"x": x, "y": _noisy(x @ w + b, settings.get("noise", 0.01), random)}, {"w": [2.0, -3.4], "b": b}


def xor(random: Any, settings: dict[str, Any]) -> Drawn:
    """The four corners of the unit square in turn, `(examples, 2)`; class 1 where the two inputs differ."""
    import torch

    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    x = corners[torch.arange(settings["examples"]) % 4]
    y = (x[:, 0] != x[:, 1]).long()
    return {"x": _noisy(x, settings.get("noise", 0.0), random), "y": y}, {"rule": "x0 != x1"}


def separable(random: Any, settings: dict[str, Any]) -> Drawn:
    """Points `(examples, 2)` uniform in the square [-1, 1], none nearer to the line than `margin`; class 1 above it.

    The line is 0.6 a + 0.8 b = 0.1, whose normal has length 1, so `margin` is a distance (0.1 unless given).
    """
    import torch

    w, b, margin = torch.tensor([0.6, 0.8]), -0.1, settings.get("margin", 0.1)
    kept: list[Tensor] = []
    while sum(len(points) for points in kept) < settings["examples"]:
        points = torch.rand(settings["examples"] * 2 + 10, 2, generator=random) * 2 - 1
        kept.append(points[(points @ w + b).abs() >= margin])
    x = torch.cat(kept)[: settings["examples"]]
    return {"x": x, "y": (x @ w + b > 0).long()}, {"w": [0.6, 0.8], "b": b, "margin": margin}


def polynomial(random: Any, settings: dict[str, Any]) -> Drawn:
    """`x` `(examples, columns)`: t^i / i! for i from 0; `y` `(examples, 1)`; `t` `(examples, 1)` normal.

    Source: Dive into Deep Learning, "Model Selection, Underfitting, and Overfitting":
    y = 5 + 1.2 t - 3.4 t²/2! + 5.6 t³/3! + noise of 0.1, in 20 columns.
    """
    import torch

    columns = settings.get("columns", 20)
    t = torch.randn(settings["examples"], 1, generator=random, dtype=torch.float64)
    factorials = torch.tensor([math.factorial(i) for i in range(columns)], dtype=torch.float64)
    x = t ** torch.arange(columns) / factorials
    w = [5.0, 1.2, -3.4, 5.6] + [0.0] * (columns - 4)
    y = _noisy(x @ torch.tensor(w, dtype=torch.float64)[:, None], settings.get("noise", 0.1), random)
    return {"x": x.float(), "y": y.float(), "t": t.float()}, {"w": w}


def high_dimensional_linear(random: Any, settings: dict[str, Any]) -> Drawn:
    """`x` `(examples, inputs)` normal, `y` `(examples, 1)` = 0.05 + Σ 0.01 x + noise of 0.01.

    Source: Dive into Deep Learning, "Weight Decay": 200 inputs, 20 training and 100 test examples.
    """
    import torch

    inputs = settings.get("inputs", 200)
    x = torch.randn(settings["examples"], inputs, generator=random)
    y = 0.05 + 0.01 * x.sum(dim=1, keepdim=True)
    return {"x": x, "y": _noisy(y, settings.get("noise", 0.01), random)}, {"w": [0.01] * inputs, "b": 0.05}


def _noisy(values: Tensor, noise: float, random: Any) -> Tensor:
    import torch

    return values + noise * torch.randn(values.shape, generator=random, dtype=values.dtype)


_RULES: dict[str, Callable[[Any, dict[str, Any]], Drawn]] = {
    "synthetic-linear": linear,
    "xor": xor,
    "separable": separable,
    "polynomial": polynomial,
    "high-dimensional-linear": high_dimensional_linear,
}
