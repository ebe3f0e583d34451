"""A curve under noise, as many points of it as are asked for: y = 2 sin x + x^0.8 for x between 0 and 5.

Source: Dive into Deep Learning, "Attention Pooling: Nadaraya-Watson Kernel Regression".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer, number
from fathom.records import DataUsed

if TYPE_CHECKING:
    from torch import Tensor

END, NOISE = 5.0, 0.5

CARD = Card(
    name="noisy-curve",
    title="y = 2 sin x + x^0.8 under noise, and the curve itself",
    example="a number (1,) from 0 to 5, and (1,)",
    splits={"train": 50, "test": 50},
    licence="generated; Apache-2.0 as this package",
    task="regression",
)
CARDS = (CARD,)
OPTIONS = {"examples": integer(2), "noise": number(), "seed": integer(0)}


def curve(x: Tensor) -> Tensor:
    """The curve without noise at each x."""
    return 2 * x.sin() + x**0.8


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """`x` and `y` `(examples, 1)`: for training, drawn evenly, sorted and noisy; for testing, every 5 / examples.

    The test's `y` are the curve itself, without noise.
    """
    import torch

    from fathom import seeding

    count = options.get("examples", card.splits[split])
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split))
    if split == "train":
        x, _ = (END * torch.rand(count, 1, generator=random)).sort(dim=0)
        y = curve(x) + options.get("noise", NOISE) * torch.randn(count, 1, generator=random)
    else:
        x = END * torch.arange(count)[:, None] / count
        y = curve(x)
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    about = {"kind": "generated", "classes": [], "truth": {"rule": "2 sin x + x^0.8"}}
    return Dataset(card, split, {"x": x, "y": y}, used, about)
