"""What the recipes on the adding problem share: recurrent nets that answer at the end, their error, their examples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fathom import data, models
from fathom.errors import InputError
from fathom.layers.orthogonal_rnn import OrthogonalRNN
from fathom.models.model import Model
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe, Load
from fathom.records import Prediction, Result, RunFolder
from fathom.train import TrainConfig
from fathom.train.supervised import Measure

CLOSE = 0.08  # 0.04 of the range of answers, Hochreiter and Schmidhuber 1997, section 5.4


class LastAnswer(Model):
    """Rows of vectors to what a recurrent layer's last state says: `(batch, steps, features)` to `(batch, answers)`.

    Args:
        cell: `rnn`, `relu` (an RNN of ReLUs), `gru`, `lstm` or `orthogonal`.
        hidden_size: units.
        in_features: numbers at each step.
        answers: numbers at the end.
        nn: the namespace of layers.
    """

    def __init__(
        self, cell: str, hidden_size: int, in_features: int = 2, answers: int = 1, *, nn: Any = torch.nn
    ) -> None:
        super().__init__()
        if cell == "orthogonal":  # torch has none
            self.recurrent: Any = OrthogonalRNN(in_features, hidden_size)
        elif cell == "relu":
            self.recurrent = nn.RNN(in_features, hidden_size, nonlinearity="relu", batch_first=True)
        else:
            self.recurrent = getattr(nn, cell.upper())(in_features, hidden_size, batch_first=True)
        self.output = nn.Linear(hidden_size, answers)

    def forward(self, x: Tensor) -> Tensor:
        """The answers."""
        answers: Tensor = self.output(self.recurrent(x)[0][:, -1])
        return answers


def net(config: Any, cell: str, start: Any = None, **options: Any) -> Any:
    """A fresh `LastAnswer` on the settings' rung; `start` redraws weights of its recurrent layer."""
    redraw = (lambda drawn: start(drawn.recurrent)) if start else None
    return models.on_rung(
        LastAnswer, config.rung, initialise=redraw, cell=cell, hidden_size=config.hidden_size, **options
    )


# --- examples and errors --------------------------------------------------------------------------------------------


def load_splits(config: TrainConfig) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test examples."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("kind") != "marked numbers":
        raise InputError(f"{config.data}: expected marked numbers, got {train.about.get('kind')}; give adding")
    return train, test


def squared_error(outputs: Tensor, target: Tensor) -> Tensor:
    """The mean over the batch of `(batch, 1)`."""
    return (outputs - target).square().mean()


def close(outputs: Tensor, target: Tensor) -> Tensor:
    """The share of answers that are less than `CLOSE` away."""
    return ((outputs - target).abs() < CLOSE).float().mean()


# --- answers --------------------------------------------------------------------------------------------------------


def encode(source: str | Path) -> Tensor:
    """Numbers with commas between them, two of them marked by a star (`0.3,0.5*,0.1,0.9*`), as `(1, length, 2)`."""
    words = [word.strip() for word in str(source).split(",")]
    marks = [float(word.endswith("*")) for word in words]
    try:
        values = [float(word.rstrip("*")) for word in words]
    except ValueError:
        values = []
    if not values or sum(marks) != 2 or not all(0 <= value <= 1 for value in values):
        raise InputError(
            f"expected numbers from 0 to 1 with a star behind two of them, as in 0.3,0.5*,0.1,0.9*, got "
            f"{str(source)[:60]!r}"
        )
    return torch.tensor([values, marks]).T[None]


@dataclass(frozen=True, kw_only=True)
class AddingContest(ContestRecipe):
    """A contest of nets on the adding problem; `add` is what its module publishes as `predict`."""

    load: Load = load_splits
    loss: Callable[[Any], Measure] = lambda config: squared_error
    score: Measure = close

    def add(self, folder: RunFolder, source: str | Path) -> Prediction:
        """What the net with the least test error takes for the sum of the two marked numbers; `extra` has all answers.

        Args:
            folder: of the run; without a result the first net is asked.
            source: as `encode` takes it.
        """
        nets, example = self.trained(folder), encode(source)
        with torch.inference_mode():
            said = {name: float(net(example)) for name, net in nets.items()}
        best = rivals.best(folder, nets)
        return Prediction(input=str(source)[:200], label=said[best], extra={"by": best, **said})


def draw_errors(path: Path, result: Result, titles: Mapping[str, str], updates: int, length: int) -> Path:
    """Test error by update under its logarithm, and the share of answers within `CLOSE`.

    Args:
        updates: an epoch has; 0 counts epochs.
        length: of the sequences, for the title.
    """
    xlabel, charts = ("update", []) if updates else ("epoch", [])
    named = {"loss": f"Mean squared test error, {length} steps", "accuracy": f"Share of answers within {CLOSE}"}
    for metric, title in named.items():
        by_epoch = contest.by_epoch(result, f"test_{{}}_{metric}", titles)
        charts.append(
            Panel(
                series={
                    name: ([epoch * (updates or 1) for epoch in e], values) for name, (e, values) in by_epoch.items()
                },
                title=title,
                xlabel=xlabel,
                whole=True,
                logy=metric == "loss",
                names=metric == "loss",
                ylim=None if metric == "loss" else (-0.02, 1.03),
            )
        )
    return panels(path, charts)
