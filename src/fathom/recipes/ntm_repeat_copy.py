"""A neural Turing machine copies a sequence as often as it is told, and says when it is done; an LSTM beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from fathom.data import memory_tasks
from fathom.errors import InputError
from fathom.recipes.common import turing

SECTION = "Goodfellow et al. 2016, 10.12; Graves et al. 2014, 4.2"
DATA = "repeat-copy"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "ntm_errors_longer",
        "value": None,
        "split": "generated sequences",
        "source": "Graves, Wayne and Danihelka 2014, arXiv 1410.5401, 4.2, figures 7 and 8",
        "note": "the paper learns from up to 10 vectors and 10 repeats and shows twice as many of either as pictures: "
        "the copies go on rightly, the end after more repeats is missed",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(turing.TuringConfig):
    """A machine with an LSTM as its controller; sequences of 1 to 5 vectors of 8 bits, 1 to 5 times."""

    controller: Literal["feed-forward", "lstm"] = "lstm"
    epochs: int = 4
    data: str = DATA


def trials(about: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """The most that was learnt, twice as many repeats, and twice as many vectors."""
    longest, most = int(about["length"]), int(about["repeats"])
    here = {"length": longest, "shortest": longest, "repeats": most, "fewest": most}
    return {
        "learnt": here,
        "oftener": {**here, "repeats": 2 * most, "fewest": 2 * most},
        "longer": {**here, "length": 2 * longest, "shortest": 2 * longest},
    }


def encode(about: Mapping[str, Any], text: str) -> tuple[Tensor, Tensor, int]:
    """Vectors and how often, as `10110010 01100111 x3`."""
    vectors, _, times = text.strip().rpartition(" x")
    if not times.isdecimal() or not 1 <= int(times) <= 1000:
        raise InputError(f"expected vectors and how often from x1 to x1000, got {text!r}; as in 10110010 01100111 x3")
    shown = turing.vectors_of(vectors, int(about["bits"]))
    return *memory_tasks.to_repeat(shown, int(times), float(about["scale"])), shown.shape[1]


RECIPE = turing.Turing(
    recipe="ntm-repeat-copy",
    task=memory_tasks.REPEAT.name,
    config=Config,
    published=PUBLISHED,
    trials=trials,
    titles={"learnt": "the most learnt", "oftener": "twice as often", "longer": "twice as long"},
    encode=encode,
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
