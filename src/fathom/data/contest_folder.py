"""A picture contest as its organisers hand it out: labelled pictures to learn from, and entries that have no label.

    contest:DIR         DIR/train/1.png, …   DIR/test/1.png, …   DIR/trainLabels.csv or labels.csv: file name, label
    contest:FILE.zip    the same in an archive, which is unpacked to the cache once

Nothing is moved or copied: the label file says of which class a picture is. A tenth of each class is held out, unless
`test` says otherwise; the pictures in `test` are the entries, which `load_entries` gives.
"""

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from torch import Tensor

from fathom.data import archives, cache, image_folder, memory
from fathom.data.dataset import Dataset
from fathom.data.image_folder import Labelled, list_images
from fathom.errors import DataError

OPTIONS = image_folder.OPTIONS
HELD_OUT = 0.1  # of each class; Dive into Deep Learning, "Image Classification (CIFAR-10) on Kaggle"
LABELS = ("trainLabels.csv", "labels.csv")
SHOWN = 6  # names of what is there instead


@dataclass(frozen=True)
class Entries:
    """The pictures that a contest wants named.

    Args:
        ids: their names without the suffix, in the contest's order: by number where all are numbers.
        x: `(entries, channels, height, width)` of uint8, or of float in 0–1.
    """

    ids: tuple[str, ...]
    x: Tensor

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Layout:
    """Where a contest's parts are."""

    train: Path
    test: Path
    labels: Path


def read(name: str, folder: Path, split: str, options: dict[str, Any]) -> Dataset:
    """One split of the labelled pictures.

    Args:
        name: what the user wrote.
        folder: the contest's folder, or an archive of it.
        split: `train`, or `test` for those held out.
        options: of `OPTIONS`; `labels` names the label file, where it has another name.

    Raises:
        DataError: the layout is another, the label file names a picture that is not there or lacks one that is, or a
            picture can't be decoded.
    """
    found = layout(name, folder, options.get("labels", ""))
    _check_labelled(found)
    chosen = {"test": HELD_OUT, **options, "labels": str(found.labels)}
    return image_folder.read(name, found.train, split, chosen)


def entries(name: str, folder: Path, options: dict[str, Any]) -> Entries:
    """The pictures without a label.

    Args:
        name, folder: as in `read`.
        options: of `OPTIONS`; without `size` and `channels` they are those of the first picture. Every entry needs an
            answer, so `skip_bad` leaves none out.

    Raises:
        DataError: the layout is another, there is no entry, two have one name, or one can't be decoded.
    """
    found = layout(name, folder, options.get("labels", ""))
    paths = in_order(list_images(found.test))
    if not paths:
        raise DataError(
            f"{found.test}: expected pictures to predict, got none; unpack the contest's test pictures there"
        )
    ids = tuple(path.stem for path in paths)
    if twice := next((one for one, other in pairwise(ids) if one == other), ""):
        raise DataError(f"{found.test}: expected one picture of each name, got two called {twice!r}; remove one")
    size, channels = image_folder._shape(paths, options)
    memory.check(name, len(paths), (channels, *size), bytes_each=1)
    pictures = [Labelled(path, "") for path in paths]
    again = "every entry needs an answer, so get it again"
    x, _, _ = image_folder._decoded(found.test, pictures, size, channels, skip_bad=False, remedy=again)
    return Entries(ids, x)


def in_order(paths: list[Path]) -> list[Path]:
    """Pictures by the number that their names are; by name if one is not a number."""
    if all(path.stem.isdecimal() for path in paths):
        return sorted(paths, key=lambda path: (int(path.stem), path.name))
    return sorted(paths, key=lambda path: path.stem)


def layout(name: str, folder: Path, labels: str = "") -> Layout:
    """The parts of the contest in `folder`, in the only folder that is in it, or in the archive that it is.

    Args:
        labels: the label file's path or its name in the folder; empty looks for one of `LABELS`.

    Raises:
        DataError: a part is missing; says what is there instead.
    """
    root = unpacked(folder) if folder.is_file() else folder
    if not root.is_dir():
        raise DataError(
            f"{name}: expected a contest's folder or archive at {folder}, but there is none; check the path"
        )
    inside = _seen(root)
    if len(inside) == 1 and inside[0].is_dir():  # many archives hold one folder with all in it
        root, inside = inside[0], _seen(inside[0])
    files = [root / one for one in LABELS] if not labels else [Path(labels).expanduser(), root / labels]
    file = next((path for path in files if path.is_file()), None)
    if not (root / "train").is_dir() or not (root / "test").is_dir() or file is None:
        there = ", ".join(path.name for path in inside[:SHOWN]) + (", …" if len(inside) > SHOWN else "")
        wanted = labels or " or ".join(LABELS)
        raise DataError(
            f"{name}: expected the folders train and test and the file {wanted} in {root}, got {there or 'nothing'}; "
            "unpack the contest's archives there"
        )
    return Layout(root / "train", root / "test", file)


def _seen(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__")))


def unpacked(archive: Path) -> Path:
    """The folder in the cache to which `archive` is unpacked, the first time it is asked for.

    Raises:
        DataError: it is no archive, is damaged or hostile.
    """
    folder = cache.folder() / "unpacked" / cache.remembered_digest(archive)[:40]
    if not folder.is_dir():
        try:
            archives.unpack(archive, folder)
        except DataError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def _check_labelled(found: Layout) -> None:
    """DataError if a picture to learn from has no row in the label file."""
    rows = found.labels.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    named = {row[0].strip().removeprefix("./") for row in csv.reader(rows[1:]) if row}
    pictures = [path.relative_to(found.train) for path in list_images(found.train)]
    bare = [path for path in pictures if not {path.as_posix(), path.with_suffix("").as_posix()} & named]
    if bare:
        more = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
        raise DataError(
            f"{found.labels}: expected a row for every picture in {found.train}, got none for {bare[0]}{more}; "
            "add its label, or take the picture away"
        )
