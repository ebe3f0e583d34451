"""Why there are gates: an early symbol, a marked one amid noise, a break: RNN, GRU and LSTM by length of sequence.

`NAME_accuracy_N` is of unseen sequences of N steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, metrics
from fathom.data import recall
from fathom.data.loading import parse
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Prediction, RunFolder

SECTION = "d2l-zh 9.1"
DATA = "first-symbol"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_gru_accuracy",
        "value": None,
        "split": "generated sequences",
        "source": "d2l-zh 9.1.1",
        "note": "the book names the three needs (an early token, tokens to skip, a break) and measures none",
    },
]
REFERENCE = "gru"
TITLES = {"gru": "GRU", "lstm": "LSTM", "lstm_open": "LSTM, gates open", "rnn": "RNN"}
FACTORS = (0.5, 1, 2, 4, 8)  # lengths that are tried, over the one that was learnt


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Nets of 32 units, 2,000 sequences of up to 50 steps; Adam at 0.005, batches of 50.

    `--data` chooses the task: first-symbol, marked-symbol or since-the-break, each with `,length=50`.
    """

    hidden_size: int = 32
    epochs: int = 30
    batch_size: int = 50
    data: str = DATA


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test sequences."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("kind") != "symbols":
        known = ", ".join(card.name for card in recall.CARDS)
        raise InputError(f"{config.data}: expected sequences of symbols, got {train.about.get('kind')}; give {known}")
    return train, test


def at_length(config: Config, length: int) -> data.Dataset:
    """Test sequences of the same task, of another length."""
    spec = parse(config.data)
    options = {**spec.options, "length": str(length)}
    return data.load(",".join([spec.target, *(f"{key}={value}" for key, value in options.items())]), "test")


def lengths(about: Mapping[str, Any]) -> list[int]:
    """The lengths that are tried."""
    return sorted({max(recall.SHORTEST, round(factor * about["length"])) for factor in FACTORS})


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each cell, that answers at the last step, and a second LSTM from `open_gates`."""
    sizes = len(about["alphabet"]), len(about["classes"])
    nets = rivals.cells(config, *sizes, answer=-1)
    nets["lstm_open"] = rivals.reader(config, *sizes, answer=-1, cell="lstm")
    gated: Any = nets["lstm_open"]
    open_gates(gated.tagger.recurrent, int(about["length"]))
    return nn.ModuleDict({name: nets[name] for name in TITLES})


@torch.no_grad()
def open_gates(lstm: Any, longest: int) -> None:
    """Draw the biases of an LSTM's gates, in place, such that its units remember for 1 to `longest` steps.

    The forget gate's are ln u with u uniform from 1 to `longest` - 1, the input gate's the negative of them.

    Source: Tallec and Ollivier 2018, arXiv 1804.11188, section 2.
    """
    size = lstm.hidden_size
    biases = (1 + (longest - 2) * torch.rand(size)).log()
    for sign, gate in ((-1, 0), (1, 1)):
        rows = slice(gate * size, (gate + 1) * size)
        lstm.bias_ih_l0[rows], lstm.bias_hh_l0[rows] = sign * biases, 0.0


@torch.no_grad()
def accuracies(config: Config, nets: nn.ModuleDict, about: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy of each net at each length."""
    device, found = rivals.device_of(nets), {}
    for length in lengths(about):
        test = at_length(config, length)
        x, y = (test.tensors[name].to(device) for name in ("x", "y"))
        for name, net in nets.items():
            found[f"{name}_accuracy_{length}"] = metrics.accuracy(net(x), y).item()
    return found


RECIPE = ContestRecipe(
    recipe="gates",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=lambda config, nets, train, _: accuracies(config, nets, train.about),
)
run, measure = RECIPE.run, RECIPE.measure


def encode(about: Mapping[str, Any], source: str, example: str = "auvwxyz") -> Tensor:
    """Symbols written side by side as a row of numbers, `(1, length)`."""
    alphabet = list(about["alphabet"])
    strangers = [symbol for symbol in source if symbol not in alphabet]
    if not source or strangers:
        got = repr(strangers[0]) if strangers else "none"
        raise InputError(f"symbols: expected some of {''.join(alphabet)} side by side, got {got}; as in {example}")
    return torch.tensor([[alphabet.index(symbol) for symbol in source]])


def predict(folder: RunFolder, source: str) -> Prediction:
    """What the net with the best test accuracy answers to the symbols `source`; `extra` has all answers."""
    return RECIPE.answer(folder, source, encode(folder.data, str(source)))


def draw(folder: RunFolder) -> list[Path]:
    """Test accuracy by epoch, and by the length of the sequence."""
    result = folder.result
    if result is None:
        return []
    about = folder.data
    tried = lengths(about)
    by_length = {
        title: (tried, [result.metrics[f"{name}_accuracy_{length}"] for length in tried])
        for name, title in TITLES.items()
    }
    charts = [
        Panel(
            series=contest.by_epoch(result, "test_{}_accuracy", TITLES),
            title=f"Test accuracy, up to {about['length']} steps",
            xlabel="epoch",
            ylim=(0.0, 1.03),
            whole=True,
            names=False,
        ),
        Panel(
            series=by_length,
            title=f"At other lengths than {about['length']}",
            xlabel="greatest number of steps",
            logx=True,
            ylim=(0.0, 1.03),
        ),
    ]
    return [panels(folder.path / "accuracy.png", charts)]
