"""Slow memory by time scales: leaky units, connections through time and clocks beside a plain RNN of equal size.

`test_KIND_accuracy` is of each net, `KIND_weights` its parameters in use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from fathom import data, models
from fathom.errors import InputError
from fathom.models.time_scale_rnn import KINDS, TimeScaleRNN
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder

SECTION = "Goodfellow et al. 2016, 10.9; Koutník et al. 2014"
DATA = "slow-waves"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_clockwork_accuracy",
        "value": None,
        "split": "sounds generated, and spoken words told apart",
        "source": "Koutník et al. 2014, arXiv 1402.3511",
        "note": "of as many parameters, clocks beat a plain RNN and an LSTM on sounds that are not generated here",
    },
]
REFERENCE = "plain"
TITLES = {
    "plain": "plain",
    "leaky": "leaky, fixed",
    "learned": "leaky, learnt",
    "skip": "through time",
    "clockwork": "clockwork",
}


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """A plain RNN of 32 units, and nets of each kind of time scale with as many parameters; Adam at 0.002.

    At 0.005 the plain net falls back to guessing after a dozen epochs.

    Args:
        slowest: greatest time constant and period, in steps.
        delay: steps back of the connections through time.
    """

    hidden_size: int = 32
    slowest: int = 64
    delay: int = 16
    epochs: int = 25
    batch_size: int = 50
    lr: float = 0.002
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("slowest", "delay"):
            self._check(name, at_least=1)


class LastStep(nn.Module):
    """A net that answers at the end: `(batch, steps)` to logits `(batch, classes)`."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """The logits of the last step."""
        logits: Tensor = self.net.output(self.net.states(x[..., None])[:, -1])
        return logits


def net_of(config: Config, about: Mapping[str, Any], kind: str, hidden_size: int, rung: str) -> Any:
    """A fresh net of one kind."""
    sizes: dict[str, Any] = {"in_features": 1, "num_classes": len(about["classes"]), "hidden_size": hidden_size}
    return models.on_rung("time_scale_rnn", rung, kind=kind, slowest=config.slowest, delay=config.delay, **sizes)


def weights_of(config: Config, about: Mapping[str, Any], kind: str, hidden_size: int) -> int:
    """How many parameters such a net has in use."""
    net: TimeScaleRNN = net_of(config, about, kind, hidden_size, "torch")
    return net.num_weights


def equal_size(config: Config, about: Mapping[str, Any], kind: str) -> int:
    """The most units of a kind that have no more parameters than the plain net."""
    budget = weights_of(config, about, REFERENCE, config.hidden_size)
    units = config.hidden_size if weights_of(config, about, kind, config.hidden_size) <= budget else 1
    units = max(units, int(np.log2(config.slowest)) + 1) if kind == "clockwork" else units
    while weights_of(config, about, kind, units + 1) <= budget:
        units += 1
    return units


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each kind."""
    sizes = {kind: equal_size(config, about, kind) for kind in KINDS}
    return nn.ModuleDict(
        {kind: LastStep(net_of(config, about, kind, units, config.rung)) for kind, units in sizes.items()}
    )


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test series."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("kind") != "waves":
        raise InputError(f"{config.data}: expected short series in classes, got {train.about.get('kind')}; give {DATA}")
    return train, test


def in_use(nets: nn.ModuleDict) -> dict[str, float]:
    """Parameters in use of each net, and the quartiles of the learnt time constants."""
    every: dict[str, Any] = dict(nets.items())
    found = {f"{name}_weights": float(each.net.num_weights) for name, each in every.items()}
    constants = every["learned"].net.time_constants.detach().cpu().numpy()
    quartiles = zip((25, 50, 75), np.percentile(constants, (25, 50, 75)), strict=True)
    return {**found, **{f"learned_constant_{share}": float(value) for share, value in quartiles}}


RECIPE = ContestRecipe(
    recipe="time-scales",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=lambda config, nets, train, test: in_use(nets),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Test accuracy by epoch, and the time constants before and after learning."""
    result = folder.result
    if result is None:
        return []
    nets: Any = RECIPE.trained(folder)
    kept, learnt = (nets[name].net.time_constants.detach().sort().values for name in ("leaky", "learned"))
    charts = [
        Panel(
            series=contest.by_epoch(result, "test_{}_accuracy", TITLES),
            title=f"Test accuracy, {int(result.metrics['plain_weights']):,} parameters each",
            xlabel="epoch",
            ylim=(0.2, 1.02),
            whole=True,
        ),
        Panel(
            series={TITLES["leaky"]: (range(len(kept)), kept), TITLES["learned"]: (range(len(learnt)), learnt)},
            title="Time constants, sorted",
            xlabel="unit",
            ylabel="steps",
            logy=True,
            names=False,
        ),
    ]
    return [panels(folder.path / "time-scales.png", charts)]
