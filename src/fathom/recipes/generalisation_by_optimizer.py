"""The same training loss, another test loss: small sets learned by heart by different update rules."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, seeding
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.models.mlp import mlp
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability
from fathom.recipes.common.classifier import count_inputs, load_splits
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Result, RunFolder
from fathom.train import Listener, TrainConfig
from fathom.train.events import Progress
from fathom.train.experiment import conduct, describe, measured_again, prepare
from fathom.train.supervised import Measure

SECTION = "d2l-zh 11.1; Wilson et al. 2017"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_adam_accuracy",
        "value": None,
        "split": "test images",
        "source": "Wilson et al. 2017, arXiv 1705.08292, section 4",
        "note": "other data and networks; there adaptive rules end with a higher test error than SGD and momentum",
    },
]
RULES = {  # name: title, update rule, learning rate; gradient descent sees all examples in each update
    "gd": ("gradient descent", "sgd", 0.2),
    "sgd": ("SGD", "sgd", 0.1),
    "momentum": ("momentum", "momentum", 0.02),
    "adagrad": ("AdaGrad", "adagrad", 0.02),
    "adam": ("Adam", "adam", 0.001),
}
REFERENCE = "sgd_0"
OWN = ("optimizer", "schedule", "warmup", "clip", "accumulate", "patience", "precision", "compile", "channels_last")


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """One hidden layer of 128 on 300 images, a fifth of them with a wrong label; every rule on five such sets.

    `lr` is a factor on the rates of all rules; `epochs` is the most that a network may take to reach the target.

    Args:
        examples: images of each set, drawn from the training images.
        label_noise: share of them whose label is changed to another one.
        width: hidden units.
        seeds: sets, each with initial weights of its own, which all rules share.
        target: the mean loss of all images of a set, in nats, at which a network is left as it is.
    """

    examples: int = 300
    label_noise: float = 0.2
    width: int = 128
    seeds: int = 5
    target: float = 0.1
    epochs: int = 300
    batch_size: int = 20
    lr: float = 1.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(examples=(self.examples, 1), width=(self.width, 1), seeds=(self.seeds, 1))
        self._check("target", above=0)
        if not 0 <= self.label_noise <= 1:
            raise InputError(f"--label-noise: expected a share from 0 to 1, got {self.label_noise}")
        self.keep(OWN, "every rule learns side by side with the others, in its plain form")


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The networks, as `adam_0`: those of one set start from the same weights."""
    network = partial(
        mlp, in_features=count_inputs(about), hidden_sizes=(config.width,), num_classes=len(about["classes"])
    )
    networks = {}
    for seed in range(config.seeds):
        first = models.on_rung(network, config.rung)
        for rule in RULES:
            networks[f"{rule}_{seed}"] = models.on_rung(network, config.rung)
            networks[f"{rule}_{seed}"].load_state_dict(first.state_dict())
    return nn.ModuleDict(networks)


def small_sets(train: data.Dataset, config: Config) -> tuple[Tensor, Tensor]:
    """Sets drawn from the training examples: `x` `(examples, seeds, ...)`, labels `(examples, seeds)`, some wrong.

    Raises:
        InputError: there are fewer training examples than a set shall have.
    """
    x, y = train.tensors["x"], train.tensors["y"]
    if config.examples > len(x):
        raise InputError(f"--examples: expected at most {len(x)}, the training examples, got {config.examples}")
    classes, chosen, labels = len(train.about["classes"]), [], []
    for seed in range(config.seeds):
        random = seeding.generator(config.seed, 1, seed)
        places = torch.randperm(len(x), generator=random)[: config.examples]
        wrong = torch.rand(config.examples, generator=random) < config.label_noise
        other = torch.randint(1, classes, (config.examples,), generator=random)
        chosen.append(data.pixels(x[places]))
        labels.append(torch.where(wrong, (y[places] + other) % classes, y[places]))
    return torch.stack(chosen, dim=1), torch.stack(labels, dim=1)


class Race(contest.Contest):
    """The contest in which a network that has reached the target on its whole set is left as it is.

    Args:
        networks: what `build` gives.
        loss: `(logits, target)` to the mean.
        config: of the run.
        x, y: all sets, as `small_sets` gives them.
    """

    def __init__(self, networks: nn.ModuleDict, loss: Measure, config: Config, x: Tensor, y: Tensor) -> None:
        rules = {
            f"{rule}_{seed}": contest.Rule(optimizer, config.lr * rate)
            for rule, (_, optimizer, rate) in RULES.items()
            for seed in range(config.seeds)
        }
        super().__init__(networks, REFERENCE, loss, rules)
        self.x, self.y, self.target = x, y, config.target
        self.epochs, self.needed = 0, dict[str, int]()

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update those that are still under way; `loss` is the mean of theirs before it."""
        losses = []
        for name in self.models:
            if name not in self.needed:
                rule, seed = name.split("_")
                x, y = (self.x, self.y) if rule == "gd" else batch
                losses.append(self.learn(name, x[:, int(seed)], y[:, int(seed)])[0])
        return {"loss": statistics.fmean(losses)}

    @torch.no_grad()
    def settle(self) -> dict[str, float]:
        """At an epoch's end: retire those that have reached the target; every network's loss on its whole set."""
        self.epochs += 1
        found = {}
        for name, model in self.models.items():
            seed = int(name.split("_")[1])
            found[name] = self.loss(model(self.x[:, seed]), self.y[:, seed]).item()
            if found[name] <= self.target:
                self.needed.setdefault(name, self.epochs)
        return found

    def state_dict(self) -> dict[str, Any]:
        """The states of the update rules, the epochs done, and how many each needed."""
        return {**super().state_dict(), "epochs": self.epochs, "needed": dict(self.needed)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        super().load_state_dict(state)
        self.epochs, self.needed = int(state["epochs"]), dict(state["needed"])


class UntilAllAreThere:
    """Listener that ends the training for good when every network has reached the target."""

    def __init__(self, race: Race) -> None:
        self.race = race

    def step(self, progress: Progress) -> None:
        """Steps don't matter."""

    def epoch(self, progress: Progress) -> None:
        """Count those that are there."""
        progress.enough = len(self.race.needed) == len(self.race.models)

    def end(self, progress: Progress) -> None:
        """Nothing to do."""


def by_rule(values: Mapping[str, float], pattern: str) -> dict[str, float]:
    """Mean and standard deviation (`_spread`) over the seeds for each rule, under `pattern` with the rule's name."""
    found = {}
    for rule in RULES:
        each = [value for name, value in values.items() if name.startswith(f"{rule}_")]
        found[pattern.format(rule)] = statistics.fmean(each)
        found[f"{pattern.format(rule)}_spread"] = statistics.stdev(each) if len(each) > 1 else 0.0
    return found


def with_means(tested: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """What the test examples say of every network, and its mean and spread for each rule."""
    found = dict(tested)
    for what in ("loss", "accuracy"):
        found |= by_rule({name: tested[f"test_{name}_{what}"] for name in names}, f"test_{{}}_{what}")
    return found


RECIPE = ContestRecipe(
    recipe="generalisation-by-optimizer", config=Config, build=build, reference=REFERENCE, published=PUBLISHED
)
predict = RECIPE.predict


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let every rule learn the same sets until each has the same training loss; then compare them on the test images.

    For each rule `train_RULE_loss`, `test_RULE_loss` and `test_RULE_accuracy` are means over the seeds, with their
    standard deviations under `_spread`; `RULE_there` is the share of its networks that have reached the target and
    `RULE_epochs` the epochs that those took. `test_loss` is that of SGD on the first set.
    """
    train, test = load_splits(config)
    device = prepare(config)
    networks = build(config, describe(train)).to(device)
    x, y = (tensor.to(device) for tensor in small_sets(train, config))
    race = Race(networks, namespace(config.rung).CrossEntropyLoss(), config, x, y)
    batches = data.Batches(x, y, batch_size=config.batch_size, shuffle=True, seed=config.seed, limit=config.limit)

    def evaluate() -> dict[str, float]:
        found = by_rule(race.settle(), "train_{}_loss")
        for rule in RULES:
            took = [epochs for name, epochs in race.needed.items() if name.startswith(f"{rule}_")]
            found[f"{rule}_there"] = len(took) / config.seeds
            if took:
                found[f"{rule}_epochs"] = statistics.fmean(took)
        return {**found, **with_means(RECIPE.numbers(config, networks, train, test), list(networks))}

    return conduct(
        "generalisation-by-optimizer",
        config,
        race,
        batches,
        {"model": networks, "step": race},
        train,
        evaluate=evaluate,
        monitor="",  # the last state is what is compared
        published=PUBLISHED,
        folder=folder,
        watchers=[UntilAllAreThere(race)],
        listeners=listeners,
    )


def measure(folder: RunFolder) -> Result:
    """Compare a run's networks on the test examples again."""
    config = Config(**folder.config)
    train, test = load_splits(config)
    networks = RECIPE.trained(folder)
    numbers = with_means(RECIPE.numbers(config, networks, train, test), list(networks))
    return measured_again(folder, config, numbers, test.used, PUBLISHED, "the last checkpoint")


def new_lows(values: Sequence[float]) -> list[int]:
    """The places of values that are below all before them."""
    return [place for place, value in enumerate(values) if value < min(values[:place], default=math.inf)]


def draw(folder: RunFolder) -> list[Path]:
    """Test loss and accuracy over the training loss, and what the networks of each rule came to."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    titles = {rule: title for rule, (title, _, _) in RULES.items()}

    def course(what: str) -> dict[str, tuple[list[float], list[float]]]:
        found = {}
        for rule, title in titles.items():
            lows = new_lows([record[f"train_{rule}_loss"] for record in result.history])
            found[title] = (
                [result.history[place][f"train_{rule}_loss"] for place in lows],
                [result.history[place][f"test_{rule}_{what}"] for place in lows],
            )
        return found

    dots, means = {}, {}
    for place, (rule, title) in enumerate(titles.items()):
        each = [result.metrics[f"test_{rule}_{seed}_accuracy"] for seed in range(config.seeds)]
        dots[title] = [place] * len(each), each
        means[title] = [place - 0.3, place + 0.3], [result.metrics[f"test_{rule}_accuracy"]] * 2
    training = "training loss, nats (learning goes to the left)"
    charts = [
        Panel(series=course("loss"), title="Test loss, nats", xlabel=training, logx=True, names=False),
        Panel(series=course("accuracy"), title="Test accuracy", xlabel=training, logx=True, names=False),
        Panel(
            series=dots,
            theory=means,
            title="Test accuracy at the end",
            ticks={title: place for place, title in enumerate(titles.values())},
            names=False,
        ),
    ]
    key = "left: means over the sets, whenever the training loss has come down; right: dots are sets, lines their mean"
    return [panels(folder.path / "generalisation.png", charts, key=key)]
