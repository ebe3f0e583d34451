"""How far back the gradient reaches: its length by the number of steps, for RNN, GRU and LSTM, before and after.

`NAME_reach` is the lag at which a hundredth of a net's gradient is left, `NAME_reach_at_start` that before training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom import data
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import rivals
from fathom.recipes.common.contest_recipe import named_at_start
from fathom.records import RunFolder
from fathom.train.experiment import prepare

SECTION = "d2l-zh 8.7, 9.1, 9.2"
DATA = "time-machine,tokens=10000"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "rnn_reach",
        "value": None,
        "split": "windows of the training text",
        "source": "d2l-zh 8.7, 9.1; Pascanu, Mikolov and Bengio 2013",
        "note": "both reason that gradients vanish or explode as a power of the lag, and measure none",
    },
]
REFERENCE = "rnn"
WINDOWS = 64  # over whose examples the lengths are averaged


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Character models of 64 units on windows of 40 steps.

    Args:
        steps: tokens in a window, so the longest lag is one less.
    """

    steps: int = 40
    epochs: int = 60
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steps", at_least=3)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each cell."""
    return rivals.cells(config, len(about["vocab"]), len(about["vocab"]))


def gradient_norms(net: Any, tokens: Tensor, target: Tensor) -> Tensor:
    """‖d loss_t / d state_(t-k)‖ for k = 0 to steps - 1, `(steps,)`: the mean over the batch.

    The loss is that of the last step; the state is h, for the LSTM h and c together, which both carry it on.

    Args:
        net: a `Reader`.
        tokens: `(batch, steps)` of int.
        target: `(batch,)` of int, what follows each row.
    """
    x, state, states = net.encode(tokens), None, []
    for place in range(x.shape[1]):
        _, state = net.tagger(x[:, place : place + 1], state)
        states.append(state if isinstance(state, tuple) else (state,))
    last = states[-1][0][-1]  # h itself, not the layer's output, so that lag 0 is counted too
    loss = cross_entropy(net.tagger.output(last), target, reduction="sum")  # each example's gradient is its own
    parts = torch.autograd.grad(loss, [part for state in states for part in state], allow_unused=True)
    lengths = []
    for place, state in enumerate(states):
        own = parts[place * len(state) : (place + 1) * len(state)]
        squares = [part.square().sum(dim=(0, 2)) for part in own if part is not None]
        lengths.append(torch.stack(squares).sum(dim=0).sqrt().mean())
    return torch.stack(lengths[::-1])


def norms(nets: nn.ModuleDict, train: data.Dataset) -> dict[str, np.ndarray]:
    """`gradient_norms` of each net on the first windows of the training text, over that at lag 0."""
    x, y = (train.tensors[name][:WINDOWS].to(rivals.device_of(nets)) for name in ("x", "y"))
    found = {}
    for name, net in nets.items():
        lengths = gradient_norms(net, x, y[:, -1]).cpu().numpy().astype(np.float64)
        found[name] = lengths / lengths[0]
    return found


def reach(lengths: np.ndarray, share: float = 0.01) -> float:
    """The first lag at which the gradient is below a hundredth of that at lag 0; all lags if there is none."""
    below = lengths < share
    return float(np.argmax(below)) if below.any() else float(len(lengths))


def reaches(config: Any, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """`reach` of each net on the training text."""
    return {f"{name}_reach": reach(lengths) for name, lengths in norms(nets, train).items()}


RECIPE = rivals.TextContest(
    recipe="gradient-by-lag",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    inspect=reaches,
    at_start=named_at_start(reaches),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.go_on


def draw(folder: RunFolder) -> list[Path]:
    """The gradient's length by lag at the start and at the end, and who learned."""
    config, result = Config(**folder.config), folder.result
    train, _ = rivals.load_windows(config)
    prepare(config)
    stages = {"at the start": build(config, folder.data), "after training": RECIPE.trained(folder)}
    lags = np.arange(config.steps)
    charts = [
        Panel(
            series={rivals.CELLS[name]: (lags, lengths) for name, lengths in norms(nets, train).items()},
            title=f"Gradient {when}",
            xlabel="steps back",
            ylabel="length, of that at lag 0",
            logy=True,
            ylim=(1e-9, 30.0),
            whole=True,
        )
        for when, nets in stages.items()
    ]
    pictures = [panels(folder.path / "gradients.png", charts)]
    if result is not None:
        pictures.append(rivals.draw_perplexities(folder.path / "perplexity.png", result, rivals.CELLS))
    return pictures
