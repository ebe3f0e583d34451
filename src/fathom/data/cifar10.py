"""CIFAR-10: 60,000 colour pictures of animals and vehicles, 32 × 32, in ten classes; and a lossy copy of it.

One example is `(3, 32, 32)` of uint8 and a label 0–9. `cifar10` is read from the authors' binary
archive; where only the JPEG copy is at hand, that one is taken, and the result says so.

Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".
"""

from __future__ import annotations

import itertools
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset, RemoteFile
from fathom.data.options import IMAGE_OPTIONS
from fathom.errors import DataError
from fathom.records import DataUsed

if TYPE_CHECKING:
    from torch import Tensor

    from fathom.data.store import Found

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CARD = Card(
    name="cifar10",
    title="CIFAR-10",
    example="a colour picture (3, 32, 32) of an animal or a vehicle, and its class",
    splits={"train": 50_000, "test": 10_000},
    licence="none stated; cite Krizhevsky 2009",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(
        RemoteFile(
            name="cifar-10-binary.tar.gz",
            urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            sha256=("c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",),
            size=170_052_171,
        ),
    ),
    sample="drawn-shapes",
    classes=CLASSES,
)
JPEG = Card(
    name="cifar10-jpeg",
    title="CIFAR-10, every picture a JPEG: a pixel differs by 5.8 of 255 on average",
    example=CARD.example,
    splits=CARD.splits,
    licence=CARD.licence,
    homepage=CARD.homepage,
    files=(
        RemoteFile(
            name="cifar10_jpeg.npz",
            urls=(),
            sha256=("da0bca0111cc29353443f4b95218bd77ac11a1e71919d34c6d1e6ffad02bc24e",),
            size=18_416_616,
        ),
    ),
    folder="cifar10",
    sample="drawn-shapes",
    classes=CLASSES,
)
CARDS = (CARD, JPEG)
OPTIONS = IMAGE_OPTIONS
MEMBERS = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
RECORD = 1 + 3 * 32 * 32  # bytes: the label, then red, green and blue, row by row


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` is `(examples, channels, height, width)` of uint8, `y` `(examples,)` of int64.

    Args:
        card: of the archive or of its JPEG copy.
        split: `train` or `test`.
        options: `size` (height, width), to which pictures are scaled; `channels` 3, or 1 for their brightness.

    Raises:
        DataError: the file does not hold what it should.
        store.UnavailableError: it is nowhere, and can't be downloaded.
    """
    from fathom.data import idx_images, memory, store

    if card is CARD and store.find(CARD, CARD.files[0]) is None and store.find(JPEG, JPEG.files[0]) is not None:
        store.say(f"{CARD.name}: the archive is not on this machine; taking {JPEG.name}, its lossy copy, instead")
        card = JPEG
    if card is JPEG and store.find(JPEG, JPEG.files[0]) is None:
        raise store.UnavailableError(f"{JPEG.name}: {JPEG.files[0].name} is not here and there is no mirror of it")
    found = store.locate(card)[0]
    pixels, labels = _decoded(card, found, split)
    size, channels = options.get("size", (32, 32)), options.get("channels", 3)
    memory.check(card.name, len(pixels), (channels, *size), bytes_each=1)
    x = idx_images.fitted(pixels, size, channels)
    used = DataUsed(
        name=card.name,
        origin=found.origin,
        path=str(found.path.parent),
        sha256={found.path.name: found.sha256},
        sizes={split: len(x)},
    )
    return Dataset(card, split, {"x": x, "y": labels.long()}, used, idx_images.about(card.classes, x))


def _decoded(card: Card, found: Found, split: str) -> tuple[Tensor, Tensor]:
    """Pixels `(examples, 3, 32, 32)` and labels `(examples,)` of uint8, from the cache when it has them."""
    from fathom.data import cache

    key = f"cifar10-{found.sha256[:32]}-{split}"
    if kept := cache.load_arrays(key):
        return kept[0]["x"], kept[0]["y"]
    try:
        pixels, labels = (_from_archive if card is CARD else _from_jpegs)(found, split)
    except (KeyError, ValueError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"{found.path}: expected the pictures of {card.name} ({error}); fetch it again") from error
    if pixels.shape != (card.splits[split], 3, 32, 32) or labels.shape != pixels.shape[:1]:
        expected = f"{card.splits[split]} pictures (3, 32, 32) and as many labels"
        raise DataError(f"{found.path}: expected {expected}, got {tuple(pixels.shape)} and {tuple(labels.shape)}")
    cache.save_arrays(key, {"x": pixels, "y": labels})
    return pixels, labels


def _from_archive(found: Found, split: str) -> tuple[Tensor, Tensor]:
    import torch

    parts = {}
    with tarfile.open(found.path, "r|gz") as archive:
        for entry in archive:
            name = entry.name.rpartition("/")[2]
            content = archive.extractfile(entry) if name in MEMBERS[split] else None
            if content is not None:
                parts[name] = torch.frombuffer(bytearray(content.read()), dtype=torch.uint8).view(-1, RECORD)
    records = torch.cat([parts[name] for name in MEMBERS[split]])
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].contiguous()


def _from_jpegs(found: Found, split: str) -> tuple[Tensor, Tensor]:
    import io

    import numpy as np
    import torch
    from PIL import Image

    with np.load(found.path, allow_pickle=False) as file:
        blob, offsets, labels = (file[f"{split}_{name}"] for name in ("jpeg", "offsets", "labels"))
    content = blob.tobytes()
    pixels = np.empty((len(labels), 32, 32, 3), np.uint8)
    for i, (start, stop) in enumerate(itertools.pairwise(offsets)):
        with Image.open(io.BytesIO(content[start:stop]), formats=["JPEG"]) as picture:
            pixels[i] = np.asarray(picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
