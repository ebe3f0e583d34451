"""A liquid of spiking neurons: what was heard before is still in its spikes, and a linear read-out finds it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models, seeding
from fathom.errors import InputError
from fathom.ops.reservoir import Ridge
from fathom.ops.spiking import integrate_and_fire, liquid_column, traces
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest
from fathom.recipes.common.contest_recipe import ContestRecipe, said_by
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig

SECTION = "Goodfellow et al. 2016, 10.8; Maass et al. 2002"
DATA = "jittered-spikes"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_liquid_accuracy",
        "value": None,
        "split": "jittered spike trains in four segments",
        "source": "Maass, Natschläger and Markram 2002, figure 3",
        "note": "curves: a read-out tells the earlier segments' templates the less surely the longer ago they were",
    },
]
REFERENCE = "liquid"
TITLES = {"liquid": "liquid", "apart": "neurons apart", "input": "input alone"}
SHAPE = (15, 3, 3)  # the column of Maass et al.
COLUMNS = 5  # drawn for the accuracy by segment: one may by luck keep an old pattern going


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """A column of 135 neurons, a fifth of them inhibitory; read-outs by logistic regression, Adam at 0.01.

    Args:
        strength: mean of the excitatory weights between neurons, in units of the threshold.
        balance: how many times as strong the inhibitory ones are.
        reach: distance, in neighbours, over which neurons are likely to be connected.
        input_strength: mean weight of an input to a neuron; three in ten are connected.
        synapse: time constant of the currents, in milliseconds.
    """

    strength: float = 0.05
    balance: float = 6.0
    reach: float = 2.0
    input_strength: float = 0.2
    synapse: float = 10.0
    epochs: int = 30
    batch_size: int = 50
    lr: float = 0.01
    optimizer: str = "adam"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("strength", "balance", "input_strength"):
            self._check(name, at_least=0)
        for name in ("reach", "synapse"):
            self._check(name, above=0)
        self.keep(contest.UNUSED, contest.WHY_UNUSED)


def spikes_of(config: Config, x: Tensor, column: int = 0) -> dict[str, Tensor]:
    """Spikes of the liquid, of the same neurons without connections, and of the input: `(steps, units, batch)` each.

    Args:
        config: whose seed draws the liquid.
        x: `(batch, steps, channels)` of 0 and 1.
        column: which of the liquids that the seed gives.
    """
    random = seeding.generator(config.seed, 5, column)
    recurrent = liquid_column(SHAPE, 0.2, config.reach, config.strength, config.balance, random)
    sizes = 2 * config.input_strength * torch.rand(len(recurrent), x.shape[2], generator=random)
    entering = sizes * (torch.rand(sizes.shape, generator=random) < 0.3)
    incoming = x.permute(1, 2, 0)
    drive = entering @ incoming
    return {
        "liquid": integrate_and_fire(drive, recurrent.float(), synapse=config.synapse),
        "apart": integrate_and_fire(drive, torch.zeros_like(recurrent).float(), synapse=config.synapse),
        "input": incoming,
    }


def seen_at_the_end(config: Config, x: Tensor, column: int = 0) -> Tensor:
    """What the read-outs see when the last spike has come, side by side: `(batch, features)`."""
    return torch.cat([traces(spikes)[-1].T for spikes in spikes_of(config, x, column).values()], dim=1)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """Both splits with what the read-outs see for `x`, standardised by the training part."""
    splits = [data.load(config.data, split) for split in ("train", "test")]
    if splits[0].about.get("kind") != "spikes":
        raise InputError(f"{config.data}: expected trains of spikes, got {splits[0].about.get('kind')}; give {DATA}")
    seen = [seen_at_the_end(config, each.tensors["x"]) for each in splits]
    mean, std = seen[0].mean(dim=0), seen[0].std(dim=0, correction=0).clamp_min(1e-6)
    shape = list(splits[0].tensors["x"].shape[1:])
    about = {**splits[0].about, "spike_shape": shape, "means": mean.tolist(), "stds": std.tolist()}
    train, test = (
        replace(each, tensors={**each.tensors, "x": (part - mean) / std}, about=about)
        for each, part in zip(splits, seen, strict=True)
    )
    return train, test


class Part(nn.Module):
    """A read-out that sees some of the columns: `(batch, features)` to logits `(batch, classes)`."""

    def __init__(self, readout: nn.Module, columns: slice) -> None:
        super().__init__()
        self.readout, self.columns = readout, columns

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.readout(x[:, self.columns])
        return logits


def columns(about: Mapping[str, Any]) -> dict[str, slice]:
    """Which columns each read-out sees."""
    units, channels = int(np.prod(SHAPE)), about["spike_shape"][1]
    return {
        "liquid": slice(0, units),
        "apart": slice(units, 2 * units),
        "input": slice(2 * units, 2 * units + channels),
    }


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A read-out for each."""
    readouts = {}
    for name, part in columns(about).items():
        sizes = {"in_features": part.stop - part.start, "num_classes": len(about["classes"])}
        readouts[name] = Part(models.on_rung("softmax_regression", config.rung, **sizes), part)
    return nn.ModuleDict(readouts)


def by_segment(config: Config) -> dict[str, float]:
    """Test accuracy for each segment, `NAME_back_K` for K segments before the last: mean over several liquids.

    The read-outs are by least squares.
    """
    splits = [data.load(config.data, split) for split in ("train", "test")]
    labels = [2 * each.tensors["labels"].double().flip(1) - 1 for each in splits]
    about = {**splits[0].about, "spike_shape": list(splits[0].tensors["x"].shape[1:])}
    found: dict[str, float] = {}
    for column in range(COLUMNS):
        seen = [seen_at_the_end(config, each.tensors["x"], column).double() for each in splits]
        for name, part in columns(about).items():
            right = told(*(nn.functional.pad(each[:, part], (0, 1), value=1.0) for each in seen), *labels)
            for back, share in enumerate(right.tolist()):
                found[f"{name}_back_{back}"] = found.get(f"{name}_back_{back}", 0.0) + share / COLUMNS
    return found


def told(known: Tensor, unseen: Tensor, labels: Tensor, truth: Tensor) -> Tensor:
    """Accuracy of a read-out on unseen states by segment, `(segments,)`; labels are -1 and 1."""
    readout = Ridge(known.shape[1], labels.shape[1], penalty=1.0)
    readout.add(known, labels)
    return ((unseen @ readout.solve() > 0) == (truth > 0)).double().mean(dim=0)


RECIPE = ContestRecipe(
    recipe="liquid-state", config=Config, build=build, reference=REFERENCE, published=PUBLISHED, load=load_splits
)


def with_segments(config: Config) -> ContestRecipe:
    """The recipe with the numbers of `by_segment` in every record."""
    splits, constant = load_splits(config), by_segment(config)
    return replace(RECIPE, load=lambda _: splits, inspect=lambda *_: constant)


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let read-outs learn, from the state at the end, which template an earlier segment was.

    `test_liquid_accuracy` is of the liquid, `test_apart_accuracy` of its neurons without connections,
    `test_input_accuracy` of the input's own spikes, as much blurred; `NAME_back_K` are read-outs by least squares.
    """
    return with_segments(config).run(config, folder, listeners=listeners)


def measure(folder: RunFolder) -> Result:
    """Compare a run's read-outs again."""
    return with_segments(Config(**folder.config)).measure(folder)


def spikes_from(about: Mapping[str, Any], source: str) -> Tensor:
    """Milliseconds at which each channel spikes, with commas, channels apart by `;`: `(1, steps, channels)`."""
    steps, channels = about["spike_shape"]
    x = torch.zeros(1, steps, channels)
    parts = str(source).split(";")
    try:
        times = [[int(word) for word in part.split(",") if word.strip()] for part in parts]
    except ValueError:
        times = [[-1]]
    if len(times) != channels or any(not 0 <= time < steps for part in times for time in part):
        raise InputError(
            f"spikes: expected whole milliseconds below {steps} with commas, {channels} channels apart by ;, "
            f"got {str(source)[:60]!r}; as in 3,50;20;7,90;"
        )
    for channel, part in enumerate(times):
        x[0, part, channel] = 1.0
    return x


def predict(folder: RunFolder, source: str) -> Prediction:
    """Which template the segment was, by the liquid, of the spikes in `source`; `extra` has what the others say."""
    config, about = Config(**folder.config), folder.data
    seen = seen_at_the_end(config, spikes_from(about, source))
    x = (seen - torch.tensor(about["means"])) / torch.tensor(about["stds"])
    return said_by(REFERENCE, RECIPE.trained(folder), source, x, about["classes"])


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """What the read-outs tell by how long ago it was, and how far apart inputs and states are over time."""
    result = folder.result
    if result is None:
        return []
    config = Config(**folder.config)
    back = range(folder.data["segments"])
    accuracy = Panel(
        series={
            title: (back, [result.metrics[f"{name}_back_{number}"] for number in back])
            for name, title in TITLES.items()
        },
        title=f"Templates told at the end, {COLUMNS} liquids",
        xlabel="segments of 50 ms before the last",
        ylabel="test accuracy",
        ylim=(0.4, 1.03),
        whole=True,
    )
    return [panels(folder.path / "liquid.png", [accuracy, *separation(config)])]


def separation(config: Config) -> list[Panel]:
    """Distance of two states over time, of examples that differ in the first segment alone or in nothing but jitter."""
    test = data.load(config.data, "test")
    x, labels = test.tensors["x"][:200], test.tensors["labels"][:200]
    every = {name: traces(spikes) for name, spikes in spikes_of(config, x).items()}
    one, other = torch.triu_indices(len(x), len(x), 1)
    differs = labels[one] != labels[other]
    pairs = {
        "first segment differs": differs[:, 0] & ~differs[:, 1:].any(dim=1),
        "only jitter differs": ~differs.any(dim=1),
    }
    charts = []
    for name in ("liquid", "input"):
        states = every[name]
        apart = {
            what: (states[:, :, one[chosen]] - states[:, :, other[chosen]]).norm(dim=1).mean(dim=1)
            for what, chosen in pairs.items()
            if bool(chosen.any())
        }
        charts.append(
            Panel(
                series={what: (range(len(values)), values) for what, values in apart.items()},
                title=f"Distance of two states: {TITLES[name]}",
                xlabel="milliseconds",
                names=name == "input",
            )
        )
    return charts
