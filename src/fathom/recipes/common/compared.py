"""What the recipes share in which networks learn the same pictures beside each other, and are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, optim, seeding
from fathom.data import augment
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, starts
from fathom.recipes.common.classifier import PictureConfig, load_splits, varied
from fathom.recipes.common.contest_recipe import Build, ContestRecipe, named_at_start
from fathom.records import Result
from fathom.train.channels_last import channels_last, follow
from fathom.train.normalised import scaled
from fathom.train.supervised import Measure

UNUSED = ("clip_value", "average", "accumulate", "precision", "compile")


@dataclass(frozen=True, kw_only=True)
class ComparedConfig(PictureConfig):
    """Settings of networks that learn the same pictures beside each other.

    Args:
        examples: how many of the training pictures are learnt, the first ones; 0 for all.
        test_examples: how many of the test pictures are looked at after each epoch, the first ones; 0 for all.
    """

    examples: int = 0
    test_examples: int = 0

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("examples", "test_examples"):
            self._check(name, at_least=0)
        contest.check_fixed(self.schedule)
        self.keep(UNUSED, contest.WHY_UNUSED)
        self.keep(starts.FIELDS, "several networks begin alike")


@dataclass(frozen=True, kw_only=True)
class SmallPicturesConfig(ComparedConfig):
    """The ResNet paper's rule, augmentation and pictures for small networks, on the first 10,000 of them."""

    examples: int = 10_000
    test_examples: int = 2_500
    epochs: int = 15
    batch_size: int = 128
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0001"
    schedule: str = "multi-factor,milestones=0.5/0.75,factor=0.1"
    augment: str = "crop,padding=4+flip"
    channels_last: bool = True
    data: str = "cifar10"


def first(examples: data.Dataset, count: int) -> data.Dataset:
    """The first `count` examples, all if there are no more; 0 leaves the set as it is.

    Where each class stands in one piece, as in pictures read from folders, the first ones would be of few classes; so
    the whole set is put in one fixed random order before it is cut. That hangs on the set alone: what a smaller `count`
    gives is what a larger one begins with.
    """
    if count == 0:
        return examples
    classes, total = examples.tensors["y"], len(examples)
    taken: Any = slice(count)
    if len(classes.unique_consecutive()) == len(classes.unique()):
        taken = torch.randperm(total, generator=seeding.generator(0))[:count]
    return replace(examples.at(taken), used=replace(examples.used, sizes={examples.split: min(count, total)}))


class Varied(contest.Contest):
    """The contest in which a batch is varied first, alike for all networks.

    Args:
        networks, loss, rules: as `Contest` takes them.
        config: of the run.
        train: the training pictures.
        comparison: tells how each network's batch is varied besides, for that one alone, and what is read from them.
    """

    def __init__(
        self,
        networks: nn.ModuleDict,
        loss: Measure,
        rules: contest.Rule | Mapping[str, contest.Rule],
        config: ComparedConfig,
        train: data.Dataset,
        comparison: "Comparison",
    ) -> None:
        super().__init__(networks, comparison.reference(config), loss, rules)
        own, classes = comparison.own(config), len(train.about["classes"])
        self.vary = varied(config, train.about)
        self.own = {name: augment.create(text, classes) for name, text in own.items() if text}
        self.look = partial(comparison.inspect, config, networks, train)
        if config.channels_last:
            for optimizer in self.optimizers.values():
                follow(optimizer)

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update each network from `(x, y)`; gives the losses and accuracies before the updates, by name."""
        return super().__call__(self.vary(batch) if self.vary else batch)

    def learn(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Let one network learn from the batch, varied as it alone has it."""
        if name in self.own:
            x, y = self.own[name]((x, y))
        return super().learn(name, x, y)

    def numbers(self) -> dict[str, float]:
        """What is read from the networks as they learn."""
        return dict(self.look())


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A recipe in which networks learn the same pictures; its module publishes the functions of its `contest`.

    Args:
        recipe: its name.
        config: the class of its settings.
        build: gives the fresh networks by name.
        reference: of a config, whose numbers go without a name.
        published: the source's figures.
        wishes: what the networks ask of pictures, unless the user says otherwise.
        inspect: numbers read from the networks after each epoch, with the config and the training examples; those
            before the first stand in every record under `…_at_start`.
        rates: of a config, by what the learning rate of each network is multiplied; 1 where none is given.
        own: of a config, how each network's pictures are varied besides `augment`, for that one alone.
    """

    recipe: str
    config: type[ComparedConfig]
    build: Build
    reference: Callable[[Any], str]
    published: Sequence[Mapping[str, Any]]
    wishes: Mapping[str, Any]
    inspect: Callable[[Any, nn.ModuleDict, data.Dataset], Mapping[str, float]] = lambda *_: {}
    rates: Callable[[Any], Mapping[str, float]] = lambda config: {}
    own: Callable[[Any], Mapping[str, str]] = lambda config: {}

    @property
    def contest(self) -> ContestRecipe:
        """What the module publishes the functions of."""
        return ContestRecipe(
            recipe=self.recipe,
            config=self.config,
            build=self.fresh,
            reference=self.reference,
            published=self.published,
            load=self.load,
            at_start=named_at_start(lambda config, networks, train, _: self.inspect(config, networks, train)),
            make_step=self.step,
        )

    def load(self, config: ComparedConfig) -> tuple[data.Dataset, data.Dataset]:
        """The training and the test pictures."""
        train, test = load_splits(config, **self.wishes)
        return first(train.require_images(), config.examples), first(test, config.test_examples)

    def fresh(self, config: ComparedConfig, about: Mapping[str, Any]) -> nn.ModuleDict:
        """The networks, their kernels in the order of memory that the settings ask for."""
        networks = self.build(config, about)
        for network in networks.values():
            scaled(network, about)
        if config.channels_last:
            for network in networks.values():
                channels_last(network)
        return networks

    def step(
        self, config: ComparedConfig, networks: nn.ModuleDict, train: data.Dataset, loss: Measure, batches: int
    ) -> Varied:
        """All learn by the settings' rule and schedule, each at its own multiple of the rate."""
        course = optim.create_schedule(config.schedule, config.epochs * batches, config.warmup)
        rates = self.rates(config)
        rules = {
            name: contest.Rule(config.optimizer, config.lr * rates.get(name, 1.0), course, clip=config.clip)
            for name in networks
        }
        return Varied(networks, loss, rules, config, train, self)


def errors(result: Result, split: str, titles: Mapping[str, str]) -> dict[str, tuple[list[float], list[float]]]:
    """`(epochs, error in %)` of each network under its title, for a chart; `split` is `train` or `test`."""
    accuracies = contest.by_epoch(result, f"{split}_{{}}_accuracy", titles)
    return {title: (epochs, [100 * (1 - value) for value in values]) for title, (epochs, values) in accuracies.items()}


BOLD_AND_THIN = "bold: test pictures; thin: training pictures, while they are learnt"


def error_panel(result: Result, titles: Mapping[str, str], heading: str, highest: float | None = None) -> Panel:
    """Test error of each network by epoch, bold, and its training error, thin; `highest` ends the axis, in %."""
    return Panel(
        series=errors(result, "test", titles),
        thin=errors(result, "train", titles),
        title=heading,
        xlabel="epoch",
        ylim=None if highest is None else (0.0, highest),
        whole=True,
    )


def draw_by_cost(path: Path, result: Result, titles: Mapping[str, str], cost: Mapping[str, float], unit: str) -> Path:
    """Errors by epoch, and beside them the test error at the end by what each network costs, in `unit`.

    Args:
        path: of the picture.
        result: of the run.
        titles: of the networks, by name.
        cost: of each network, by name.
        unit: what the cost counts.
    """
    ends = {
        title: ([cost[name]], [100 * (1 - result.metrics[f"test_{name}_accuracy"])]) for name, title in titles.items()
    }
    charts = [
        error_panel(result, titles, "Error, %"),
        Panel(series=ends, title="Test error at the end, %", xlabel=unit, names=False),
    ]
    return panels(path, charts, key=BOLD_AND_THIN)
