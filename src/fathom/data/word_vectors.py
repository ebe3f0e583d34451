"""GloVe vectors of the 40,000 most frequent words, to begin with where they are at hand.

Source: Pennington, Socher and Manning 2014, "GloVe: Global Vectors for Word Representation", 6 billion words.
"""

from __future__ import annotations

import functools
import gzip
from typing import TYPE_CHECKING

import numpy as np

from fathom.data import store
from fathom.data.dataset import Card, RemoteFile
from fathom.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 50  # numbers a word
CARD = Card(
    name="glove-6b-50d",
    title="GloVe, 6 billion words, 50 numbers each: the 40,000 most frequent",
    example="a word and its vector (50,)",
    splits={},
    licence="PDDL 1.0",
    homepage="https://nlp.stanford.edu/projects/glove/",
    files=(
        RemoteFile(
            name="glove.6B.50d.top40k.txt",
            urls=(),
            sha256=("1ab9706e1c4d9d179d51cdca7629df830966849c99271ffc851de37ac1d37d72",),
            size=6_771_524,
        ),
    ),
    folder="word-vectors",
)


def words() -> tuple[str, ...]:
    """The words that have a vector, the most frequent first; none if the file is not on this machine."""
    found = store.find(CARD, CARD.files[0])
    return _read(str(found.path))[0] if found else ()


def look_up(wanted: list[str]) -> tuple[Tensor, Tensor] | None:
    """The vectors of some words.

    Returns:
        `(words, 50)` of float32, zeros for a word that has none, and `(words,)` of bool, which have one; None if the
        file is not on this machine.
    """
    import torch

    found = store.find(CARD, CARD.files[0])
    if found is None:
        return None
    names, table = _read(str(found.path))
    numbers = {word: number for number, word in enumerate(names)}
    places = torch.tensor([numbers.get(word, -1) for word in wanted])
    there = places >= 0
    return torch.from_numpy(table)[places.clamp_min(0)] * there[:, None], there


@functools.cache
def _read(path: str) -> tuple[tuple[str, ...], np.ndarray]:
    """The words and their vectors `(words, 50)` of a file that has been verified."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        lines = [line.rstrip().split(" ") for line in file]
    if any(len(line) != SIZE + 1 for line in lines):
        raise DataError(f"{path}: expected a word and {SIZE} numbers in each line; fetch it again")
    return tuple(line[0] for line in lines), np.array([line[1:] for line in lines], np.float32)
