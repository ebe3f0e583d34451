"""Larger batches in as many epochs: a rate left alone, scaled with the batch behind a warm-up, and LARS and LAMB.

Every network learns the same examples in the same order, in batches of its own; `loss` and `accuracy` without a name
are those of the fixed rate with the smallest batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from fathom import data, models, optim
from fathom.errors import InputError
from fathom.models.mlp import mlp
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability
from fathom.recipes.common.classifier import count_inputs
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder
from fathom.train import TrainConfig
from fathom.train.supervised import Measure

SECTION = "d2l-zh 12.7; Goyal et al. 2017"
DATA = "fashion-mnist"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_scaled_4096_accuracy",
        "value": None,
        "split": "test images",
        "source": "Goyal et al. 2017, arXiv 1706.02677, figure 1",
        "note": "a ResNet-50 on ImageNet: up to 8192 as good as 256, by a scaled rate and 5 epochs of warm-up",
    },
    {
        "metric": "test_lamb_4096_accuracy",
        "value": None,
        "split": "test images",
        "source": "You et al. 2020, arXiv 1904.00962, section 4",
        "note": "BERT and a ResNet-50: nothing is lost up to batches of 32768, the rate growing as the batch's root",
    },
]
SMALL = 256  # the batch for which the rates below are, as Goyal et al. have it


@dataclass(frozen=True)
class Scaling:
    """How a rule's rate grows with the batch.

    Args:
        title: in pictures.
        optimizer: the update rule.
        rate: its learning rate for batches of 256.
        power: the rate grows as the batch to this power.
        warm: whether it rises from 0 over the run's warm-up.
    """

    title: str
    optimizer: str
    rate: float
    power: float
    warm: bool


SCALINGS = {
    "fixed": Scaling("momentum, rate fixed", "momentum", 0.02, 0.0, False),
    "scaled": Scaling("momentum, rate × batch, warm-up", "momentum", 0.02, 1.0, True),
    "lars": Scaling("LARS, rate × root of batch", "lars", 5.0, 0.5, True),
    "lamb": Scaling("LAMB, rate × root of batch", "lamb", 0.004, 0.5, True),
}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """A hidden layer of 128, batches of 256, 1024 and 4096, four ways each, 5 epochs.

    `batch_size` is how many examples are handed to all networks at once, which they learn in batches of their own;
    `lr` is a factor on all rates.

    Args:
        sizes: examples an update, at most `batch_size`, a network of each kind for every size.
        warmup_epochs: in which the rate of all but the fixed ones rises from 0.
        width: hidden units.
    """

    sizes: tuple[int, ...] = (256, 1024, 4096)
    warmup_epochs: float = 1.0
    width: int = 128
    epochs: int = 5
    batch_size: int = 4096
    lr: float = 1.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(width=(self.width, 1))
        self._check("warmup_epochs", at_least=0)
        if not self.sizes or len(set(self.sizes)) < len(self.sizes) or min(self.sizes) < 1:
            raise InputError(f"--sizes: expected different numbers of at least 1, got {self.sizes}")
        if max(self.sizes) > self.batch_size:
            raise InputError(f"--sizes: expected at most --batch-size, {self.batch_size}, got {max(self.sizes)}")
        own = ("optimizer", *contest.UNUSED)
        self.keep(own, "the ways to learn are what is compared")

    @property
    def reference(self) -> str:
        """Whose numbers go without a name: the fixed rate with the smallest batch."""
        return f"fixed_{min(self.sizes)}"


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The networks, as `lamb_4096`, all from the same weights."""
    network = partial(
        mlp, in_features=count_inputs(about), hidden_sizes=(config.width,), num_classes=len(about["classes"])
    )
    first = models.on_rung(network, config.rung)
    networks = {}
    for scaling in SCALINGS:
        for size in config.sizes:
            networks[f"{scaling}_{size}"] = models.on_rung(network, config.rung)
            networks[f"{scaling}_{size}"].load_state_dict(first.state_dict())
    return nn.ModuleDict(networks)


def rule(scaling: Scaling, size: int, config: Config, updates_per_epoch: int) -> contest.Rule:
    """How a network learns from batches of `size`."""
    rate = config.lr * scaling.rate * (size / SMALL) ** scaling.power
    warmup = round(config.warmup_epochs * updates_per_epoch) if scaling.warm else 0
    schedule = optim.create_schedule("constant", max(1, warmup), warmup) if warmup else None
    return contest.Rule(scaling.optimizer, rate, schedule, size)


def make_step(
    config: Config, networks: nn.ModuleDict, train: data.Dataset, loss: Measure, steps: int
) -> contest.Contest:
    """Each network takes a batch in parts of its own size."""
    rules = {
        f"{name}_{size}": rule(scaling, size, config, steps * -(-config.batch_size // size))
        for name, scaling in SCALINGS.items()
        for size in config.sizes
    }
    return contest.Contest(networks, config.reference, loss, rules)


RECIPE = ContestRecipe(
    recipe="large-batches",
    config=Config,
    build=build,
    reference=lambda config: config.reference,
    published=PUBLISHED,
    make_step=make_step,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Test accuracy and loss in the last training epoch by batch size, and the course with the largest batch."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    sizes, largest = sorted(config.sizes), max(config.sizes)

    def by_size(metric: str) -> dict[str, tuple[list[int], list[float]]]:
        return {
            scaling.title: (sizes, [result.metrics[metric.format(f"{name}_{size}")] for size in sizes])
            for name, scaling in SCALINGS.items()
        }

    ticks = {str(size): float(size) for size in sizes}
    titles = {f"{name}_{largest}": scaling.title for name, scaling in SCALINGS.items()}
    charts = [
        Panel(
            series=by_size("test_{}_accuracy"),
            title=f"Test accuracy after {len(result.history)} epochs",
            xlabel="examples an update",
            logx=True,
            ticks=ticks,
            names=False,
        ),
        Panel(
            series=by_size("train_{}_loss"),
            title="Loss in the last epoch, nats",
            xlabel="examples an update",
            logx=True,
            ticks=ticks,
            names=False,
        ),
        Panel(
            series=contest.by_epoch(result, "test_{}_accuracy", titles),
            title=f"Test accuracy, batches of {largest}",
            xlabel="epoch",
            whole=True,
        ),
    ]
    return [panels(folder.path / "large-batches.png", charts)]
