"""Sets of pictures in four idx files, as MNIST set the fashion: images and labels of two splits."""

from typing import Any

import torch
from torch import Tensor, nn

from fathom.data import cache, idx, memory, store
from fathom.data.dataset import Card, Dataset
from fathom.errors import DataError
from fathom.records import DataUsed

PREFIXES = {"train": "train", "test": "t10k"}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` is `(examples, channels, height, width)`, `y` `(examples,)` of int64.

    Pictures are float in 0–1 as they lie in the files, and uint8 in 0–255 in any other size or number of channels.

    Args:
        card: a set of four idx files.
        split: `train` or `test`.
        options: `size` (height, width), to which pictures are scaled; `channels` 1, or 3 equal ones.

    Raises:
        DataError: a file is damaged, or images and labels do not belong together.
        DownloadError: every mirror gave the wrong bytes.
        store.UnavailableError: the files are nowhere, and no mirror can be reached.
    """
    found = {entry.path.name: entry for entry in store.locate(card)}
    images = found[f"{PREFIXES[split]}-images-idx3-ubyte.gz"]
    labels = found[f"{PREFIXES[split]}-labels-idx1-ubyte.gz"]
    pixels, numbers = _decoded(card, images, labels)
    channels, size = options.get("channels", 1), options.get("size", pixels.shape[1:])
    as_they_are = tuple(size) == pixels.shape[1:] and channels == 1
    memory.check(card.name, len(pixels), (channels, *size), bytes_each=4 if as_they_are else 1)
    x = pixels.unsqueeze(1)
    x = x.float().div_(255) if as_they_are else fitted(x, size, channels)  # faster than dividing bytes
    used = DataUsed(
        name=card.name,
        origin=images.origin,
        path=str(images.path.parent),
        sha256={entry.path.name: entry.sha256 for entry in (images, labels)},
        sizes={split: len(x)},
    )
    return Dataset(card, split, {"x": x, "y": numbers.long()}, used, about(card.classes, x))


def about(classes: tuple[str, ...], x: Tensor) -> dict[str, Any]:
    """What prediction must know of pictures like `x`, `(examples, channels, height, width)`."""
    _, channels, height, width = x.shape
    return {
        "kind": "images",
        "classes": list(classes),
        "channels": channels,
        "image_size": [height, width],
        "mean": 0.0,
        "std": 1.0,
    }


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """`(examples, channels, height, width)` scaled to `size` (height, width), bilinear, in 0–1 as before."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    chunks = [nn.functional.interpolate(chunk, size, mode="bilinear", antialias=True) for chunk in x.split(1000)]
    return torch.cat(chunks).clamp_(0, 1)


def fitted(x: Tensor, size: tuple[int, int], channels: int) -> Tensor:
    """Bytes `(examples, 1 or 3, height, width)` of uint8, scaled to `size` and in `channels`, rounded to bytes."""
    if tuple(x.shape[-2:]) == tuple(size) and x.shape[1] == channels:
        return x
    whole = torch.empty(len(x), channels, *size, dtype=torch.uint8)
    for into, chunk in zip(whole.split(1000), x.split(1000), strict=True):
        into.copy_((in_channels(resized(chunk / 255, size), channels) * 255).round_())
    return whole


def in_channels(x: Tensor, channels: int) -> Tensor:
    """`(examples, 1 or 3, height, width)` in 1 channel (the brightness that Rec. 601 gives colours) or in 3."""
    if x.shape[1] == channels:
        return x
    if channels == 3:
        return x.expand(-1, 3, -1, -1)
    weights = torch.tensor([0.299, 0.587, 0.114])
    return torch.einsum("nchw,c->nhw", x, weights).unsqueeze(1)


def _decoded(card: Card, images: store.Found, labels: store.Found) -> tuple[Tensor, Tensor]:
    """The uint8 arrays `(examples, height, width)` and `(examples,)`, from the cache when it has them."""
    key = f"idx-{images.sha256[:32]}-{labels.sha256[:32]}"
    keep = images.origin != "sample"  # the sample is small and always at hand
    if keep and (kept := cache.load_arrays(key)):
        return kept[0]["x"], kept[0]["y"]
    pixels, numbers = torch.from_numpy(idx.read(images.path)), torch.from_numpy(idx.read(labels.path))
    if pixels.dim() != 3 or numbers.shape != pixels.shape[:1]:
        raise DataError(
            f"{card.name}: expected images (n, height, width) and n labels, got {tuple(pixels.shape)} and "
            f"{tuple(numbers.shape)}; fetch the files again"
        )
    if keep:
        cache.save_arrays(key, {"x": pixels, "y": numbers})
    return pixels, numbers
