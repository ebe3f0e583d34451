"""Picture contests that are registered: the book's small CIFAR-10 set, and one with shapes that we draw.

One example is a labelled picture `(3, 32, 32)`; a tenth of each class is held out. `load_entries` gives the pictures
without a label.

Source: Kaggle, "CIFAR-10 - Object Recognition in Images"; Dive into Deep Learning, "Image Classification (CIFAR-10) on
Kaggle", whose history has these 1,000 + 100 of its pictures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fathom.data import drawn_shapes
from fathom.data.cifar10 import CLASSES
from fathom.data.dataset import Card, Dataset, RemoteFile
from fathom.data.options import IMAGE_OPTIONS, integer, number
from fathom.records import DataUsed

if TYPE_CHECKING:
    import numpy as np

    from fathom.data.contest_folder import Entries
    from fathom.data.store import Found

DRAWN = Card(
    name="drawn-contest",
    title="A contest with coloured shapes that are drawn at random",
    example=drawn_shapes.CARD.example,
    splits={"train": 900, "test": 100},
    licence=drawn_shapes.CARD.licence,
    classes=drawn_shapes.CLASSES,
)
TINY = Card(
    name="cifar10-tiny",
    title="CIFAR-10 as a contest, its first 1,000 pictures and 100 to predict",
    example="a colour picture (3, 32, 32) of an animal or a vehicle, and its class",
    splits={"train": 900, "test": 100},
    licence="none stated; cite Krizhevsky 2009",
    homepage="https://www.kaggle.com/c/cifar-10",
    files=(
        RemoteFile(
            name="kaggle_cifar10_1000.zip",
            urls=(),  # packed from single files of the book's history
            sha256=("beed780f5cae62f5aa300dc031d9beb5d1b7fd78f387cc6c91f8286aec762447",),
            size=2_614_305,
        ),
    ),
    sample=DRAWN.name,
    classes=CLASSES,
)
CARDS = (TINY, DRAWN)
OPTIONS = {**IMAGE_OPTIONS, "test": number(0, below=1), "seed": integer(0)}
SEED = 20242  # of the drawn set; changing it changes the data
ENTRIES = 100


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` is `(examples, channels, height, width)` of uint8, `y` `(examples,)` of int64.

    Args:
        card: of the set.
        split: `train`, or `test` for the pictures held out.
        options: `size`, `channels`; `test`, the share of each class held out, drawn from `seed`.

    Raises:
        DataError: the file does not hold what it should.
        store.UnavailableError: it is nowhere.
    """
    if card is DRAWN:
        return _drawn(split, options)
    from fathom.data import contest_folder

    found = _found(card)
    dataset = contest_folder.read(card.name, found.path, split, options)
    used = replace(
        dataset.used, origin=found.origin, path=str(found.path.parent), sha256={found.path.name: found.sha256}
    )
    return replace(dataset, card=card, used=used)


def entries(card: Card, options: dict[str, Any]) -> Entries:
    """The pictures without a label; arguments and errors as of `read`."""
    from fathom.data import contest_folder

    if card is not DRAWN:
        return contest_folder.entries(card.name, _found(card).path, options)
    pixels, _ = drawn_shapes.draw(ENTRIES, (SEED, 1), _side(options))
    ids = tuple(str(number) for number in range(1, ENTRIES + 1))
    return contest_folder.Entries(ids, _shown(pixels, options))


def _found(card: Card) -> Found:
    from fathom.data import store

    found = store.find(card, card.files[0])
    if found is None:
        raise store.UnavailableError(f"{card.name}: {card.files[0].name} is not here and there is no mirror of it")
    return found


def _drawn(split: str, options: dict[str, Any]) -> Dataset:
    import numpy as np
    import torch

    from fathom.data import idx_images
    from fathom.data.split import held_out

    pixels, labels = drawn_shapes.draw(sum(DRAWN.splits.values()), (SEED, 0), _side(options))
    test = held_out(labels, options.get("test", 0.1), options.get("seed", 0))
    chosen = np.flatnonzero(test == (split == "test"))
    x = _shown(pixels[chosen], options)
    used = DataUsed(name=DRAWN.name, origin="generated", sizes={split: len(x)})
    tensors = {"x": x, "y": torch.from_numpy(labels[chosen])}
    return Dataset(DRAWN, split, tensors, used, idx_images.about(DRAWN.classes, x))


def _side(options: dict[str, Any]) -> int:
    """Pixels a side at which the shapes are drawn."""
    return max(options.get("size", (drawn_shapes.SIDE, drawn_shapes.SIDE)))


def _shown(pixels: np.ndarray, options: dict[str, Any]) -> Any:
    """Drawn pictures as `(examples, channels, height, width)` of uint8, of the size asked for."""
    import torch

    from fathom.data import idx_images

    x = torch.from_numpy(pixels).float().div_(255)
    x = idx_images.in_channels(idx_images.resized(x, options.get("size", x.shape[-2:])), options.get("channels", 3))
    return x.mul(255).round().to(torch.uint8)
