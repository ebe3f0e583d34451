"""Trains of spikes made of templates in a row, each jittered: generated from a seed.

An example is `(milliseconds, channels)` of 0 and 1: segments of 50 ms one after another, each one of two templates that
are drawn once and for all, every spike moved by chance. `labels` `(examples, segments)` say which template each
segment was, `y` that of the segment so many before the last.

Source: Maass, Natschläger and Markram 2002, "Real-time computing without stable states", the task of its figure 3, with
several channels.
"""

from __future__ import annotations

from typing import Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer, number
from fathom.records import DataUsed

SEGMENT = 50  # milliseconds
CHANNELS = 4
RATE = 0.04  # spikes a millisecond of each channel
JITTERED = Card(
    name="jittered-spikes",
    title="Jittered templates of spikes, in a row",
    example="spikes of 4 channels over 200 ms, and which of two templates an earlier segment was",
    splits={"train": 1000, "test": 500},
    licence="generated; Apache-2.0 as this package",
    classes=("a", "b"),
)
CARDS = (JITTERED,)
OPTIONS = {
    "segments": integer(1),
    "back": integer(0),  # segments before the last
    "jitter": number(),  # standard deviation, in milliseconds
    "examples": integer(1),  # in this split
    "seed": integer(0),
}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: 4 segments, the one before the last asked for, and a jitter of 4 ms unless given."""
    import torch

    from fathom import seeding
    from fathom.errors import InputError

    segments, back = options.get("segments", 4), options.get("back", 1)
    if back >= segments:
        raise InputError(f"{card.name}: back: expected at most {segments - 1}, the segments before it, got {back}")
    seed, count = options.get("seed", 0), options.get("examples", card.splits[split])
    templates = torch.rand(2, SEGMENT, CHANNELS, generator=seeding.generator(seed, 9)) < RATE
    random = seeding.generator(seed, list(card.splits).index(split), segments)
    labels = torch.randint(2, (count, segments), generator=random)
    spikes = templates[labels].flatten(1, 2).nonzero()  # (spikes, 3): example, millisecond, channel
    moves = (options.get("jitter", 4.0) * torch.randn(len(spikes), generator=random)).round().long()
    when = (spikes[:, 1] + moves).clamp(0, segments * SEGMENT - 1)
    x = torch.zeros(count, segments * SEGMENT, CHANNELS)
    x[spikes[:, 0], when, spikes[:, 2]] = 1.0
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    about = {"kind": "spikes", "classes": list(card.classes), "segments": segments, "back": back}
    tensors = {"x": x, "y": labels[:, segments - 1 - back].clone(), "labels": labels}
    return Dataset(card, split, tensors, used, about)
