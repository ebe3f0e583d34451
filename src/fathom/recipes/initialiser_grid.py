"""Every initialiser with every activation in a deep network: Xavier fails under ReLU, and nothing saves the sigmoid.

The variances are measured at the start. `NAME_forward_factor` is by what one layer multiplies the variance of the
signal, `NAME_backward_factor` that of the gradient; `loss` and `accuracy` without a name are those of `relu_kaiming`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from fathom import data, models, plot
from fathom.recipes.common import contest, stability
from fathom.recipes.common.classifier import count_inputs
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder
from fathom.train import TrainConfig

SECTION = "d2l-zh 4.8"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_sigmoid_xavier_accuracy",
        "value": None,
        "split": "test images",
        "source": "Glorot and Bengio 2010, sections 3 and 5",
        "note": "other data, 5 hidden layers at most: sigmoids learn worst, tanh best from the paper's start",
    },
]
REFERENCE = "relu_kaiming"
NAMES = [f"{activation}_{start}" for activation in stability.ACTIVATIONS for start in stability.INITIALISERS]


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Plain networks of 20 hidden layers of 64 units, one for each of 5 initialisers and 4 activations; SGD at 0.02.

    Args:
        depth: hidden layers.
        width: units of each.
    """

    depth: int = 20
    width: int = 64
    epochs: int = 6
    batch_size: int = 128
    lr: float = 0.02
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(depth=(self.depth, 2), width=(self.width, 1))
        self.keep(contest.UNUSED, contest.WHY_UNUSED)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The network for each pair, as `relu_kaiming`."""
    network = partial(
        stability.deep,
        in_features=count_inputs(about),
        hidden_sizes=[config.width] * config.depth,
        num_classes=len(about["classes"]),
    )
    return nn.ModuleDict(
        {
            name: models.on_rung(
                network,
                config.rung,
                initialise=partial(stability.initialise, name=name.partition("_")[2]),
                activation=name.partition("_")[0],
            )
            for name in NAMES
        }
    )


def at_start(networks: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """By what one layer multiplies the variance of the signal and, going back, of the gradient, for each network."""
    numbers = {}
    for name, network in networks.items():
        measured = stability.measure_on_examples(network, train)
        numbers[f"{name}_forward_factor"] = stability.factor(measured.forward[:-1])
        numbers[f"{name}_backward_factor"] = stability.factor(measured.backward[-2::-1])
    return numbers


RECIPE = ContestRecipe(
    recipe="initialiser-grid",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    at_start=lambda config, networks, train, _: at_start(networks, train),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Two heat maps, initialisers by activations: training accuracy, and what the gradient gained or lost going back.

    The latter is log₁₀ of its variance at the first hidden layer over that at the last; blank where it is 0 at once.
    """
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    layers = config.depth - 1

    def decades(name: str) -> float:
        change = result.metrics[f"{name}_backward_factor"]
        return round(layers * math.log10(change)) + 0.0 if 0 < change < math.inf else math.nan

    accuracies = "Accuracy in the last epoch of training"
    lost = "Gradient on its way back, decades"
    return [
        _grid(folder.path / "accuracy.png", lambda name: result.metrics[f"train_{name}_accuracy"], accuracies, ".2f"),
        _grid(folder.path / "gradients.png", decades, lost, "+.0f"),
    ]


def _grid(path: Path, value: Any, title: str, form: str) -> Path:
    values = [
        [value(f"{activation}_{start}") for activation in stability.ACTIVATIONS] for start in stability.INITIALISERS
    ]
    rows = [initialiser.title for initialiser in stability.INITIALISERS.values()]
    columns = [activation.title for activation in stability.ACTIVATIONS.values()]
    return plot.heatmap(path, values, rows=rows, columns=columns, title=title, form=form)
