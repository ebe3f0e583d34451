"""A neural Turing machine is shown items and one of them again, and says which came next; an LSTM beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fathom.data import memory_tasks
from fathom.errors import InputError
from fathom.recipes.common import turing

SECTION = "Goodfellow et al. 2016, 10.12; Graves et al. 2014, 4.3"
DATA = "associative-recall"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "ntm_errors_2x",
        "value": None,
        "split": "generated sequences",
        "source": "Graves, Wayne and Danihelka 2014, arXiv 1410.5401, 4.3, figures 10 and 11",
        "note": "the paper learns from 2 to 6 items and draws less than one wrong bit a sequence of 12 items",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(turing.TuringConfig):
    """A machine with a feed-forward controller; 2 to 6 items of three vectors of 6 bits.

    It is tested with 64 rows: it looks by content, and every empty row more takes a share of each look.
    """

    epochs: int = 2
    test_rows: int = 64
    data: str = DATA


def trials(about: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """As many items as the most that were learnt, and twice as many."""
    most = int(about["length"])
    return {f"{times}x": {"length": times * most, "shortest": times * most} for times in (1, 2)}


def encode(about: Mapping[str, Any], text: str) -> tuple[Tensor, Tensor, int]:
    """Items of three vectors and the number, from 1, of the one shown again, as `101010/110011/000111 … ? 1`."""
    shown, _, number = text.partition("?")
    words = shown.split()
    size, bits = memory_tasks.ITEM, int(about["bits"])
    if not all(word.count("/") == size - 1 for word in words) or not number.strip().isdecimal():
        raise InputError(f"expected items of {size} vectors with / between, ? and the number of one, got {text!r}")
    if not 1 <= int(number) < len(words):
        raise InputError(f"expected the number of an item with one after it, from 1 to {len(words) - 1}, got {number}")
    items = turing.vectors_of(shown.replace("/", " "), bits).view(1, len(words), size, bits)
    return *memory_tasks.to_recall(items, torch.tensor([int(number) - 1])), len(words) * (size + 1)


RECIPE = turing.Turing(
    recipe="ntm-associative-recall",
    task=memory_tasks.RECALL.name,
    config=Config,
    published=PUBLISHED,
    trials=trials,
    titles={"1x": "as many items as the most learnt", "2x": "twice as many"},
    encode=encode,
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
