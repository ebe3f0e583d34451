"""Loading the training images of Fashion-MNIST as floats: from fathom's cache, and from the source files by NumPy."""

import gzip

import numpy as np
import torch

from benchmarks.harness import Comparison, compare
from fathom import data


def run(rounds: int) -> list[Comparison]:
    """Compare where the full set is at hand; the embedded sample otherwise."""
    dataset = data.load("fashion-mnist")
    images = data.path(dataset.card.name) / "train-images-idx3-ubyte.gz"

    def by_hand() -> torch.Tensor:
        raw = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16)
        return torch.from_numpy(raw.reshape(-1, 1, 28, 28).astype(np.float32)) / 255

    assert torch.equal(by_hand(), dataset.tensors["x"])
    ours = ("fathom, from its cache", lambda: data.load("fashion-mnist"))
    return [compare(f"load {len(dataset):,} images", ours, {"gzip and NumPy": by_hand}, rounds)]
