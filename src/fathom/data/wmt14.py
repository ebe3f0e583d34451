"""The news translation task of WMT 2014, English to German and to French, on which the Transformer was measured.

The corpora come from several archives. `FATHOM_DATA` names the folder that holds, line by line and perhaps with `.gz`,

    wmt14-en-de/train.en, train.de      Europarl v7, Common Crawl and News Commentary v9, about 4.5 M pairs
    wmt14-en-de/test.en, test.de        newstest2014, 3,003 pairs
    wmt14-en-fr/train.en, train.fr      these, UN and the Giga corpus, about 36 M pairs
    wmt14-en-fr/test.en, test.fr        newstest2014, 3,003 pairs

A pair cut at 256 steps takes about 4 kB of memory when the set is read first, 3.4 kB later: 1 kB are its two rows, the
rest its two sentences in their several forms. That is 18 GB of the German set and 144 GB of the French.

Source: Bojar et al. 2014, "Findings of the 2014 Workshop on Statistical Machine Translation"; sizes as in Vaswani et
al. 2017, arXiv 1706.03762, section 5.1.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card
from fathom.data.options import PAIR_OPTIONS
from fathom.errors import DataError

if TYPE_CHECKING:
    from fathom.data.pairs import PairDataset, Texts
    from fathom.data.store import Found

OPTIONS = {name: check for name, check in PAIR_OPTIONS.items() if name != "test"}  # the test set is a file of its own
SPLITS = ("train", "test")
BYTES = 4_000  # of memory a pair, cut at 256 steps: measured on 20,000 and on 80,000 of 25 words a side
LANGUAGES = {"wmt14-en-de": ("de", "German", 4_500_000), "wmt14-en-fr": ("fr", "French", 36_000_000)}


def _card(name: str, other: str, language: str, pairs: int) -> Card:
    return Card(
        name=name,
        title=f"WMT 2014, English and {language} sentences of parliament, web pages and news",
        example=f"an English sentence and its {language} translation, each with the end symbol",
        splits={"train": pairs, "test": 3003},
        licence="free for research; the terms of each corpus",
        homepage="https://www.statmt.org/wmt14/translation-task.html",
        sample="number-words",
        task="translation",
        by_hand=f"get the parallel corpora and newstest2014 at statmt.org/wmt14/translation-task.html, join them line "
        f"by line to {name}/train.en, train.{other}, test.en and test.{other}, and let FATHOM_DATA name the folder "
        f"above; with steps=256 all {pairs:,} pairs take about {pairs * BYTES / 1e9:.0f} GB of memory, and pairs= "
        "takes the first so many",
    )


CARDS = tuple(_card(name, *facts) for name, facts in LANGUAGES.items())


def read(card: Card, split: str, options: dict[str, Any]) -> PairDataset:
    """One split of the set; `pairs` takes only the first so many to learn from; else as of `pairs.dataset`.

    Pairs with an empty side, of which Europarl and Common Crawl have many, are left out and counted in a remark.

    Raises:
        DataError: two files have not equally many lines, or one is missing beside others.
        store.UnavailableError: the files are not on this machine.
    """
    from fathom.data import cache, pairs
    from fathom.records import DataUsed

    files = located(card)
    digests = {path.name: cache.remembered_digest(path) for both in files.values() for path in both}
    used = DataUsed(name=card.name, origin="folder", path=str(files["train"][0].parent), sha256=digests)
    others = {name: value for name, value in options.items() if name != "pairs"}
    first, test = options.get("pairs") or None, pairs.read_aligned(*files["test"], skip_empty=True)

    def texts() -> Texts:
        train = pairs.read_aligned(*files["train"], skip_empty=True)
        return train[0][:first] + test[0], train[1][:first] + test[1]

    return pairs.dataset(card, split, texts, used, others, held=len(test[0]), key=str(first))


def located(card: Card) -> dict[str, tuple[Path, Path]]:
    """The two files of each split.

    Raises:
        DataError: no folder of `FATHOM_DATA` has them all, but one has some of them.
        store.UnavailableError: none has any.
    """
    from fathom.data import store

    names = [f"{split}.{language}" for split in SPLITS for language in ("en", LANGUAGES[card.name][0])]
    places = [[_file(folder, name) for name in names] for folder in store.user_folders(card)]
    for found in places:
        if all(path.is_file() for path in found):
            return {"train": (found[0], found[1]), "test": (found[2], found[3])}
    for found in places:
        if any(path.is_file() for path in found):
            missing = [path.name for path in found if not path.is_file()]
            raise DataError(
                f"{found[0].parent}: expected {', '.join(names)}, each perhaps with .gz, got no {', '.join(missing)}; "
                f"{card.by_hand}"
            )
    raise store.UnavailableError(f"{card.name}: not on this machine; {card.by_hand}")


def _file(folder: Path, name: str) -> Path:
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() else folder / name


def here(card: Card) -> list[Found]:
    """The set's folder, if the files of each split have a line for a line.

    Raises:
        DataError: they have not, or one is missing beside others.
        store.UnavailableError: a file is nowhere.
    """
    from fathom.data import pairs
    from fathom.data.store import Found

    files = located(card)
    for both in files.values():
        pairs.read_aligned(*both, skip_empty=True)
    return [Found(files["train"][0].parent, "folder", "")]
