"""Digits that we draw ourselves, to stand in for handwritten ones: a 5 × 7 font, turned, slanted, moved and blurred.

Generated from a fixed seed each time, so there is nothing to fetch and nothing to license. Much easier than MNIST:
a figure reached here says nothing about handwriting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import IMAGE_OPTIONS
from fathom.records import DataUsed

if TYPE_CHECKING:
    import numpy as np

FONT = """
.###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###.
#...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...#
#...# ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...#
#...# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .####
#...# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# ..#.. #...# ...#.
.###. .###. ##### .###. ...#. .###. .###. ..#.. .###. .##..
"""
SIDE = 28  # pixels
SEED = 20240  # of the set; changing it changes the data
SPLITS = {"train": 6_000, "test": 1_000}

CARD = Card(
    name="drawn-digits",
    title="Digits drawn from a bitmap font with random distortions",
    example="a grey picture (1, 28, 28) of a digit, and the digit",
    splits=SPLITS,
    licence="generated; Apache-2.0 as this package",
    classes=tuple("0123456789"),
)
CARDS = (CARD,)
OPTIONS = IMAGE_OPTIONS


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` is `(examples, channels, height, width)` float in 0–1, `y` `(examples,)` of int64."""
    import torch

    from fathom.data import idx_images

    pixels, labels = draw(SPLITS[split], (SEED, list(SPLITS).index(split)))
    x = idx_images.resized(torch.from_numpy(pixels).float().div_(255).unsqueeze(1), options.get("size", (SIDE, SIDE)))
    x = x.expand(-1, options.get("channels", 1), -1, -1)
    used = DataUsed(name=card.name, origin="generated", sizes={split: len(x)})
    return Dataset(card, split, {"x": x, "y": torch.from_numpy(labels)}, used, idx_images.about(card.classes, x))


def glyphs() -> np.ndarray:
    """The font, `(10, 7, 5)` of float, 1 where there is ink."""
    import numpy as np

    rows = [[[float(dot == "#") for dot in word] for word in line.split()] for line in FONT.split("\n") if line]
    return np.array(rows, np.float32).transpose(1, 0, 2)


def draw(count: int, seed: int | tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """`count` pictures `(count, 28, 28)` of uint8 and their digits `(count,)` of int64, each digit equally often.

    Every pixel is traced back to the place in the glyph that it shows, and read there by bilinear interpolation.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(count) % 10)
    # (count, 1, 1) each: turn in radians, slant, height of the digit and its width in pixels, place of its middle
    turn, slant = (random.uniform(-0.3, 0.3, (count, 1, 1)).astype(np.float32) for _ in range(2))
    height, width = (random.uniform(*limits, (count, 1, 1)).astype(np.float32) for limits in ((16, 23), (10, 17)))
    middle_y, middle_x = random.uniform(11.5, 15.5, (2, count, 1, 1)).astype(np.float32)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)[:, None] - np.stack([middle_y, middle_x])
    across = np.cos(turn) * x + np.sin(turn) * y
    down = np.cos(turn) * y - np.sin(turn) * x
    padded = np.pad(glyphs(), ((0, 0), (2, 2), (2, 2)))
    rows = down / height * 7 + 5  # 5 is the middle row of a padded glyph, 4 its middle column
    columns = (across + slant * down) / width * 5 + 4
    ink = _bilinear(padded, labels[:, None, None], rows, columns)
    thickness = random.uniform(0.25, 0.45, (count, 1, 1)).astype(
        np.float32
    )  # the share of ink from which a pixel is black
    noise = 0.03 * random.standard_normal(ink.shape, dtype=np.float32) * (ink > 0)
    grey = np.clip((ink - thickness + 0.15) * 3 + noise, 0, 1)
    return np.round(grey * 255).astype(np.uint8), labels.astype(np.int64)


def _bilinear(images: np.ndarray, which: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`images[which]` at fractional places; outside the picture its border, which is empty."""
    import numpy as np

    _, height, width = images.shape
    rows, columns = np.clip(rows, 0, height - 1.001), np.clip(columns, 0, width - 1.001)
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    low, right = rows - top, columns - left
    place = (which.astype(np.int32) * height + top) * width + left  # of the upper left of the four neighbours
    ink = images.ravel()
    upper = ink.take(place) * (1 - right) + ink.take(place + 1) * right
    lower = ink.take(place + width) * (1 - right) + ink.take(place + width + 1) * right
    return upper * (1 - low) + lower * low
