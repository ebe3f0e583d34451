"""How many examples an update should have: gradient descent, one example at a time, and the sizes between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, optim
from fathom.errors import InputError
from fathom.models.initialise import normal
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import regression
from fathom.recipes.common.inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, load_checkpoint, load_model
from fathom.train.config import STEP_FIELDS
from fathom.train.experiment import conduct, describe, measured_again, prepare
from fathom.train.supervised import Measure

SECTION = "d2l-zh 11.5"
DATA = "airfoil"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "batch_1500_loss",
        "value": 0.243,
        "split": "training examples, after epoch 10",
        "source": "d2l-zh 11.5, printed by the authors' executed notebook",
    },
    {
        "metric": "batch_1_early_loss",
        "value": 0.246,
        "split": "training examples, after epoch 2",
        "source": "d2l-zh 11.5, printed by the authors' executed notebook",
    },
    {
        "metric": "batch_10_early_loss",
        "value": 0.243,
        "split": "training examples, after epoch 2",
        "source": "d2l-zh 11.5, printed by the authors' executed notebook",
    },
    {
        "metric": "batch_100_early_loss",
        "value": 0.243,
        "split": "training examples, after epoch 2",
        "source": "d2l-zh 11.5, printed by the authors' executed notebook",
    },
]
EARLY_EPOCHS = 2  # where the source stops all but gradient descent
TIMED_UPDATES = 200
UNUSED = (*STEP_FIELDS, "accumulate", "patience", "precision", "compile", "channels_last")
WHY_UNUSED = "several models learn side by side, each by the plain rule"


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's sizes and rates: 1500 at 1, 100 at 0.4, 10 at 0.05 and 1 at 0.005.

    `batch_size` is how many examples are handed to all models at once, which they learn in batches of their own;
    `lr` is a factor on all rates.

    Args:
        sizes: examples an update, one model for each.
        rates: learning rates, one for each size.
        every: examples between two measurements of a model's loss.
        target: the loss, half the mean squared error of all training examples, whose reaching is timed.
    """

    sizes: tuple[int, ...] = (1500, 100, 10, 1)
    rates: tuple[float, ...] = (1.0, 0.4, 0.05, 0.005)
    every: int = 100
    target: float = 0.25
    epochs: int = 10
    batch_size: int = 1500
    lr: float = 1.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.sizes or min(self.sizes) < 1 or len(set(self.sizes)) < len(self.sizes):
            raise InputError(f"--sizes: expected different numbers of at least 1, got {self.sizes}")
        if len(self.rates) != len(self.sizes) or min(self.rates) <= 0:
            raise InputError(f"--rates: expected {len(self.sizes)} numbers above 0, one a size, got {self.rates}")
        self._check("every", at_least=1)
        self._check("target", above=0)
        self.keep(UNUSED, WHY_UNUSED)

    @property
    def names(self) -> list[str]:
        """The models' names, in the order of the sizes."""
        return [f"batch_{size}" for size in self.sizes]


class Tradeoff:
    """A step in which each model learns what comes in batches of its own size; it is `Stateful`.

    Args:
        models: by the names of `config`.
        loss: `(outputs, target)` to half the mean squared error.
        config: of the run.
        x, y: all training examples `(examples, columns)` and `(examples, 1)`, on which losses are measured.
    """

    def __init__(self, models: nn.ModuleDict, loss: Measure, config: Config, x: Tensor, y: Tensor) -> None:
        self.models, self.loss, self.every, self.x, self.y = models, loss, config.every, x, y
        self.sizes = dict(zip(config.names, config.sizes, strict=True))
        self.optimizers = {
            name: optim.create(config.optimizer, models[name].parameters(), config.lr * rate)
            for name, rate in zip(config.names, config.rates, strict=True)
        }
        self.seen = dict.fromkeys(config.names, 0)
        self.curves = {name: [(0, self.measure(name))] for name in config.names}

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float]:
        """Let each model learn from `(x, y)`; `loss` is the mean of the models' losses after it."""
        for name in self.models:
            self.learn(name, *batch)
        return {"loss": sum(self.measure(name) for name in self.models) / len(self.models)}

    def learn(self, name: str, x: Tensor, y: Tensor) -> None:
        """Go through the examples in batches, and measure the loss when another `every` of them have been seen."""
        size = self.sizes[name]
        for part in zip(x.split(size), y.split(size), strict=True):
            update(self.models[name], self.optimizers[name], self.loss, *part)
            before, self.seen[name] = self.seen[name], self.seen[name] + len(part[0])
            if before // self.every < self.seen[name] // self.every:
                self.curves[name].append((self.seen[name], self.measure(name)))

    @torch.no_grad()
    def measure(self, name: str) -> float:
        """The model's loss on all training examples."""
        return self.loss(self.models[name](self.x), self.y).item()

    def state_dict(self) -> dict[str, Any]:
        """The states of the update rules, examples seen, and the losses measured, as `(examples seen, loss)`."""
        states = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"optimizers": states, "seen": dict(self.seen), "curves": {k: list(v) for k, v in self.curves.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.seen = dict(state["seen"])
        self.curves = {name: [(seen, loss) for seen, loss in curve] for name, curve in state["curves"].items()}


def update(model: nn.Module, optimizer: torch.optim.Optimizer, loss: Measure, x: Tensor, y: Tensor) -> None:
    """One update from one batch."""
    optimizer.zero_grad()
    loss(model(x), y).backward()
    optimizer.step()


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A linear map for each size, all from the same weights, drawn from N(0, 0.01²)."""
    (columns,) = about["example_shape"]
    lines = {
        name: models.on_rung("linear_regression", config.rung, initialise=normal, in_features=columns)
        for name in config.names
    }
    for line in lines.values():
        line.load_state_dict(lines[config.names[0]].state_dict())
    return nn.ModuleDict(lines)


def least_loss(x: Tensor, y: Tensor) -> float:
    """Half the mean squared error of the best line there is, by least squares in float64, to nine decimals.

    The last bits of LAPACK's solution depend on where its memory lies, and a resumed run must say the same.
    """
    extended = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    residual = extended @ torch.linalg.lstsq(extended, y.double()).solution - y.double()
    return round(0.5 * residual.square().mean().item(), 9)


def reached(curve: Sequence[tuple[int, float]], target: float) -> int | None:
    """Examples seen when the loss was first measured at or below the target; None if it never was."""
    return next((seen for seen, loss in curve if loss <= target), None)


def numbers(step: Tradeoff, config: Config, examples: int) -> dict[str, float]:
    """Each model's loss, its loss after two epochs of so many `examples`, and what it took to reach the target."""
    found: dict[str, float] = {}
    for name, size in step.sizes.items():
        found[f"{name}_loss"] = step.measure(name)
        early = [loss for seen, loss in step.curves[name] if seen <= EARLY_EPOCHS * examples]
        if step.seen[name] >= EARLY_EPOCHS * examples:
            found[f"{name}_early_loss"] = early[-1]
        if (seen := reached(step.curves[name], config.target)) is not None:
            found[f"{name}_examples_to_target"] = seen
            found[f"{name}_updates_to_target"] = -(-seen // size)
    return found


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train a line for each batch size on the same examples in the same order.

    `batch_N_loss` is half the mean squared error of all training examples, `least_loss` the least there can be;
    `batch_N_examples_to_target` and `_updates_to_target` are missing where the target was not reached.
    """
    train, _ = regression.load_splits(config)
    device = prepare(config)
    x, y = (train.tensors[name].to(device) for name in ("x", "y"))
    lines = build(config, describe(train)).to(device)
    batches = data.Batches(x, y, batch_size=config.batch_size, shuffle=True, seed=config.seed, limit=config.limit)
    step = Tradeoff(lines, regression.squared_error(config.rung, 0.5), config, x, y)
    best = {"least_loss": least_loss(x.cpu(), y.cpu())}
    return conduct(
        "minibatch-tradeoff",
        config,
        step,
        batches,
        {"model": lines, "step": step},
        train,
        evaluate=lambda: {**numbers(step, config, batches.examples), **best},
        monitor="",  # the last state is what is compared
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
    )


def trained(folder: RunFolder, config: Config) -> nn.ModuleDict:
    """The lines of a run as they were at the end."""
    lines = load_model(folder, lambda: build(config, folder.data), best=False)
    assert isinstance(lines, nn.ModuleDict)
    return lines


def measure(folder: RunFolder) -> Result:
    """Measure a run's lines again."""
    config = Config(**folder.config)
    train, _ = regression.load_splits(config)
    step = Tradeoff(
        trained(folder, config), regression.squared_error(config.rung, 0.5), config, *train.tensors.values()
    )
    losses = {f"{name}_loss": step.measure(name) for name in config.names}
    return measured_again(folder, config, losses, train.used, PUBLISHED, "the last checkpoint")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The target for the numbers in `source`, as in `800,0,0.3,71.3,0.003`, by the line with the least loss.

    Both are in the table's own units; `extra` has what every line says.
    """
    config, about, result = Config(**folder.config), folder.data, folder.result
    lines, example = trained(folder, config), encode(about, source)[:1]
    mean, std = (about["target_mean"], about["target_std"]) if about["kind"] == "numbers" else (0.0, 1.0)
    with torch.inference_mode():
        said = {name: lines[name](example).item() * std + mean for name in config.names}
    best = config.names[0]
    if result is not None:
        best = min(config.names, key=lambda name: result.metrics[f"{name}_loss"])
    return regression.prediction(source, [said[best]], by=best, **said)


# --- time and the picture -------------------------------------------------------------------------------------------


def seconds_per_epoch(config: Config, about: Mapping[str, Any], train: data.Dataset, repeats: int = 3) -> list[float]:
    """How long this machine takes to go through the training examples with each size: the fastest of some tries.

    At most 200 updates of each are timed and stand for the rest. Shuffling and indexing are in it, measuring losses is
    not.
    """
    lines, loss = build(config, about), regression.squared_error(config.rung, 0.5)
    found = []
    for name, size, rate in zip(config.names, config.sizes, config.rates, strict=True):
        batches = data.Batches(*train.tensors.values(), batch_size=size, shuffle=True, limit=TIMED_UPDATES)
        optimizer = optim.create(config.optimizer, lines[name].parameters(), config.lr * rate)
        times = []
        for _ in range(repeats):
            start = perf_counter()
            for batch in batches:
                update(lines[name], optimizer, loss, *batch)
            times.append(perf_counter() - start)
        found.append(min(times) * len(train) / batches.examples)
    return found


def draw(folder: RunFolder) -> list[Path]:
    """Loss by epoch and by time, and what it takes to reach the target by batch size; times are of this machine now."""
    config, about = Config(**folder.config), folder.data
    curves = load_checkpoint(folder.last)["step"]["curves"]
    train, _ = regression.load_splits(config)
    prepare(config)
    times = dict(zip(config.names, seconds_per_epoch(config, about, train), strict=True))
    by_epoch, by_time, examples, seconds = {}, {}, {}, {}
    for name, size in zip(config.names, config.sizes, strict=True):
        epochs = [seen / len(train) for seen, _ in curves[name]]
        losses = [loss for _, loss in curves[name]]
        by_epoch[f"batch {size}"] = epochs, losses
        by_time[f"batch {size}"] = [epoch * times[name] for epoch in epochs[1:]], losses[1:]
        if (seen := reached(curves[name], config.target)) is not None:
            examples[size], seconds[size] = seen, seen / len(train) * times[name]
    best = least_loss(*train.tensors.values())
    top = best + 1.25 * max(0.1, config.target - best)
    charts = [
        Panel(series=by_epoch, title="Loss by epoch", xlabel="epoch", ylim=(0.97 * best, top), names=False),
        Panel(series=by_time, title="Loss by time", xlabel="seconds", logx=True, ylim=(0.97 * best, top)),
    ]
    for title, found in (("Examples", examples), ("Seconds", seconds)):
        if found:
            series = {"to the target": (sorted(found), [found[size] for size in sorted(found)])}
            heading, label = f"{title} to a loss of {config.target:g}", "examples an update"
            ticks = {str(size): float(size) for size in found}
            charts.append(
                Panel(series=series, title=heading, xlabel=label, logx=True, logy=True, ticks=ticks, names=False)
            )
    return [panels(folder.path / "tradeoff.png", charts, columns=2)]
