"""The adding problem: two marked numbers among hundreds, whose sum is asked at the end, and who learns it.

`NAME_loss` is the mean squared error, solved below 0.01; `NAME_accuracy` is the share of answers within 0.08,
`test_always_one_loss` the error of always answering 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from fathom import data, optim
from fathom.layers.recurrent_start import forget_bias_, identity_
from fathom.recipes.common import adding, contest, rivals
from fathom.recipes.gates import open_gates
from fathom.records import RunFolder
from fathom.registry import unknown
from fathom.train.supervised import Measure

SECTION = "Goodfellow et al. 2016, 10.2, 10.7, 10.10; Le, Jaitly and Hinton 2015"
DATA = "adding,length=200"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_always_one_loss",
        "value": 0.1767,
        "split": "10,000 generated sequences",
        "source": "Le, Jaitly and Hinton 2015, arXiv 1504.00941, section 4.1",
        "note": "mean squared error of always answering 1; the variance of the sum is 1/6 = 0.1667",
    },
    {
        "metric": "test_lstm_loss",
        "value": None,
        "split": "10,000 generated sequences",
        "source": "Le, Jaitly and Hinton 2015, arXiv 1504.00941, figure 1",
        "note": "curves alone: at 200 steps the LSTM and the identity RNN solve it, the tanh RNN does not",
    },
]
REFERENCE = "lstm"
TITLES = {
    "rnn": "RNN",
    "identity": "ReLU RNN from I",
    "orthogonal": "orthogonal RNN",
    "gru": "GRU",
    "lstm_unit": "LSTM, forget bias 1",
    "lstm": "LSTM, gates open",
}
SLOWER = {"identity": 0.5}  # learning rate over that of the others


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Nets of 64 units on sequences of 200 steps; Adam from 0.002 to 0, batches of 50, 5,000 updates, 100 an epoch.

    The identity RNN learns at half the rate, and its input weights begin with a deviation of 0.1, the paper's being
    0.001: with that it is where it began after 2,500 updates.

    Args:
        nets: who takes part: rnn, identity (a ReLU RNN from the identity), orthogonal, gru, lstm (whose gates begin
            with memories of up to the length), lstm_unit (forget gate's bias 1). lstm always does.
        limit: batches an epoch, which is how often the error is measured; 0 takes all examples.
    """

    nets: tuple[str, ...] = ("rnn", "identity", "lstm")
    epochs: int = 50
    batch_size: int = 50
    limit: int = 100
    lr: float = 0.002
    schedule: str = "cosine"
    data: str = DATA
    heeded: ClassVar[tuple[str, ...]] = ("clip", "schedule", "warmup")

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        contest.check_fixed(self.schedule)
        for name in self.nets:
            if name not in TITLES:
                raise unknown("net", name, TITLES)

    @property
    def titles(self) -> dict[str, str]:
        """Who takes part."""
        return {name: title for name, title in TITLES.items() if name in (*self.nets, REFERENCE)}


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The nets."""
    ways = {
        "rnn": lambda: adding.net(config, "rnn"),
        "identity": lambda: adding.net(config, "relu", partial(identity_, std=0.1)),
        "orthogonal": lambda: adding.net(config, "orthogonal"),
        "gru": lambda: adding.net(config, "gru"),
        "lstm_unit": lambda: adding.net(config, "lstm", forget_bias_),
        "lstm": lambda: adding.net(config, "lstm", lambda layer: open_gates(layer, about["length"])),
    }
    return nn.ModuleDict({name: ways[name]() for name in config.titles})


def make_step(config: Config, nets: nn.ModuleDict, train: data.Dataset, loss: Measure, batches: int) -> contest.Contest:
    """Each by itself, its gradient clipped, its rate by the schedule."""
    rates = {name: config.lr * SLOWER.get(name, 1.0) for name in nets}
    course = optim.create_schedule(config.schedule, batches * config.epochs, config.warmup)
    rules = {name: contest.Rule(config.optimizer, rate, course, clip=config.clip) for name, rate in rates.items()}
    return contest.Contest(nets, REFERENCE, loss, rules, score=adding.close)


def known_nothing(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """The error of always answering 1."""
    return {"test_always_one_loss": (test.tensors["y"] - 1).square().mean().item()}


RECIPE = adding.AddingContest(
    recipe="adding-problem",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    at_start=known_nothing,
    make_step=make_step,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.add


def draw(folder: RunFolder) -> list[Path]:
    """Test error by update, and the share of answers that are close."""
    result, config = folder.result, Config(**folder.config)
    if result is None:
        return []
    return [adding.draw_errors(folder.path / "errors.png", result, config.titles, config.limit, folder.data["length"])]
