"""The user's own pictures: folders as classes, or one folder and a CSV of labels.

    images:photos                       photos/cat/1.png, photos/dog/2.jpg, …; a fifth of each class is the test set
    images:photos                       photos/train/cat/1.png, photos/test/cat/2.png, … (also training; testing, val,
                                        valid, validation)
    images:photos,labels=labels.csv     photos/1.png, …; labels.csv has a header and two columns, file name and label

One example is `(channels, height, width)` of uint8 and the number of its class; classes are in alphabetical order.
`Batches` and `pixels` give float in 0–1.
"""

import csv
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.data import cache, picture_cache, store
from fathom.data.dataset import Card, Dataset
from fathom.data.decoding import SUFFIXES, decode, list_images, open_picture, reason
from fathom.data.idx_images import about
from fathom.data.options import IMAGE_OPTIONS, expanded, integer, number, text
from fathom.data.split import held_out
from fathom.errors import DataError
from fathom.records import DataUsed
from fathom.registry import boolean

OPTIONS = {
    **IMAGE_OPTIONS,
    "test": number(0, below=1),  # fraction of each class, when there is no test folder
    "labels": text,
    "skip_bad": boolean,
    "seed": integer(0),
}
ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)  # the tag of EXIF, and its values that exchange height and width
TEST_FOLDERS = ("test", "val", "valid", "validation")  # the first one that is there is used
SYNONYMS = {"training": "train", "testing": "test"}  # of folders that have folders inside


@dataclass(frozen=True)
class Labelled:
    """A picture's path, the name of its class, and its split (empty: not decided by a folder)."""

    path: Path
    label: str
    split: str = ""


def read(
    name: str, folder: Path, split: str, options: dict[str, Any], splits: tuple[Path, Path] | None = None
) -> Dataset:
    """One split of the pictures in `folder`.

    Args:
        name: what the user wrote.
        folder: where the pictures are.
        split: `train` or `test`.
        options: of `OPTIONS`. Without `size` and `channels` they are those of the first picture.
        splits: the folders inside with the training and the test pictures; None finds them by their names.

    Raises:
        DataError: there is no folder, too few classes, an empty class, a label without picture, or a picture that
            can't be decoded (with `skip_bad` it is left out and counted, as long as its class keeps others to learn).
    """
    pictures, classes = labelled(name, folder, options, splits)
    size, channels = _shape([picture.path for picture in pictures], options)
    pixels, good, digest = _decoded(folder, pictures, size, channels, options.get("skip_bad", False))
    kept = [pictures[position] for position in good]
    learnt = [picture.label for picture in kept if picture.split == "train"]
    if unseen := sorted(set(classes) - set(learnt)):
        raise DataError(
            f"{folder}: expected a picture of each class to learn from, got none of {unseen[0]!r} that can be decoded; "
            "mend one, or take the class away"
        )
    chosen = slice(0, len(learnt)) if split == "train" else slice(len(learnt), len(good))
    if not kept[chosen]:
        raise DataError(f"{name}: expected pictures in the {split} split, got none; give more, or another test=")
    numbers = {label: number for number, label in enumerate(classes)}
    x, y = pixels[chosen], torch.tensor([numbers[picture.label] for picture in kept[chosen]])
    card = Card(
        name=name,
        title=f"pictures in {folder}",
        example=f"a picture ({channels}, {size[0]}, {size[1]}) and its class",
        splits={split: len(x)},
        licence="the user's own",
        classes=tuple(classes),
    )
    used = DataUsed(name=name, origin="user", path=str(folder), sha256={"all": digest}, sizes={split: len(x)})
    return Dataset(card, split, {"x": x, "y": y}, used, about(card.classes, x))


def labelled(
    name: str, folder: Path, options: dict[str, Any], splits: tuple[Path, Path] | None = None
) -> tuple[list[Labelled], list[str]]:
    """All pictures in `folder`, those of the training split first, and the names of the classes, without decoding any.

    Arguments and errors as of `read`.
    """
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is none"
        raise DataError(f"{name}: expected a folder of pictures at {folder}, but {what}; give images:DIR")
    labels = options.get("labels")
    pictures = _from_csv(folder, labels) if labels else _from_folders(folder, splits)
    classes = sorted({picture.label for picture in pictures})
    if len(classes) < 2:
        raise DataError(f"{name}: expected at least two classes, got only {classes[0]!r}; add pictures of another")
    return _in_splits(pictures, classes, options), classes


# --- which pictures, which classes ----------------------------------------------------------------------------------


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__")))


def _from_folders(folder: Path, splits: tuple[Path, Path] | None) -> list[Labelled]:
    train, test = splits or _split_folders(folder)
    if train is None:
        return _classes(folder, "")
    learnt = _classes(train, "train" if test is not None else "")
    unseen = _classes(test, "test") if test is not None else []
    if strangers := sorted({picture.label for picture in unseen} - {picture.label for picture in learnt}):
        raise DataError(f"{test}: expected the classes of {train}, got also {strangers[0]!r}; add it there")
    return learnt + unseen


def _split_folders(folder: Path) -> tuple[Path | None, Path | None]:
    """The folders with the training and the test pictures; None for what there is not.

    Raises:
        DataError: there is another folder beside them.
    """
    inside = {entry.name.lower(): entry for entry in _subfolders(folder)}
    for other, name in SYNONYMS.items():
        if other in inside and name not in inside and _subfolders(inside[other]):
            inside[name] = inside.pop(other)
    others = sorted(inside.keys() - {"train", *TEST_FOLDERS})
    if "train" not in inside:
        return None, None
    if others and _subfolders(inside["train"]):
        raise DataError(
            f"{folder}: expected beside train and {TEST_FOLDERS[0]} no other folder, got {inside[others[0]].name!r}; "
            "take it away, or give each class a folder of its own"
        )
    if others:
        return None, None
    return inside["train"], next((inside[name] for name in TEST_FOLDERS if name in inside), None)


def _classes(folder: Path, split: str) -> list[Labelled]:
    folders = _subfolders(folder)
    if not folders:
        loose = sum(entry.suffix.lower() in SUFFIXES for entry in folder.iterdir())
        raise DataError(
            f"{folder}: expected a folder of pictures for each class, got {loose} loose pictures and no folder; "
            "sort them into folders, or give labels=FILE.csv"
        )
    found = []
    for entry in folders:
        images = list_images(entry)
        if not images:
            raise DataError(
                f"{entry}: expected pictures of class {entry.name!r}, got none; add some or delete the folder"
            )
        found += [Labelled(path, entry.name, split) for path in images]
    return found


def _from_csv(folder: Path, labels: str) -> list[Labelled]:
    """The pictures that the label file names: by path below `folder`, with or without the suffix."""
    file = next((path for path in (expanded(labels), folder / labels) if path.is_file()), None)
    if file is None:
        raise DataError(f"labels={labels}: expected a CSV of file name and label, but there is no such file; check it")
    try:
        rows = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{file}: could not be read as CSV ({error}); save it as UTF-8 text") from error
    images = list_images(folder)
    by_name = {path.relative_to(folder).as_posix(): path for path in images}
    by_stem = {path.relative_to(folder).with_suffix("").as_posix(): path for path in images}
    stems = Counter(path.relative_to(folder).with_suffix("").as_posix() for path in images)
    if rows and any(name.strip() for name in rows[0][2:]):
        raise DataError(f"{file}: expected two columns, file name and label, got {','.join(rows[0])!r}; keep these two")
    first = rows[0][0].strip().removeprefix("./") if rows and rows[0] else ""
    if first in by_name or first in by_stem:
        raise DataError(f"{file}: expected a header, got the picture {first!r} in line 1; write id,label above it")
    found: dict[Path, Labelled] = {}
    for line, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) < 2 or not row[0].strip() or not row[1].strip():
            raise DataError(f"{file} line {line}: expected a file name and a label, got {','.join(row)!r}; complete it")
        wanted, label = row[0].strip().removeprefix("./"), row[1].strip()
        if wanted not in by_name and stems[wanted] > 1:
            raise DataError(f"{file} line {line}: {wanted!r} names {stems[wanted]} pictures; give it with its suffix")
        path = by_name.get(wanted) or by_stem.get(wanted)
        if path is None:
            raise DataError(
                f"{file} line {line}: names {wanted!r}, but there is no such picture in {folder}; remove it"
            )
        if path in found and found[path].label != label:
            raise DataError(f"{file} line {line}: calls {wanted!r} {label!r}, an earlier line {found[path].label!r}")
        found[path] = Labelled(path, label)
    if not found:
        raise DataError(f"{file}: expected a header and rows of file name and label, got no row; add some")
    if len(found) < len(images):
        store.say(f"{file} names {len(found)} of the {len(images)} pictures in {folder}; the others are left out")
    return [found[path] for path in sorted(found)]


def _in_splits(pictures: list[Labelled], classes: list[str], options: dict[str, Any]) -> list[Labelled]:
    """All pictures, those to learn from first: where folders decide, theirs; else a share of each class is held out.

    So each split lies in one piece in the cache.
    """
    if not any(picture.split for picture in pictures):
        numbers = {label: number for number, label in enumerate(classes)}
        y = np.array([numbers[picture.label] for picture in pictures])
        test = held_out(y, options.get("test", 0.2), options.get("seed", 0))
        pictures = [
            replace(picture, split="test" if out else "train") for picture, out in zip(pictures, test, strict=True)
        ]
    return sorted(pictures, key=lambda picture: picture.split == "test")


# --- pixels ---------------------------------------------------------------------------------------------------------


def _shape(paths: list[Path], options: dict[str, Any]) -> tuple[tuple[int, int], int]:
    """Size and channels: what was asked for, else those of the first picture, with `skip_bad` of the first good one."""
    if "size" in options and "channels" in options:
        return options["size"], options["channels"]
    for path in paths:
        try:
            with open_picture(path) as image:
                turned = image.getexif().get(ORIENTATION, 1) in SIDEWAYS
                size = (image.width, image.height) if turned else (image.height, image.width)
                grey = image.mode in ("1", "L", "I", "F", "I;16", "I;16B", "LA")
            return options.get("size", size), options.get("channels", 1 if grey else 3)
        except Exception as error:
            if not options.get("skip_bad"):
                raise _bad(path, error) from error
    raise _none_good(paths)


def _bad(path: Path, error: Exception, others: int = 0, remedy: str = "") -> DataError:
    them, so_too = ("them", f", nor could {others} more") if others else ("it", "")
    remedy = remedy or f"remove {them}, or go on without {them} by --skip-bad (skip_bad=true)"
    return DataError(f"{path}: could not be decoded as a picture ({reason(error)}){so_too}; {remedy}")


def _none_good(paths: list[Path]) -> DataError:
    return DataError(
        f"expected pictures that can be decoded, got none among {len(paths)} (first: {paths[0]}); check them"
    )


def _decoded(
    folder: Path, pictures: list[Labelled], size: tuple[int, int], channels: int, skip_bad: bool, remedy: str = ""
) -> tuple[Tensor, list[int], str]:
    """All pictures `(good, channels, height, width)` of uint8, the positions of the good ones, and a digest of it all.

    The digest is over the decoded pixels and the labels, so a copy of the folder has the same; the cache's key is over
    the folder and names, sizes and times of change of the files, so that none must be read.
    """
    states = [(str(p.path.relative_to(folder)), p.path.stat().st_size, p.path.stat().st_mtime_ns) for p in pictures]
    key = f"{cache.digest_text(repr((str(folder.resolve()), states)))[:40]}-{size[0]}x{size[1]}x{channels}"
    paths = [picture.path for picture in pictures]
    kept = picture_cache.load(key, str(folder), paths, lambda path: decode(path, size, channels), (channels, *size))
    if kept.bad:
        first = min(kept.bad, key=lambda position: paths[position])
        if not skip_bad:
            raise _bad(paths[first], ValueError(kept.bad[first]), len(kept.bad) - 1, remedy)
        store.say(
            f"{folder}: {len(kept.bad)} of {len(paths)} pictures could not be decoded and are left out "
            f"(first: {paths[first].relative_to(folder)})"
        )
    good = [position for position in range(len(paths)) if position not in kept.bad]
    if not good:
        raise _none_good(paths)
    digest = cache.digest_text(kept.sha256 + repr([pictures[position].label for position in good]))
    return kept.x, good, digest
