"""Coloured shapes that we draw ourselves, to stand in for photographs: ten outlines, turned, moved, on noisy ground.

Generated from a fixed seed each time, so there is nothing to fetch and nothing to license. Much easier than
photographs: a figure reached here says nothing about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import IMAGE_OPTIONS
from fathom.records import DataUsed

if TYPE_CHECKING:
    import numpy as np

CLASSES = ("disc", "ring", "square", "frame", "triangle", "cross", "bar", "star", "stripes", "chequers")
SIDE = 32  # pixels
SEED = 20241  # of the set; changing it changes the data
SPLITS = {"train": 5_000, "test": 1_000}

CARD = Card(
    name="drawn-shapes",
    title="Coloured shapes on coloured ground, with random distortions",
    example="a colour picture (3, 32, 32) of a shape, and its class",
    splits=SPLITS,
    licence="generated; Apache-2.0 as this package",
    classes=CLASSES,
)
CARDS = (CARD,)
OPTIONS = IMAGE_OPTIONS


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` is `(examples, channels, height, width)` of uint8, `y` `(examples,)` of int64."""
    import torch

    from fathom.data import idx_images

    pixels, labels = draw(SPLITS[split], (SEED, list(SPLITS).index(split)))
    x = idx_images.fitted(torch.from_numpy(pixels), options.get("size", (SIDE, SIDE)), options.get("channels", 3))
    used = DataUsed(name=card.name, origin="generated", sizes={split: len(x)})
    return Dataset(card, split, {"x": x, "y": torch.from_numpy(labels)}, used, idx_images.about(card.classes, x))


def draw(count: int, seed: int | tuple[int, ...], side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """`count` pictures `(count, 3, side, side)` of uint8 and their classes `(count,)` of int64, each equally often."""
    import numpy as np

    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % len(CLASSES))
    turn = random.uniform(-0.4, 0.4, (count, 1, 1)).astype(np.float32)  # radians
    radius = random.uniform(0.25, 0.42, (count, 1, 1)).astype(np.float32) * side
    middle = random.uniform(0.4, 0.6, (2, count, 1, 1)).astype(np.float32) * side
    y, x = np.mgrid[:side, :side].astype(np.float32)[:, None] - middle
    across, down = (np.cos(turn) * x + np.sin(turn) * y) / radius, (np.cos(turn) * y - np.sin(turn) * x) / radius
    inside = np.zeros((count, side, side), np.float32)
    for number, name in enumerate(CLASSES):
        chosen = labels == number
        inside[chosen] = _depth(name, across[chosen], down[chosen])
    ink = np.clip(inside * radius + 0.5, 0, 1)[:, None]  # a soft edge of one pixel
    ground, colour = _colours(random, count)
    noise = 0.06 * random.standard_normal((count, 3, side, side), dtype=np.float32)
    pictures = np.clip(ground * (1 - ink) + colour * ink + noise, 0, 1)
    return np.round(pictures * 255).astype(np.uint8), labels.astype(np.int64)


def _colours(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two colours `(count, 3, 1, 1)` for each picture, in 0–1, each channel of them 0.3 to 0.6 apart."""
    import numpy as np

    ground = random.uniform(0.05, 0.95, (count, 3, 1, 1)).astype(np.float32)
    away = random.uniform(0.3, 0.6, (count, 3, 1, 1)).astype(np.float32)
    return ground, np.where(ground > 0.5, ground - away, ground + away)


def _depth(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How far inside the shape of radius 1 a place is, in radii; negative outside."""
    import numpy as np

    distance, square = np.hypot(x, y), np.maximum(abs(x), abs(y))
    if name == "disc":
        return 0.95 - distance
    if name == "ring":
        return 0.2 - abs(distance - 0.75)
    if name == "square":
        return 0.8 - square
    if name == "frame":
        return 0.18 - abs(square - 0.7)
    if name == "triangle":
        return np.minimum(0.55 - y, 0.45 + 0.5 * y - 0.87 * abs(x))
    if name == "cross":
        return np.minimum(0.95 - square, 0.25 - np.minimum(abs(x), abs(y)))
    if name == "bar":
        return np.minimum(0.95 - abs(x), 0.25 - abs(y))
    if name == "star":
        return 0.65 + 0.3 * np.cos(5 * np.arctan2(x, -y)) - distance
    stripes = np.sin(9 * y) / 9
    pattern = stripes if name == "stripes" else 4 * stripes * np.sin(9 * x)
    return np.minimum(0.9 - square, pattern)
