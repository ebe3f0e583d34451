"""Where a recurrent net may be deeper: before its state, in it, in it with a shortcut, behind it, or as a stack.

`test_NAME_loss` is in nats a character; `NAME_reach` is the lag at which a hundredth of the gradient is left, and
`NAME_reach_at_start` the same before training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fathom import data, models, plot
from fathom.models.deep_recurrent import DEPTHS, DeepRecurrent
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import named_at_start
from fathom.recipes.common.matched import matched, parameters
from fathom.recipes.gradient_by_lag import norms, reaches
from fathom.records import RunFolder
from fathom.train.experiment import prepare

SECTION = "Goodfellow et al. 2016, 10.5; Pascanu et al. 2014"
DATA = "time-machine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_skip_loss",
        "value": None,
        "split": "the last tenth of the novel",
        "source": "Pascanu et al. 2014, arXiv 1312.6026, section 5",
        "note": "on Penn Treebank and on music the paper's deep nets are better than its shallow ones of other sizes",
    },
]
REFERENCE = "shallow"
TITLES = {
    "shallow": "shallow",
    "input": "deep input",
    "transition": "deep transition",
    "skip": "transition + shortcut",
    "output": "deep output",
    "stack": "stack",
}


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Character models with as many parameters as a plain RNN of 128 units, on windows of 35 steps.

    Args:
        steps: tokens in a window.
    """

    steps: int = 35
    hidden_size: int = 128
    epochs: int = 6
    batch_size: int = 64
    lr: float = 0.002
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steps", at_least=2)


def sizes(hidden_size: int, vocab: int) -> dict[str, int]:
    """Units of each layer by depth, such that all nets have as many parameters as the shallow one."""
    count = parameters(DeepRecurrent(vocab, vocab, "shallow", hidden_size))
    found = {depth: matched(partial(DeepRecurrent, vocab, vocab, depth), count) for depth in DEPTHS}
    return found | {"shallow": hidden_size}


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each depth."""
    vocab = len(about["vocab"])
    with torch.random.fork_rng(devices=[]):
        units = sizes(config.hidden_size, vocab)
    return nn.ModuleDict(
        {
            depth: rivals.Reader(
                models.on_rung(
                    "deep_recurrent",
                    config.rung,
                    in_features=vocab,
                    num_classes=vocab,
                    depth=depth,
                    hidden_size=units[depth],
                ),
                vocab,
            )
            for depth in TITLES
        }
    )


def looked_at(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """How far each net's gradient reaches, and its parameters."""
    counts = {f"{name}_parameters": float(parameters(net)) for name, net in nets.items()}
    return reaches(config, nets, train, test) | counts


RECIPE = rivals.TextContest(
    recipe="deep-recurrence",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    inspect=looked_at,
    at_start=named_at_start(reaches),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.go_on


def draw(folder: RunFolder) -> list[Path]:
    """Held-out perplexity by depth, and by epoch beside the gradient by lag before training."""
    config, result = Config(**folder.config), folder.result
    train, _ = rivals.load_windows(config)
    prepare(config)
    at_start = norms(build(config, folder.data), train)
    lags = np.arange(config.steps)
    charts = [
        Panel(
            series={TITLES[name]: (lags, values) for name, values in at_start.items()},
            title="Gradient before training",
            xlabel="steps back",
            ylabel="length, of that at lag 0",
            logy=True,
            ylim=(1e-9, 3.0),
            whole=True,
        )
    ]
    if result is None:
        return [panels(folder.path / "depth.png", charts)]
    losses = contest.by_epoch(result, "test_{}_loss", TITLES)
    series = {name: (epochs, np.exp(values)) for name, (epochs, values) in losses.items()}
    charts.insert(0, Panel(series=series, title="Perplexity, held-out text", xlabel="epoch", logy=True, whole=True))
    last = {TITLES[name]: float(np.exp(result.metrics[f"test_{name}_loss"])) for name in TITLES}
    return [
        panels(folder.path / "depth.png", charts),
        plot.bars(folder.path / "perplexity.png", last, title="Perplexity of held-out characters, equal parameters"),
    ]
