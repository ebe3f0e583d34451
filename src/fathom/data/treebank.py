"""The Stanford Sentiment Treebank: sentences of film reviews, parsed, with a sentiment at each node.

Source: Socher, Perelygin, Wu, Chuang, Manning, Ng and Potts 2013, "Recursive deep models for semantic compositionality
over a sentiment treebank".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data import trees
from fathom.data.dataset import Card, Dataset, RemoteFile
from fathom.errors import DataError
from fathom.records import DataUsed

if TYPE_CHECKING:
    from torch import Tensor

    from fathom.data.store import Found

ZIP = RemoteFile(
    name="trainDevTestTrees_PTB.zip",
    urls=("https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip",),
    sha256=("5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc",),
    size=789_539,
)
CARD = Card(
    name="sst-trees",
    title="Stanford Sentiment Treebank: sentences of film reviews as binary trees",
    example="a binary tree with one of five sentiments at each node",
    splits={"train": 8544, "test": 2210},
    licence="none stated; cite Socher et al. 2013",
    homepage="https://nlp.stanford.edu/sentiment/",
    files=(ZIP,),
    sample="sentiment-grammar",
    classes=trees.CLASSES,
)
LOOSE = Card(
    name="sst-trees-files",
    title=f"{CARD.title}, a file for each part",
    example=CARD.example,
    splits=CARD.splits,
    licence=CARD.licence,
    homepage=CARD.homepage,
    files=tuple(
        RemoteFile(name=f"{part}.txt", urls=(), sha256=(digest,), size=size)
        for part, digest, size in (
            ("train", "2c391415d7734f939fbdbb22f18bc9bb491982be9e1f3c7d6a15b8e58f74f1f8", 567_829),
            ("dev", "83088b1d776a127c06c14bce4acddfe2e6d318f538e2abbb5c9e772f96a8601b", 74_467),
            ("test", "65b9da00aa0e8107f3e3bf2f620e773457102b1828950ccb12931c103c01afdb", 147_988),
        )
    ),
    folder="sst-trees",
    sample="sentiment-grammar",
    classes=trees.CLASSES,
)
CARDS = (CARD, LOOSE)
OPTIONS = trees.TREEBANK_OPTIONS


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split; tensors as of `trees.dataset`. Files that lie beside each other will do in place of the archive.

    Raises:
        DataError: the archive does not hold the trees, or a line is no tree.
        store.UnavailableError: it is nowhere, and can't be downloaded.
    """
    from fathom.data import store

    here = {file.name: store.find(LOOSE, file) for file in LOOSE.files}
    if card is LOOSE or (store.find(CARD, ZIP) is None and all(here.values())):
        if not all(here.values()):
            raise store.UnavailableError(f"{card.name}: the files are not here and there is no mirror of them")
        found = {name.removesuffix(".txt"): entry for name, entry in here.items() if entry is not None}
        kept, parts = trees.from_files(found), list(found.values())
    else:
        parts = store.locate(CARD)
        kept = _from_archive(parts[0])
    used = DataUsed(
        name=card.name,
        origin=parts[0].origin,
        path=str(parts[0].path.parent),
        sha256={entry.path.name: entry.sha256 for entry in parts},
    )
    return trees.dataset(card, split, kept, used, options)


def _from_archive(found: Found) -> tuple[dict[str, Tensor], dict[str, Any]]:
    import zipfile

    from fathom.data import cache

    key = f"sst-trees-{trees.FORM}-{found.sha256[:32]}"
    kept = cache.load_arrays(key)
    if kept is None:
        try:
            with zipfile.ZipFile(found.path) as archive:
                texts = {part: archive.read(f"trees/{part}.txt").decode("utf-8") for part in ("train", "dev", "test")}
        except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{found.path}: expected the trees of {CARD.name} ({error}); fetch it again") from error
        where = {part: f"{found.path}: trees/{part}.txt" for part in texts}
        kept = trees.tabled({part: trees.parse_lines(text.split("\n"), where[part]) for part, text in texts.items()})
        cache.save_arrays(key, *kept)
    return kept
