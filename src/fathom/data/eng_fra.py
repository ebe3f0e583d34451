"""English sentences and their French translations, from Tatoeba."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, RemoteFile
from fathom.data.options import PAIR_OPTIONS

if TYPE_CHECKING:
    from fathom.data.pairs import PairDataset

OPTIONS = PAIR_OPTIONS
CARD = Card(
    name="eng-fra",
    title="English and French sentences of Tatoeba, as manythings.org paired them in April 2019",
    example="an English sentence and its French translation, each with the end symbol",
    splits={"train": 150_197, "test": 16_933},
    licence="CC BY 2.0 FR (Tatoeba)",
    homepage="https://www.manythings.org/anki/",
    files=(
        RemoteFile(
            name="fra-eng.zip",
            urls=(
                "https://raw.githubusercontent.com/d2l-ai/d2l-en/b55adcf78796dd82c5d68e52156b3f5992aa4601/"
                "chapter_attention-mechanism/fra-eng.zip",
            ),
            sha256=("036e7dc4e83d393db24720ca0c7b7ddcb4b6b6053960438a5c0e1d6d8f2528f5",),
            size=3_423_204,
        ),
    ),
    sample="number-words",
    task="translation",
)
CARDS = (CARD,)
MEMBER = "fra.txt"


def read(card: Card, split: str, options: dict[str, Any]) -> PairDataset:
    """One split; tensors as of `pairs.dataset`."""
    from fathom.data import pairs, store
    from fathom.records import DataUsed

    (found,) = store.locate(card)
    used = DataUsed(
        name=card.name, origin=found.origin, path=str(found.path.parent), sha256={found.path.name: found.sha256}
    )
    return pairs.dataset(card, split, lambda: pairs.read_table(found.path, MEMBER), used, options)
