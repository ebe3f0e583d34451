"""Items with a key and a class, and a question that is one of the keys, turned and blurred: which class has that item?

A key is a direction, drawn evenly, of length √features; the question is the key under a fixed rotation, with noise. So
whoever answers has to learn the rotation, and to compare.
"""

from __future__ import annotations

from typing import Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer, number
from fathom.records import DataUsed

ITEMS, FEATURES, NOISE, CLASSES = 12, 8, 0.5, 10

CARD = Card(
    name="lookup",
    title="Which class has the item that is asked for?",
    example="items with keys and classes, and a blurred key (224,); the class of its item",
    splits={"train": 6400, "test": 1000},
    licence="generated; Apache-2.0 as this package",
    classes=tuple("0123456789"),
)
CARDS = (CARD,)
OPTIONS = {
    "items": integer(2),  # in an example
    "features": integer(2),  # of a key
    "noise": number(),  # of the question, in each feature
    "examples": integer(1),  # in this split
    "seed": integer(0),
}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """`x` `(examples, items * (features + 10) + features)`: each item's key and one-hot class, and the question.

    The classes `y` are those of the items asked for. `about` has `items` and `features`.
    """
    import torch
    from torch.nn.functional import normalize, one_hot

    from fathom import seeding

    items, features = options.get("items", ITEMS), options.get("features", FEATURES)
    count, seed = options.get("examples", card.splits[split]), options.get("seed", 0)
    turn, _ = torch.linalg.qr(torch.randn(features, features, generator=seeding.generator(seed, 2)))
    random = seeding.generator(seed, list(card.splits).index(split))
    keys = features**0.5 * normalize(torch.randn(count, items, features, generator=random), dim=-1)
    classes = torch.randint(CLASSES, (count, items), generator=random)
    asked = torch.randint(items, (count,), generator=random)
    rows = torch.arange(count)
    noise = options.get("noise", NOISE)
    blurred = keys[rows, asked] @ turn + noise * torch.randn(count, features, generator=random)
    question = blurred / (1 + noise**2) ** 0.5  # each feature of it has variance 1, as those of the keys
    x = torch.cat([torch.cat([keys, one_hot(classes, CLASSES)], 2).flatten(1), question], 1)
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    about = {"kind": "generated", "classes": list(card.classes), "items": items, "features": features}
    return Dataset(card, split, {"x": x, "y": classes[rows, asked], "asked": asked}, used, about)
