"""Why a net that reads both ways must not predict the next token: it sees it; perplexity near 1, and nonsense.

Both nets learn to predict the next token at every step. `NAME_perplexity` is that of the training windows, where the
way back has seen what is asked; `NAME_next_perplexity` that of the first token after a held-out window, which is what a
language model is for.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom import data, decoding
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, language, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Prediction, RunFolder

SECTION = "d2l-zh 9.4.3"
DATA = "time-machine,tokens=10000"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "both_ways_perplexity",
        "value": 1.1,
        "split": "the 10,000 training characters",
        "source": "d2l-zh 9.4.3, printed",
        "note": "two layers of 256 units, 500 epochs; what it then writes is 'time travellerererererer'",
    },
]
REFERENCE = "one_way"
TITLES = {"one_way": "one way", "both_ways": "both ways"}


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Two LSTMs of 64 units on windows of 35 characters, one of which also reads from the end.

    Args:
        steps: tokens in a window.
    """

    steps: int = 35
    epochs: int = 60
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steps", at_least=2)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The two nets."""
    size = len(about["vocab"])
    return nn.ModuleDict(
        {name: rivals.reader(config, size, size, cell="lstm", bidirectional=name == "both_ways") for name in TITLES}
    )


@torch.no_grad()
def honest(nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """Perplexity on the training windows, and of the token after the held-out windows, which nobody has seen.

    Those are `NAME_perplexity` and `NAME_next_perplexity`.
    """
    device, found = rivals.device_of(nets), {}
    for name, net in nets.items():
        x, y = (train.tensors[part].to(device) for part in ("x", "y"))
        found[f"{name}_perplexity"] = math.exp(cross_entropy(net(x), y).item())
        x, y = (test.tensors[part].to(device) for part in ("x", "y"))
        found[f"{name}_next_perplexity"] = math.exp(cross_entropy(net(x)[:, :, -1], y[:, -1]).item())
    return found


RECIPE = ContestRecipe(
    recipe="bidirectional-leak",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=rivals.load_windows,
    inspect=lambda config, nets, train, test: honest(nets, train, test),
)
run, measure = RECIPE.run, RECIPE.measure


def anew(net: nn.Module) -> decoding.Step:
    """A net that reads both ways as `decoding` takes it: each time it reads all tokens so far again."""

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        seen = tokens if state is None else torch.cat([state, tokens], dim=1)
        return net(seen)[:, :, -1], seen

    return step


def predict(
    folder: RunFolder,
    source: str,
    *,
    length: int = 50,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Prediction:
    """Go on with the text `source`, by the net that reads one way; `extra` has what the other writes."""
    nets = RECIPE.trained(folder)
    told = {
        name: language.continued(folder.data, anew(net), source, length, temperature, top_k, top_p, seed).label
        for name, net in nets.items()
    }
    return Prediction(input=source, label=told[REFERENCE], extra=told)


def draw(folder: RunFolder) -> list[Path]:
    """Perplexity by epoch where the answer can be seen, and where it can't."""
    result = folder.result
    if result is None:
        return []
    charts = [
        Panel(
            series=contest.by_epoch(result, metric, TITLES),
            title=title,
            xlabel="epoch",
            logy=True,
            whole=True,
            names=title.startswith("Of"),
        )
        for metric, title in (
            ("{}_perplexity", "Perplexity of the training windows"),
            ("{}_next_perplexity", "Of the token after unseen windows"),
        )
    ]
    return [panels(folder.path / "leak.png", charts)]
