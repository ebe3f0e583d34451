"""The user's own pictures: folders as classes, or one folder and a CSV of labels.

    images:photos                       photos/cat/1.png, photos/dog/2.jpg, …; a fifth of each class is the test set
    images:photos                       photos/train/cat/1.png, photos/test/cat/2.png, … (or val, valid, validation)
    images:photos,labels=labels.csv     photos/1.png, …; labels.csv has a header and two columns, file name and label

One example is `(channels, height, width)` float in 0–1 and the number of its class; classes are in alphabetical order.
"""

import csv
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from fathom.data import cache, memory, store
from fathom.data.dataset import Card, Dataset
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
TEST_FOLDERS = ("test", "val", "valid", "validation")  # the first one that is there is used
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".avif", ".jp2")


FORMATS = ("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Whatever the suffix says, a file is read as one of these. pillow knows more: for EPS, it would run Ghostscript."""


@dataclass(frozen=True)
class Labelled:
    """A picture's path, the name of its class, and its split (empty: not decided by a folder)."""

    path: Path
    label: str
    split: str = ""


def read(name: str, folder: Path, split: str, options: dict[str, Any]) -> Dataset:
    """One split of the pictures in `folder`.

    Args:
        name: what the user wrote.
        folder: where the pictures are.
        split: `train` or `test`.
        options: of `OPTIONS`. Without `size` and `channels` they are those of the first picture.

    Raises:
        DataError: there is no folder, too few classes, an empty class, a label without picture, or a picture that
            can't be decoded (with `skip_bad` it is left out and counted, as long as its class keeps others to learn).
    """
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is none"
        raise DataError(f"{name}: expected a folder of pictures at {folder}, but {what}; give images:DIR")
    labels = options.get("labels")
    pictures = _from_csv(folder, labels) if labels else _from_folders(folder)
    classes = sorted({picture.label for picture in pictures})
    if len(classes) < 2:
        raise DataError(f"{name}: expected at least two classes, got only {classes[0]!r}; add pictures of another")
    size, channels = _shape([picture.path for picture in pictures], options)
    memory.check(name, len(pictures), (channels, *size))
    pixels, good, digest = _decoded(folder, pictures, size, channels, options.get("skip_bad", False))
    if unseen := sorted(set(classes) - {pictures[i].label for i in good if pictures[i].split != "test"}):
        raise DataError(
            f"{folder}: expected a picture of each class to learn from, got none of {unseen[0]!r} that can be decoded; "
            "mend one, or take the class away"
        )
    y = torch.tensor([classes.index(pictures[i].label) for i in good])
    chosen = _chosen([pictures[i] for i in good], y, split, options)
    if len(chosen) == 0:
        raise DataError(f"{name}: expected pictures in the {split} split, got none; give test=0.2 or more pictures")
    x = (pixels[chosen] if len(chosen) < len(pixels) else pixels).float().div_(255)
    card = Card(
        name=name,
        title=f"pictures in {folder}",
        example=f"a picture ({channels}, {size[0]}, {size[1]}) and its class",
        splits={split: len(chosen)},
        licence="the user's own",
        classes=tuple(classes),
    )
    used = DataUsed(name=name, origin="user", path=str(folder), sha256={"all": digest}, sizes={split: len(chosen)})
    return Dataset(card, split, {"x": x, "y": y[chosen]}, used, about(card.classes, x))


def read_image(path: str | os.PathLike[str], size: tuple[int, int], channels: int) -> Tensor:
    """One picture as `(channels, height, width)` float in 0–1, decoded as training decodes it.

    Args:
        path: of one of `FORMATS`. It is turned as its EXIF says; of an animation the first frame is taken;
            transparent parts become white; 16-bit greys keep their brightness.
        size: (height, width) in pixels; the picture is scaled to it, whatever its proportions.
        channels: 1 for grey, 3 for red, green, blue.

    Raises:
        DataError: there is no such file, or it can't be decoded.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: expected a picture, but there is no such file; check the path")
    try:
        return torch.from_numpy(decode(path, size, channels)) / 255
    except ValueError as error:
        raise DataError(f"{path}: could not be decoded as a picture ({error}); give a PNG or JPEG file") from error


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """The pictures anywhere below `folder`, by name, hidden files and folders left out."""
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


# --- which pictures, which classes ----------------------------------------------------------------------------------


def _subfolders(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__")))


def _from_folders(folder: Path) -> list[Labelled]:
    inside = {entry.name.lower(): entry for entry in _subfolders(folder)}
    if "train" not in inside or not inside.keys() <= {"train", *TEST_FOLDERS}:
        return _classes(folder, "")
    train = _classes(inside["train"], "train" if len(inside) > 1 else "")
    tests = [inside[name] for name in TEST_FOLDERS if name in inside]
    test = _classes(tests[0], "test") if tests else []
    if strangers := sorted({picture.label for picture in test} - {picture.label for picture in train}):
        raise DataError(
            f"{tests[0]}: expected the classes of {inside['train']}, got also {strangers[0]!r}; add it there"
        )
    return train + test


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
    found: dict[Path, Labelled] = {}
    for line, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        if len(row) < 2 or not row[0].strip() or not row[1].strip():
            raise DataError(f"{file} line {line}: expected a file name and a label, got {','.join(row)!r}; complete it")
        wanted, label = row[0].strip(), row[1].strip()
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


def _chosen(pictures: list[Labelled], y: Tensor, split: str, options: dict[str, Any]) -> Tensor:
    """Positions of the pictures of a split: where folders decide, theirs; else a share of each class is held out."""
    if any(picture.split for picture in pictures):
        return torch.tensor([i for i, picture in enumerate(pictures) if picture.split == split], dtype=torch.long)
    test = held_out(y.numpy(), options.get("test", 0.2), options.get("seed", 0))
    return torch.from_numpy(np.flatnonzero(test == (split == "test")))


# --- pixels ---------------------------------------------------------------------------------------------------------


def _shape(paths: list[Path], options: dict[str, Any]) -> tuple[tuple[int, int], int]:
    """Size and channels: what was asked for, else those of the first picture, with `skip_bad` of the first good one."""
    if "size" in options and "channels" in options:
        return options["size"], options["channels"]
    for path in paths:
        try:
            with _opened(path) as image:
                size, grey = (image.height, image.width), image.mode in ("1", "L", "I", "F", "I;16", "I;16B", "LA")
            return options.get("size", size), options.get("channels", 1 if grey else 3)
        except Exception as error:
            if not options.get("skip_bad"):
                raise _bad(path, error) from error
    raise _none_good(paths)


def _bad(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: could not be decoded as a picture ({_reason(error)}); remove it, or go on without it by --skip-bad "
        "(skip_bad=true)"
    )


def _none_good(paths: list[Path]) -> DataError:
    return DataError(
        f"expected pictures that can be decoded, got none among {len(paths)} (first: {paths[0]}); check them"
    )


def _reason(error: Exception) -> str:
    return "in none of the formats that are read" if isinstance(error, Image.UnidentifiedImageError) else str(error)


def _opened(path: Path) -> Image.Image:
    Image.init()  # does something the first time only
    return Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])


def decode(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """The picture as `(channels, height, width)` of uint8; see `read_image`. ValueError if that can't be done."""
    height, width = size
    try:
        with _opened(path) as opened:
            largest = max(size)
            opened.draft(
                "L" if channels == 1 else "RGB", (2 * largest, 2 * largest)
            )  # JPEG: decode no more than needed
            image = _flat(ImageOps.exif_transpose(opened)).convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.array(image)
    except Exception as error:  # pillow's decoders raise almost anything on damaged files
        raise ValueError(_reason(error)) from error
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _flat(image: Image.Image) -> Image.Image:
    """The picture in 8 bits a channel, laid on white if parts of it are transparent."""
    if image.mode.startswith("I"):  # 16 bits, also in pillow's 32-bit mode
        return Image.fromarray((np.asarray(image).astype(np.float64).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.mode == "F":  # taken as 0–255
        return Image.fromarray(np.nan_to_num(np.asarray(image)).clip(0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def _decoded(
    folder: Path, pictures: list[Labelled], size: tuple[int, int], channels: int, skip_bad: bool
) -> tuple[Tensor, list[int], str]:
    """All pictures `(good, channels, height, width)` of uint8, the positions of the good ones, and a digest of it all.

    The digest is over the decoded pixels and the labels, so a copy of the folder has the same; the cache's key is over
    the folder and names, sizes and times of change of the files, so that none must be read.
    """
    states = [(str(p.path.relative_to(folder)), p.path.stat().st_size, p.path.stat().st_mtime_ns) for p in pictures]
    key = f"images-{cache.digest_text(repr((str(folder.resolve()), states)))[:40]}-{size[0]}x{size[1]}x{channels}"
    kept = cache.load_arrays(key)
    if kept is None:
        kept = _decode_all([picture.path for picture in pictures], size, channels, skip_bad)
        cache.save_arrays(key, *kept)
    tensors, facts = kept
    bad = {int(position): str(reason) for position, reason in facts["bad"]}
    if bad:
        first = min(bad)
        if not skip_bad:
            raise _bad(pictures[first].path, ValueError(bad[first]))
        store.say(
            f"{folder}: {len(bad)} of {len(pictures)} pictures could not be decoded and are left out "
            f"(first: {pictures[first].path.relative_to(folder)})"
        )
    good = [position for position in range(len(pictures)) if position not in bad]
    if not good:
        raise _none_good([picture.path for picture in pictures])
    digest = cache.digest_text(facts["sha256"] + repr([pictures[position].label for position in good]))
    return tensors["x"], good, digest


def _decode_all(
    paths: list[Path], size: tuple[int, int], channels: int, skip_bad: bool
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Decode with as many threads as there are cores (pillow lets go of the interpreter while it decodes)."""

    def attempt(path: Path) -> np.ndarray | str:
        try:
            return decode(path, size, channels)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(attempt, paths))
    bad = [(position, reason) for position, reason in enumerate(results) if isinstance(reason, str)]
    if bad and not skip_bad:
        raise _bad(paths[bad[0][0]], ValueError(bad[0][1]))
    good = [pixels for pixels in results if not isinstance(pixels, str)]
    stacked = np.stack(good) if good else np.zeros((0, channels, *size), np.uint8)
    return {"x": torch.from_numpy(stacked)}, {"bad": bad, "sha256": hashlib.sha256(stacked.data).hexdigest()}
