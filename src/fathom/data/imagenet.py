"""ILSVRC-2012, which the world calls ImageNet: 1.3 million photographs in 1,000 classes; and shapes to stand in.

The pictures can't be downloaded without an account. `FATHOM_DATA` names the folder that holds

    imagenet/train/n01440764/*.JPEG, …      1,281,167 pictures in 1,000 folders
    imagenet/val/n01440764/*.JPEG, …        50,000 pictures; here they are the test set, as in the papers

One example is a photograph of any size and its class 0–999, in alphabetical order of the folders. `resnet-imagenet`
decodes the files anew in each epoch; `data.load("imagenet,size=64")`, for every other recipe, decodes them once.

Source: Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge", arXiv 1409.0575.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom.data import drawn_shapes
from fathom.data.dataset import Card
from fathom.data.options import IMAGE_OPTIONS
from fathom.registry import boolean

if TYPE_CHECKING:
    from fathom.data.dataset import Dataset
    from fathom.data.picture_files import PictureFiles
    from fathom.data.store import Found

STAND_IN = Card(
    name="drawn-photographs",
    title="Coloured shapes in JPEG files of many sizes and proportions",
    example="a JPEG of 40 to 90 pixels a side with a shape on it, and its class",
    splits={"train": 240, "test": 60},
    licence=drawn_shapes.CARD.licence,
    classes=tuple(sorted(drawn_shapes.CLASSES)),
)
CARD = Card(
    name="imagenet",
    title="ILSVRC-2012 (ImageNet), training and validation pictures",
    example="a photograph of any size, and its class",
    splits={"train": 1_281_167, "test": 50_000},
    licence="for non-commercial research and education only; by ImageNet's terms of access",
    homepage="https://image-net.org/download",
    sample=STAND_IN.name,
    by_hand="get ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar at image-net.org/download, unpack them as "
    "imagenet/train/WNID/*.JPEG and imagenet/val/WNID/*.JPEG, and let FATHOM_DATA name the folder above",
)
CARDS = (CARD, STAND_IN)
OPTIONS = {**IMAGE_OPTIONS, "skip_bad": boolean}
SIZE = (224, 224)  # height and width to which pictures are brought when they are decoded once and for all
FOLDERS = {"train": "train", "test": "val"}
SEED = 20243  # of the stand-in; changing it changes the data
SIDES = (40, 90)  # pixels, of the stand-in


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split, every picture brought to one size: `x` `(examples, channels, height, width)` of uint8, `y` of int64.

    Args:
        card: of the set, or of its stand-in.
        split: `train` or `test`.
        options: `size` (224 unless given), `channels` (3), `skip_bad`.

    Raises:
        DataError: a folder is not laid out as it should be, or a picture can't be decoded.
        store.UnavailableError: the pictures are not on this machine.
    """
    from fathom.data import image_folder

    folder, origin = root(card)
    splits = (folder / FOLDERS["train"], folder / FOLDERS["test"])
    dataset = image_folder.read(card.name, folder, split, {"size": SIZE, "channels": 3, **options}, splits)
    return replace(dataset, card=replace(card, classes=dataset.card.classes), used=replace(dataset.used, origin=origin))


def read_files(card: Card, split: str, options: dict[str, Any]) -> PictureFiles:
    """One split as files, to be decoded each time; arguments and errors as of `read`."""
    from fathom.data import picture_files

    folder, origin = root(card)
    inside, classes = FOLDERS[split], _classes(folder)
    pictures = [
        (f"{inside}/{wnid}/{name}", number)
        for number, wnid in enumerate(classes)
        for name in _pictures(folder / inside / wnid)
    ]
    return picture_files.files(card.name, origin, folder, classes, pictures, split, options.get("skip_bad", False))


def _classes(folder: Path) -> list[str]:
    with os.scandir(folder / FOLDERS["train"]) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and entry.name[0] != ".")


def here(card: Card) -> list[Found]:
    """The set's folder, if each split has as many pictures as the card says; their contents are not read.

    Raises:
        DataError: pictures are missing.
        store.UnavailableError: the folder is nowhere.
    """
    from fathom.data.store import Found
    from fathom.errors import DataError

    folder, origin = root(card)
    for split, count in card.splits.items():
        found = len(read_files(card, split, {}))
        if found != count:
            raise DataError(
                f"{folder / FOLDERS[split]}: expected {count:,} pictures, got {found:,}; unpack the archive again"
            )
    return [Found(folder, origin, "")]


def _pictures(folder: Path) -> list[str]:
    """The names of the pictures of one class.

    Raises:
        DataError: there are none.
    """
    from fathom.data.decoding import SUFFIXES
    from fathom.errors import DataError

    names = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        names = sorted(one.name for one in entries if one.name.lower().endswith(SUFFIXES) and one.name[0] != ".")
    if not names:
        raise DataError(f"{folder}: expected pictures of class {folder.name!r}, got none; unpack the archive again")
    return names


def root(card: Card) -> tuple[Path, str]:
    """The folder that holds `train` and `val`, and where it came from.

    Raises:
        store.UnavailableError: it is in none of the folders of `FATHOM_DATA`.
    """
    from fathom.data import store

    if card.name == STAND_IN.name:
        return stand_in(), "generated"
    for folder in store.user_folders(card):
        if all((folder / inside).is_dir() for inside in FOLDERS.values()):
            return folder, "folder"
    raise store.UnavailableError(f"{card.name}: not on this machine; {card.by_hand}")


def stand_in() -> Path:
    """The stand-in's folder, drawn where it is not there yet: in the cache, else in a folder of this process."""
    from fathom.data import cache

    home = cache.folder() / STAND_IN.name
    if not home.is_dir():
        with contextlib.suppress(OSError):
            home.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{home.name}.", dir=home.parent) as drawn:
                draw(Path(drawn, "whole")).rename(home)  # fails if another process was faster
    return home if home.is_dir() else _for_this_process()


@functools.cache
def _for_this_process() -> Path:
    folder = tempfile.mkdtemp(prefix=STAND_IN.name)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return draw(Path(folder))


def draw(folder: Path) -> Path:
    """Write the stand-in below `folder`; the same bytes every time with one version of pillow."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(SEED)
    for number, (split, inside) in enumerate(FOLDERS.items()):
        count = STAND_IN.splits[split]
        pixels, labels = drawn_shapes.draw(count, (SEED, number), side=SIDES[1])
        sizes = random.integers(SIDES[0], SIDES[1], (count, 2), endpoint=True)
        for place, (picture, label, (width, height)) in enumerate(zip(pixels, labels, sizes, strict=True)):
            path = folder / inside / drawn_shapes.CLASSES[label] / f"{place}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
            image.resize((int(width), int(height)), Image.Resampling.BILINEAR).save(path, quality=90)
    return folder
