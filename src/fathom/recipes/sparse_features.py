"""Rare features: AdaGrad, which keeps a rate for each weight, against SGD, which has one for all, each at its best."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from fathom import optim, seeding
from fathom.data import Batches
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.recipes.common.inputs import numbers
from fathom.records import DataUsed, Prediction, Result, RunFolder
from fathom.train import Listener, load_model
from fathom.train.experiment import conduct, measured_again, prepare

SECTION = "d2l-zh 11.7"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "adagrad_excess",
        "value": None,
        "split": "features with power-law frequencies",
        "source": "Duchi, Hazan and Singer 2011, section 1.3; d2l-zh 11.7.1",
        "note": "the paper proves less regret where features are rare, the book argues it; neither measures this",
    },
]
TITLES = {"sgd": "SGD", "sgd_decay": "SGD, rate/√t", "adagrad": "AdaGrad"}
RULES = {"sgd": "sgd", "sgd_decay": "sgd", "adagrad": "adagrad"}
FACTORS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of the rate in the settings
REFERENCE = "adagrad", 3  # rule and place of its factor
BINS = 8  # of features, by frequency


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Logistic regression from fresh examples in every update; an epoch is 100 updates.

    Feature j is there with probability 0.5 j^-exponent; the true weights are normal.

    Args:
        lr: the rate by which the grid of rates, 0.03 to 100 times this, is scaled.
        examples: new ones in each update of each run.
        features: inputs, each 0 or 1.
        exponent: of the power law; 0 makes all features equally frequent.
        scale: standard deviation of the true weights.
        runs: with other truths and other examples, whose mean is measured.
    """

    epochs: int = 20
    lr: float = 1.0
    examples: int = 10
    features: int = 200
    exponent: float = 1.0
    scale: float = 2.0
    runs: int = 10

    UPDATES: ClassVar[int] = 100

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("exponent", at_least=0)
        self._check("scale", above=0)
        self._check("features", at_least=BINS)
        for name in ("examples", "runs"):
            self._check(name, at_least=1)


def frequencies(config: Config) -> Tensor:
    """How often each feature is there, `(features,)`, the most frequent first."""
    return 0.5 * torch.arange(1, config.features + 1) ** -config.exponent


def truth(config: Config) -> Tensor:
    """The true weights of each run, `(runs, features)`."""
    random = seeding.generator(config.seed, 5)
    return config.scale * torch.randn(config.runs, config.features, generator=random)


def draw_inputs(config: Config, examples: int, random: torch.Generator | None = None) -> Tensor:
    """`(runs, examples, features)` of 0 and 1, from `random` or torch's global generator."""
    drawn = torch.rand(config.runs, examples, config.features, generator=random)
    return (drawn < frequencies(config)).float()


class Race:
    """A step in which every rule at every rate learns from the same new examples; it is `Stateful`.

    Args:
        config: rates, sizes and rung.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.truth, self.done = config, truth(config), 0
        self.rates = [config.lr * factor for factor in FACTORS]
        zeros = torch.zeros(config.runs, config.features)
        self.weights = nn.ModuleDict(
            {rule: nn.ParameterList(nn.Parameter(zeros.clone()) for _ in self.rates) for rule in RULES}
        )
        self.rules = {
            name: optim.create(
                rule,
                [
                    {"params": [one], "lr": rate}
                    for one, rate in zip(self.weights[name].parameters(), self.rates, strict=True)
                ],
                config.lr,
                rung=config.rung,
            )
            for name, rule in RULES.items()
        }

    def __call__(self, batch: object = None) -> dict[str, float | Tensor]:
        """One update of each from new examples; gives each rule's least mean loss before it."""
        x = draw_inputs(self.config, self.config.examples)
        y = torch.bernoulli(torch.sigmoid(scores(x, self.truth)))
        values: dict[str, float | Tensor] = {}
        for name, rule in self.rules.items():
            together = torch.stack(list(self.weights[name].parameters()))  # (rates, runs, features)
            losses = binary_cross_entropy_with_logits(
                scores(x, together), y.expand(len(self.rates), *y.shape), reduction="none"
            ).mean(dim=-1)
            rule.zero_grad()
            losses.sum().backward()  # each run at each rate has its own gradient
            if name == "sgd_decay":
                for group, rate in zip(rule.param_groups, self.rates, strict=True):
                    group["lr"] = rate * (self.done + 1) ** -0.5
            rule.step()
            by_rate = losses.detach().mean(dim=1)
            values[f"{name}_loss"] = by_rate.min().item()
            if name == REFERENCE[0]:
                values["loss"] = by_rate[REFERENCE[1]].item()
        self.done += 1
        return values

    def state_dict(self) -> dict[str, Any]:
        """The rules' states and the updates done."""
        return {"rules": {name: rule.state_dict() for name, rule in self.rules.items()}, "done": self.done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave; the weights are the model's state."""
        self.done = int(state["done"])
        for name, rule in self.rules.items():
            rule.load_state_dict(state["rules"][name])


def scores(x: Tensor, weights: Tensor) -> Tensor:
    """x·w of each example, `(..., runs, examples)`, for x `(runs, examples, features)`, w `(..., runs, features)`."""
    return (x @ weights[..., None])[..., 0]


# --- what is measured -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Learned:
    """One rule at one rate.

    Args:
        rate: the learning rate.
        excess: nats an example above the truth's own loss, mean over the runs.
        error: root mean square over the runs of how far each weight is from the true one, `(features,)`.
    """

    rate: float
    excess: float
    error: np.ndarray


def excess_loss(x: Tensor, weights: Tensor, true: Tensor) -> Tensor:
    """By how many nats the weights predict worse than the true ones, on average over x: `(..., runs)`.

    The mean over the labels is exact: it is the relative entropy of the two probabilities.
    """
    z, right = scores(x, weights), scores(x, true)
    share = torch.sigmoid(right)
    both = nn.functional.softplus(z) - share * z, nn.functional.softplus(right) - share * right
    return (both[0] - both[1]).mean(dim=-1)


@torch.no_grad()
def examine(config: Config, weights: nn.ModuleDict) -> dict[str, list[Learned]]:
    """Every rule at every rate, on inputs that are the same at each call."""
    x, true = draw_inputs(config, 1000, seeding.generator(config.seed, 6)), truth(config)
    found = {}
    for name in RULES:
        together = torch.stack(list(weights[name].parameters()))
        excess = excess_loss(x, together, true).mean(dim=1).double().nan_to_num(nan=np.inf)
        errors = (together - true).square().mean(dim=1).sqrt().double().numpy()
        found[name] = [
            Learned(config.lr * factor, one.item(), error)
            for factor, one, error in zip(FACTORS, excess, errors, strict=True)
        ]
    return found


def best(learned: Sequence[Learned]) -> Learned:
    """That at the best rate."""
    return min(learned, key=lambda each: each.excess)


def inspect(config: Config, weights: nn.ModuleDict) -> dict[str, float]:
    """Of each rule at its best rate: excess loss, rate, and error in the most and in the least frequent features."""
    found: dict[str, float] = {}
    for name, learned in examine(config, weights).items():
        chosen, part = best(learned), config.features // BINS
        found |= {
            f"{name}_excess": chosen.excess,
            f"{name}_rate": chosen.rate,
            f"{name}_frequent_error": float(chosen.error[:part].mean()),
            f"{name}_rare_error": float(chosen.error[-part:].mean()),
        }
    return found


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let each rule learn at each rate; `NAME_excess` is that of its best rate, `NAME_rate`."""
    prepare(config)
    step = Race(config)
    given = descent.Given(
        f"logistic regression, {config.features} features of frequency 0.5 j^-{config.exponent:g}",
        config.features,
        config.updates_an_epoch,
    )
    return conduct(
        "sparse-features",
        config,
        step,
        Batches(given.tensors["x"], batch_size=1),
        {"model": step.weights, "step": step},
        given,
        evaluate=lambda: inspect(config, step.weights),
        monitor="",  # the last state is what is compared
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
    )


def trained(folder: RunFolder, config: Config) -> nn.ModuleDict:
    """The weights of a run as they were at the end."""
    weights = load_model(folder, lambda: Race(config).weights, best=False)
    assert isinstance(weights, nn.ModuleDict)
    return weights


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config = Config(**folder.config)
    used = DataUsed(name=str(folder.data["formula"]), origin="function")
    found = inspect(config, trained(folder, config))
    return measured_again(folder, config, found, used, PUBLISHED, "the last checkpoint")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The probability of class 1 for the features in `source`, in the first run, by AdaGrad at its best rate.

    `extra` has those of the other rules and the true one.
    """
    config = Config(**folder.config)
    x = torch.tensor(numbers(source, config.features))
    weights = trained(folder, config)
    said = {"truth": torch.sigmoid(truth(config)[0] @ x).item()}
    for name, learned in examine(config, weights).items():
        place = learned.index(best(learned))
        said[name] = torch.sigmoid(weights[name][place][0] @ x).item()  # type: ignore[index]
    return Prediction(input=str(source)[:200], label=said["adagrad"], extra=said)


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Excess loss by rate and by update, and the error of the weights by their feature's frequency."""
    config, result = Config(**folder.config), folder.result
    learned = examine(config, trained(folder, config))
    often = frequencies(config).numpy()
    bins = by_frequency(config)
    middle = np.array([np.exp(np.log(often[part]).mean()) for part in bins])
    errors = {
        TITLES[name]: (middle, np.array([best(each).error[part].mean() for part in bins]))
        for name, each in learned.items()
    }
    charts = [
        Panel(
            series={
                TITLES[name]: ([one.rate for one in each], [one.excess for one in each])
                for name, each in learned.items()
            },
            title="Loss above the truth's, by rate",
            xlabel="learning rate",
            ylabel="nats",
            logx=True,
            logy=True,
            names=False,
        ),
        Panel(
            series=errors,
            title="Error of the weights, best rates",
            xlabel="frequency of the feature",
            ylabel="root mean square",
            logx=True,
        ),
    ]
    if result is not None:
        updates = [record["epoch"] * config.updates_an_epoch for record in result.history]
        course = {
            title: (updates, [record[f"{name}_excess"] for record in result.history]) for name, title in TITLES.items()
        }
        title = "Loss above the truth's, best rates"
        charts.insert(1, Panel(series=course, title=title, xlabel="updates", logx=True, logy=True, names=False))
    return [panels(folder.path / "sparse-features.png", charts)]


def by_frequency(config: Config) -> list[np.ndarray]:
    """The features in bins of evenly spaced logarithms of j, none empty, the rarest first."""
    edges = np.unique(np.geomspace(1, config.features + 1, BINS + 1).round().astype(int)) - 1
    return [np.arange(low, high) for low, high in itertools.pairwise(edges)][::-1]
