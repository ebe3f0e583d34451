"""Sequences whose answer hangs on inputs far apart: two marked numbers to add, bits to count modulo 2.

- `adding`: a row of numbers, two of which are marked, and their sum.
- `parity`: a row of bits, and after each of them whether the number of ones so far is odd.

Both are generated from a seed. Whoever always answers 1 to `adding` has a mean squared error of 1/6, the variance of
the sum of two even numbers; to `parity` nothing but all bits is of any use.

Source: Hochreiter and Schmidhuber 1997, section 5.4, for the adding problem; in the form of Arjovsky, Shah and Bengio
2016, arXiv 1511.06464, section 5.2: numbers from 0 to 1, a mark in either half.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer
from fathom.records import DataUsed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LICENCE = "generated; Apache-2.0 as this package"
ADDING = Card(
    name="adding",
    title="The sum of the two marked numbers of a row",
    example="(length, 2), numbers from 0 to 1 and their marks, and (1,)",
    splits={"train": 50_000, "test": 2000},
    licence=LICENCE,
    task="regression",
)
PARITY = Card(
    name="parity",
    title="Is the number of ones odd?",
    example="a row of bits (length,), and the parity of each of its beginnings",
    splits={"train": 20_000, "test": 2000},
    licence=LICENCE,
    task="classification",
    classes=("even", "odd"),
)
CARDS = (ADDING, PARITY)
LENGTHS = {ADDING.name: 200, PARITY.name: 64}
OPTIONS = {"length": integer(2), "examples": integer(1), "seed": integer(0)}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `adding` has `x` `(examples, length, 2)` and `y` `(examples, 1)` of float, `parity` both of int64."""
    from fathom import seeding

    length, count = options.get("length", LENGTHS[card.name]), options.get("examples", card.splits[split])
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split), length)
    x, y = _RULES[card.name](random, count, length)
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    kind = "marked numbers" if card is ADDING else "bits"
    return Dataset(card, split, {"x": x, "y": y}, used, {"kind": kind, "classes": list(card.classes), "length": length})


def adding(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """`x` `(count, length, 2)`: numbers, even in 0–1, and 1 at a mark in either half, else 0; `y` `(count, 1)`."""
    import torch

    half = length // 2
    numbers, marks = torch.rand(count, length, generator=random), torch.zeros(count, length)
    for begin, room in ((0, half), (half, length - half)):
        marks.scatter_(1, begin + torch.randint(room, (count, 1), generator=random), 1.0)
    return torch.stack([numbers, marks], dim=2), (numbers * marks).sum(dim=1, keepdim=True)


def parity(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """`x` `(count, length)` of 0 and 1, `y` of the same shape: 1 where the ones up to there are odd in number."""
    import torch

    bits = torch.randint(2, (count, length), generator=random)
    return bits, bits.cumsum(dim=1) % 2


_RULES: dict[str, Callable[[torch.Generator, int, int], tuple[Tensor, Tensor]]] = {
    ADDING.name: adding,
    PARITY.name: parity,
}
