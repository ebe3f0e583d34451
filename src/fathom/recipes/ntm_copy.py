"""A neural Turing machine copies sequences longer than any it has learnt from; an LSTM beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from fathom.data import memory_tasks
from fathom.recipes.common import turing

SECTION = "Goodfellow et al. 2016, 10.12; Graves et al. 2014, 4.1"
DATA = "copy"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "ntm_errors_2x",
        "value": None,
        "split": "generated sequences",
        "source": "Graves, Wayne and Danihelka 2014, arXiv 1410.5401, 4.1, figures 4 and 5",
        "note": "the paper learns from up to 20 vectors and shows copies of 120 with few mistakes, as pictures",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(turing.TuringConfig):
    """A machine with a feed-forward controller; sequences of 1 to 10 vectors of 8 bits."""

    data: str = DATA


def trials(about: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Sequences as long as the longest learnt, twice and four times as long."""
    longest = int(about["length"])
    return {f"{times}x": {"length": times * longest, "shortest": times * longest} for times in (1, 2, 4)}


def encode(about: Mapping[str, Any], text: str) -> tuple[Tensor, Tensor, int]:
    """Vectors to be copied, as `10110010 01100111`."""
    vectors = turing.vectors_of(text, int(about["bits"]))
    return *memory_tasks.to_copy(vectors), vectors.shape[1]


RECIPE = turing.Turing(
    recipe="ntm-copy",
    task=memory_tasks.COPY.name,
    config=Config,
    published=PUBLISHED,
    trials=trials,
    titles={"1x": "the longest learnt", "2x": "twice as long", "4x": "four times as long"},
    encode=encode,
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
