"""Sequences of bits that ask for a memory: to be copied, copied again and again, or recalled by what stood before.

An example is a row of steps, each with `bits` channels for a vector and two more for signs, and at each step the bits
to answer with, -1 where nothing is asked. Lengths are drawn evenly; what is left at a row's end is all 0 and asks
nothing.

- `copy`: `length` vectors, the sign, then as many empty steps in which they are asked.
- `repeat-copy`: vectors, then how often they are asked, on the second sign's channel divided by `repeats`; after the
  last repeat the end is asked for, on a channel of its own.
- `associative-recall`: items of three vectors with the first sign before each; then one of them between the second
  signs, whose successor is asked.

Source: Graves, Wayne and Danihelka 2014, arXiv 1410.5401, sections 4.1 to 4.3. We draw fixed sets of examples, where
the paper draws anew for each update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer
from fathom.errors import InputError
from fathom.records import DataUsed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ITEM = 3  # vectors in an item of associative recall


def _card(name: str, title: str) -> Card:
    return Card(
        name=name,
        title=title,
        example="steps of bits and signs, and the bits to answer with at each step",
        splits={"train": 20_000, "test": 500},
        licence="generated; Apache-2.0 as this package",
        task="bits",
    )


COPY = _card("copy", "Vectors of bits to be copied")
REPEAT = _card("repeat-copy", "Vectors of bits to be copied several times")
RECALL = _card("associative-recall", "Items of bits, of which the next is asked")
CARDS = (COPY, REPEAT, RECALL)
OPTIONS = {
    "length": integer(1),  # vectors, or items, at most
    "shortest": integer(1),  # and at least
    "repeats": integer(1),  # repeat-copy: at most
    "fewest": integer(1),  # and at least
    "scale": integer(1),  # by what their number is divided; 5 unless given
    "bits": integer(1),
    "examples": integer(1),
    "seed": integer(0),
}
LENGTHS = {COPY.name: (1, 10, 8), REPEAT.name: (1, 5, 8), RECALL.name: (2, 6, 6)}  # shortest, longest, bits
REPEATS = 5


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` `(examples, steps, bits + 2)` and `y` `(examples, steps, answers)`, both float.

    Raises:
        InputError: the shortest is longer than the longest.
    """
    from fathom import seeding

    about = _settings(card, options)
    count = options.get("examples", card.splits[split])
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split), about["length"])
    x, y = _RULES[card.name](random, count, about)
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    return Dataset(card, split, {"x": x, "y": y}, used, about)


def _settings(card: Card, options: dict[str, Any]) -> dict[str, Any]:
    least, most, bits = LENGTHS[card.name]
    length, repeats = options.get("length", most), options.get("repeats", REPEATS)
    shortest = options.get("shortest", min(least, length))
    if not min(least, length) <= shortest <= length:
        raise InputError(f"{card.name}: shortest: expected a number from {least} to {length}, got {shortest}")
    fewest = options.get("fewest", 1)
    if fewest > repeats:
        raise InputError(f"{card.name}: fewest: expected a number from 1 to {repeats}, got {fewest}")
    about = {"kind": "bits", "classes": [], "task": card.name, "bits": options.get("bits", bits)}
    about |= {"shortest": shortest, "length": length}
    return about | {"fewest": fewest, "repeats": repeats, "scale": options.get("scale", REPEATS)}


def drawn(random: torch.Generator, low: int, high: int, count: int) -> Tensor:
    """`(count,)` whole numbers from `low` to `high`, both included."""
    import torch

    return torch.randint(low, high + 1, (count,), generator=random)


def in_one(parts: Sequence[tuple[Tensor, Tensor, Tensor]], count: int) -> tuple[Tensor, Tensor]:
    """Rows of several lengths in one pair of tensors, nothing asked past the end of each.

    Args:
        parts: the places `(rows,)` of int of those of one length, their `x` and `y`.
        count: how many rows there are.
    """
    steps = max(x.shape[1] for _, x, _ in parts)
    _, x, y = parts[0]
    xs, ys = x.new_zeros(count, steps, x.shape[2]), y.new_full((count, steps, y.shape[2]), -1.0)
    for places, x, y in parts:
        xs[places, : x.shape[1]], ys[places, : y.shape[1]] = x, y
    return xs, ys


def bits_of(random: torch.Generator, *shape: int) -> Tensor:
    """Bits, each 0 or 1 alike, as float."""
    import torch

    return torch.randint(2, shape, generator=random).float()


# --- copy -----------------------------------------------------------------------------------------------------------


def to_copy(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The steps in which vectors `(rows, length, bits)` are shown and asked; `2 * length + 1` of them."""
    rows, length, bits = vectors.shape
    x = vectors.new_zeros(rows, 2 * length + 1, bits + 2)
    y = vectors.new_full((rows, 2 * length + 1, bits), -1.0)
    x[:, :length, :bits], x[:, length, bits] = vectors, 1.0
    y[:, length + 1 :] = vectors
    return x, y


def copies(random: torch.Generator, count: int, about: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Rows of `copy`."""
    lengths, parts = drawn(random, about["shortest"], about["length"], count), []
    for length in lengths.unique().tolist():
        places = (lengths == length).nonzero()[:, 0]
        parts.append((places, *to_copy(bits_of(random, len(places), length, about["bits"]))))
    return in_one(parts, count)


# --- repeat-copy ----------------------------------------------------------------------------------------------------


def to_repeat(vectors: Tensor, repeats: int, scale: float) -> tuple[Tensor, Tensor]:
    """The steps in which vectors `(rows, length, bits)` are shown once and asked `repeats` times, and then the end.

    Args:
        scale: by which their number is divided.
    """
    rows, length, bits = vectors.shape
    steps = length + 1 + length * repeats + 1
    x, y = vectors.new_zeros(rows, steps, bits + 2), vectors.new_full((rows, steps, bits + 1), -1.0)
    x[:, :length, :bits], x[:, length, bits], x[:, length, bits + 1] = vectors, 1.0, repeats / scale
    y[:, length + 1 :] = 0.0
    y[:, length + 1 : -1, :bits] = vectors.repeat(1, repeats, 1)
    y[:, -1, bits] = 1.0
    return x, y


def repeated_copies(random: torch.Generator, count: int, about: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Rows of `repeat-copy`."""
    lengths = drawn(random, about["shortest"], about["length"], count)
    repeats, parts = drawn(random, about["fewest"], about["repeats"], count), []
    for length in lengths.unique().tolist():
        for times in repeats.unique().tolist():
            places = ((lengths == length) & (repeats == times)).nonzero()[:, 0]
            vectors = bits_of(random, len(places), length, about["bits"])
            parts.append((places, *to_repeat(vectors, times, about["scale"])))
    return in_one(parts, count)


# --- associative recall ---------------------------------------------------------------------------------------------


def to_recall(items: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """The steps in which items are shown, one of them is shown again, and the next is asked.

    Args:
        items: `(rows, items, 3, bits)`.
        asked: `(rows,)` of int, which is shown again: any but the last.
    """
    import torch

    rows, count, size, bits = items.shape
    told = count * (size + 1)
    x = items.new_zeros(rows, told + 2 * size + 2, bits + 2)
    y = items.new_full((rows, x.shape[1], bits), -1.0)
    shown = x[:, :told].unflatten(1, (count, size + 1))
    shown[:, :, 0, bits], shown[:, :, 1:, :bits] = 1.0, items
    every, query = torch.arange(rows), x[:, told:]
    query[:, [0, size + 1], bits + 1] = 1.0
    query[:, 1 : size + 1, :bits] = items[every, asked]
    y[:, -size:] = items[every, asked + 1]
    return x, y


def recalls(random: torch.Generator, count: int, about: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Rows of `associative-recall`."""
    lengths, parts = drawn(random, about["shortest"], about["length"], count), []
    for length in lengths.unique().tolist():
        places = (lengths == length).nonzero()[:, 0]
        items = bits_of(random, len(places), length, ITEM, about["bits"])
        parts.append((places, *to_recall(items, drawn(random, 0, length - 2, len(places)))))
    return in_one(parts, count)


_RULES: dict[str, Callable[[torch.Generator, int, dict[str, Any]], tuple[Tensor, Tensor]]] = {
    COPY.name: copies,
    REPEAT.name: repeated_copies,
    RECALL.name: recalls,
}
