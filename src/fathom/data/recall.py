"""Sequences whose last step asks for something that only a memory with gates keeps: generated from a seed.

An example is a row of symbols, `(length,)` of int, and the symbol to answer with. Answers are the first symbols of the
alphabet; noise is made of others. A row is from half of `length` to all of it long, with padding before it, so that no
net can do with counting its steps.

- `first-symbol`: the answer stands at the first step, noise follows.
- `marked-symbol`: the answer follows a mark somewhere in the noise, in which unmarked answers stand as well.
- `since-the-break`: the answer is a, b, c or d for 0, 1, 2 or 3 marks since the break; those before it do not count.

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
ALPHABET = ("a", "b", "c", "d", "!", "|", "_", "u", "v", "w", "x", "y", "z")
MARK, BREAK, PADDING, NOISE = 4, 5, 6, 7  # numbers of those, and of the first symbol without a meaning
SHORTEST = 16  # so that half of it has room for a break and three marks after it
LENGTH = 50


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
SINCE = _card("since-the-break", "How many marks since the break")
CARDS = (FIRST, MARKED, SINCE)
OPTIONS = {"length": integer(SHORTEST), "examples": integer(1), "seed": integer(0)}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` `(examples, length)` and `y` `(examples,)` of int64; 50 steps unless `length` is given."""
    from fathom import seeding

    length, count = options.get("length", LENGTH), options.get("examples", card.splits[split])
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split), length)
    x, y = _RULES[card.name](random, count, length)
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    about = {"kind": "symbols", "classes": list(card.classes), "alphabet": list(ALPHABET), "length": length}
    return Dataset(card, split, {"x": x, "y": y}, used, about)


def noise(random: torch.Generator, count: int, length: int, among: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """Padding and then symbols without a meaning, or also those `among` them; and where each row begins, `(count,)`."""
    import torch

    symbols = torch.tensor([*among, *range(NOISE, len(ALPHABET))])
    x = symbols[torch.randint(len(symbols), (count, length), generator=random)]
    begin = torch.randint(length - length // 2 + 1, (count,), generator=random)
    return x.masked_fill(torch.arange(length) < begin[:, None], PADDING), begin


def first_symbol(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """The answer, then noise."""
    import torch

    x, begin = noise(random, count, length)
    answer = torch.randint(ANSWERS, (count,), generator=random)
    return x.scatter(1, begin[:, None], answer[:, None]), answer


def marked_symbol(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Any answers and noise; the one behind the mark counts."""
    import torch

    x, begin = noise(random, count, length, tuple(range(ANSWERS)))
    answer = torch.randint(ANSWERS, (count,), generator=random)
    room = length - 1 - begin
    place = begin + (torch.rand(count, generator=random) * room).long()
    row = torch.arange(count)
    x[row, place], x[row, place + 1] = MARK, answer
    return x, answer


def since_the_break(random: torch.Generator, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Noise, a break, at least three steps after it, and up to three marks on each side of it, drawn evenly."""
    import torch

    x, begin = noise(random, count, length)
    room = length - 6 - begin
    place = (begin + 3 + (torch.rand(count, generator=random) * room).long())[:, None]
    step = torch.arange(length).expand(count, length)
    marks = torch.randint(ANSWERS, (count, 2), generator=random)
    for side, here in enumerate(((step >= begin[:, None]) & (step < place), step > place)):
        order = torch.rand(count, length, generator=random).masked_fill(~here, 2.0).argsort(dim=1).argsort(dim=1)
        x = x.masked_fill(order < marks[:, side : side + 1], MARK)
    return x.scatter(1, place, BREAK), marks[:, 1]


_RULES: dict[str, Callable[[torch.Generator, int, int], tuple[Tensor, Tensor]]] = {
    FIRST.name: first_symbol,
    MARKED.name: marked_symbol,
    SINCE.name: since_the_break,
}
