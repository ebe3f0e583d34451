"""English sentences and their French translations, from Tatoeba; what may be asked of any set of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, RemoteFile
from fathom.data.options import choice, integer, number

if TYPE_CHECKING:
    from fathom.data.pairs import PairDataset

OPTIONS = {
    "unit": choice("word", "char", "subword"),
    "clean": choice("book", "plain"),
    "vocab": integer(0),  # most words or characters, or pieces of words (there 0 is 8,000); 0 is no limit
    "min_count": integer(1),  # rarer words and characters are <unk>
    "shared": choice("true", "false"),  # one vocabulary for both sides
    "steps": integer(0),  # longer rows are cut to so many tokens, the end symbol counted; 0 is no limit
    "swap": choice("true", "false"),  # translate from the second column to the first
    "test": number(0, below=1),  # share of the source sentences that is held out
    "pairs": integer(0),  # take only the first so many of the file; 0 takes all
    "examples": integer(0),  # most training pairs, drawn by their source sentences; the test set stays; 0 takes all
}
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
