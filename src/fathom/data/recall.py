"""Sequences whose last step asks for something that only a memory with gates keeps: generated from a seed.

An example is a row of symbols, `(length,)` of int, and the symbol to answer with. Answers are the first symbols of the
alphabet; noise is made of others.

- `first-symbol`: the answer stands at the first step, noise follows.
- `marked-symbol`: the answer follows a mark somewhere in the noise, in which unmarked answers stand as well.
- `since-the-break`: the answer is the symbol shown most often since the last break; what stood before the break
  speaks for another one.

Source: Dive into Deep Learning, "Gated Recurrent Units", which names the three needs: an early observation that
everything later depends on, tokens without meaning, a logical break; Hochreiter and Schmidhuber 1997, section 5, for
tasks of the first and second kind.
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

ANSWERS = 4
ALPHABET = ("a", "b", "c", "d", "!", "|", "u", "v", "w", "x", "y", "z")
MARK, BREAK, NOISE = 4, 5, 6  # numbers of the mark, the break and the first symbol without a meaning
SHORTEST = 8


def _card(name: str, title: str) -> Card:
    return Card(
        name=name,
        title=title,
        example="a row of symbols, and the symbol to answer with",
        splits={"train": 2000, "test": 500},
        licence="generated; Apache-2.0 as this package",
        classes=ALPHABET[:ANSWERS],
    )


FIRST = _card("first-symbol", "The first symbol, after noise")
MARKED = _card("marked-symbol", "The symbol behind the mark, amid noise")
SINCE = _card("since-the-break", "The most frequent symbol since the break")
CARDS = (FIRST, MARKED, SINCE)
OPTIONS = {"length": integer(SHORTEST), "examples": integer(1), "seed": integer(0)}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` `(examples, length)` and `y` `(examples,)` of int64; 30 steps unless `length` is given."""
    from fathom import seeding

    length, count = options.get("length", 30), options.get("examples", card.splits[split])
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split), length)
    x, y = _RULES[card.name](random, count, length)
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    about = {"kind": "symbols", "classes": list(card.classes), "alphabet": list(ALPHABET), "length": length}
    return Dataset(card, split, {"x": x, "y": y}, used, about)


def first_symbol(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """The answer, then noise."""
    import torch

    x = torch.randint(NOISE, len(ALPHABET), (count, length), generator=random)
    x[:, 0] = torch.randint(ANSWERS, (count,), generator=random)
    return x, x[:, 0].clone()


def marked_symbol(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Any answers and noise; the one behind the mark counts."""
    import torch

    symbols = torch.tensor([*range(ANSWERS), *range(NOISE, len(ALPHABET))])
    x = symbols[torch.randint(len(symbols), (count, length), generator=random)]
    row, place = torch.arange(count), torch.randint(length - 1, (count,), generator=random)
    answer = torch.randint(ANSWERS, (count,), generator=random)
    x[row, place], x[row, place + 1] = MARK, answer
    return x, answer


def since_the_break(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Two stretches, each with a favourite that stands at more than half of its steps; the second one's counts.

    The break comes in the second half, and at least three steps are left after it.
    """
    import torch

    latest = length - 4
    place = torch.randint(length // 2, latest + 1, (count, 1), generator=random)
    step = torch.arange(length).expand(count, length)
    before = step < place
    favourite = torch.randint(ANSWERS, (count, 2), generator=random)
    x = torch.randint(ANSWERS, (count, length), generator=random)
    for stretch, here in enumerate((before, step > place)):
        order = torch.rand(count, length, generator=random).masked_fill(~here, 2.0).argsort(dim=1).argsort(dim=1)
        chosen = here & (order <= here.sum(dim=1, keepdim=True) // 2)  # more than half, drawn evenly
        x = torch.where(chosen, favourite[:, stretch : stretch + 1], x)
    return x.scatter(1, place, BREAK), favourite[:, 1]


_RULES: dict[str, Callable[[torch.Generator, int, int], tuple[Tensor, Tensor]]] = {
    FIRST.name: first_symbol,
    MARKED.name: marked_symbol,
    SINCE.name: since_the_break,
}
