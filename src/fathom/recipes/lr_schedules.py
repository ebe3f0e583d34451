"""LeNet with ReLU under six courses of the learning rate: constant, falling in three ways, a cosine, and a warm-up.

The six networks learn the same batches; `loss` and `accuracy` without a name are of the constant rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from fathom import data, models, optim
from fathom.errors import InputError
from fathom.models.lenet import lenet
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder
from fathom.train import TrainConfig
from fathom.train.supervised import Measure

SECTION = "d2l-zh 11.11"
DATA = "fashion-mnist"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_constant_accuracy",
        "value": 0.885,
        "split": "test images",
        "source": "d2l-zh 11.11, printed by the authors' executed notebook",
    },
    {
        "metric": "train_constant_accuracy",
        "value": 0.951,
        "split": "training images",
        "source": "d2l-zh 11.11, printed by the authors' executed notebook",
    },
    {
        "metric": "test_multi_factor_accuracy",
        "value": 0.889,
        "split": "test images",
        "source": "d2l-zh 11.11, printed by the authors' executed notebook",
    },
    {
        "metric": "test_cosine_accuracy",
        "value": 0.892,
        "split": "test images",
        "source": "d2l-zh 11.11, printed by the authors' executed notebook",
        "note": "there the rate changes once an epoch, and one epoch late",
    },
    {
        "metric": "test_warmup_accuracy",
        "value": 0.878,
        "split": "test images",
        "source": "d2l-zh 11.11, printed by the authors' executed notebook",
        "note": "there the first epoch still has the full rate and the second has none",
    },
]
REFERENCE = "constant"


@dataclass(frozen=True)
class Course:
    """A course of the learning rate, of any length.

    Args:
        title: in pictures.
        spec: `(updates in the training)` to the schedule's name and options.
        start: its base rate as a multiple of the run's.
        warmup: share of the training in which the rate rises.
        span: share after which the schedule has come to its end.
    """

    title: str
    spec: str
    start: float = 1.0
    warmup: float = 0.0
    span: float = 1.0


# The book's: 30 epochs from 0.3; the root from 0.1 and the drop from 0.5; the cosine ends at 0.01 after 20 epochs.
COURSES = {
    "constant": Course("constant", "constant"),
    "square_root": Course("inverse root", "inverse,rate={per_thirtieth},power=0.5", start=1 / 3),
    "factor": Course("factor", "factor,factor=0.9,every={thirtieth},stop=0.03333"),
    "multi_factor": Course("multi-factor", "multi-factor,milestones=0.5,factor=0.5", start=5 / 3),
    "cosine": Course("cosine", "cosine,end=0.03333", span=2 / 3),
    "warmup": Course("cosine, warm-up", "cosine,end=0.03333", span=2 / 3, warmup=1 / 6),
}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: LeNet with ReLU and max pooling, SGD at 0.3, batches of 256, 30 epochs.

    Args:
        horizon: epochs over which the courses run, at the end of which they stay; 0 takes `epochs`.
    """

    horizon: int = 0
    epochs: int = 30
    lr: float = 0.3
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(horizon=(self.horizon, 0))
        self.keep(contest.UNUSED, "every course of the rate is tried, each from the same start")


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A LeNet for each course, all from the same weights, drawn by torch's rule."""
    if len(about["example_shape"]) != 3:
        raise InputError(f"{config.data}: expected pictures, got rows of numbers; give images:DIR or fashion-mnist")
    channels, *size = about["example_shape"]
    network = partial(
        lenet,
        in_channels=channels,
        num_classes=len(about["classes"]),
        input_size=tuple(size),
        activation="relu",
        pooling="max",
    )
    networks = {name: models.on_rung(network, config.rung) for name in COURSES}
    for other in networks.values():
        other.load_state_dict(networks[REFERENCE].state_dict())
    return nn.ModuleDict(networks)


def schedule(name: str, total: int) -> optim.Schedule:
    """The course called `name`, over `total` updates, as a factor on the run's learning rate."""
    course, thirtieth = COURSES[name], max(1, round(total / 30))
    spec = course.spec.format(thirtieth=thirtieth, per_thirtieth=1 / thirtieth)
    span = max(1, round(course.span * total))
    shape = optim.create_schedule(spec, span, min(span - 1, round(course.warmup * total)))
    return lambda step: course.start * shape(min(step, total))


def make_step(
    config: Config, networks: nn.ModuleDict, train: data.Dataset, loss: Measure, steps: int
) -> contest.Contest:
    """Each network follows its course."""
    total = steps * (config.horizon or config.epochs)
    rules = {name: contest.Rule(config.optimizer, config.lr, schedule(name, total)) for name in networks}
    return contest.Contest(networks, REFERENCE, loss, rules)


RECIPE = ContestRecipe(
    recipe="lr-schedules",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    make_step=make_step,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """The rates by epoch, and what becomes of training loss and test accuracy under them."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    titles = {name: course.title for name, course in COURSES.items()}
    steps = 100 * (config.horizon or config.epochs)
    epochs = [step / 100 for step in range(100 * config.epochs + 1)]
    rates = {
        title: (epochs, [config.lr * schedule(name, steps)(round(100 * epoch)) for epoch in epochs])
        for name, title in titles.items()
    }
    losses = contest.by_epoch(result, "train_{}_loss", titles)
    accuracies = contest.by_epoch(result, "test_{}_accuracy", titles)
    shown = [value for _, values in accuracies.values() for value in values[len(values) // 4 :]]
    charts = [
        Panel(series=rates, title="Learning rate", xlabel="epoch", names=False),
        Panel(series=losses, title="Training loss, nats", xlabel="epoch", whole=True, names=False),
        Panel(
            series=accuracies,
            title="Test accuracy",
            xlabel="epoch",
            ylim=(min(shown) - 0.01, max(shown) + 0.01),
            whole=True,
        ),
    ]
    return [panels(folder.path / "schedules.png", charts)]
