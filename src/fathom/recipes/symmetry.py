"""Why weights must start unequal: hidden units that start alike stay alike; without any, 0 is fine.

All five are trained on the same batches; `NAME_distinct_units` counts the different units of a hidden layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import models, plot
from fathom.layers import init
from fathom.models.initialise import normal
from fathom.recipes.common import contest, stability
from fathom.recipes.common.classifier import count_inputs
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder
from fathom.train import TrainConfig

SECTION = "d2l-zh 4.8.1.3"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "constant_distinct_units",
        "value": 1.0,
        "split": "training images",
        "source": "d2l-zh 4.8.1.3, the argument: from one constant the hidden layer acts as a single unit for good",
        "note": "an argument, not a measurement",
    },
]
REFERENCE = "xavier"
TITLES = {
    "linear_zero": "linear, from 0",
    "linear_normal": "linear, from normal 0.01",
    "zero": "hidden layer, from 0",
    "constant": "hidden layer, from a constant",
    "xavier": "hidden layer, from Xavier",
}
HIDDEN = ("zero", "constant", "xavier")
ALIKE = (
    1e-3  # units whose weights differ by less, relative to the largest, count as one: rounding is below, learning above
)


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Softmax regression, and a hidden layer of 64 sigmoids, from different starts; SGD at 0.1.

    Args:
        width: hidden units.
        constant: where all weights of one network start.
        activation: of the hidden units: tanh, relu, sigmoid or scaled (4 sigmoid - 2).
    """

    width: int = 64
    constant: float = 0.01
    activation: str = "sigmoid"
    batch_size: int = 64
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(width=(self.width, 2))
        stability.known_names("activation", [self.activation], stability.ACTIVATIONS)
        self.keep(contest.UNUSED, contest.WHY_UNUSED)


def fill(model: nn.Module, value: float) -> nn.Module:
    """Set all weights to one number and all biases to 0; returns the model, changed in place."""
    for layer in stability.linears(model):
        init.constant_(layer.weight, value)
        init.zeros_(layer.bias)
    return model


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """Two linear models, and three networks with a hidden layer."""
    inputs, classes = count_inputs(about), len(about["classes"])

    def linear(start: Any) -> nn.Module:
        built: nn.Module = models.on_rung(
            "softmax_regression", config.rung, initialise=start, in_features=inputs, num_classes=classes
        )
        return built

    network = partial(
        stability.deep,
        in_features=inputs,
        hidden_sizes=[config.width],
        num_classes=classes,
        activation=config.activation,
    )
    starts = {
        "zero": partial(fill, value=0.0),
        "constant": partial(fill, value=config.constant),
        "xavier": partial(stability.initialise, name="xavier"),
    }
    return nn.ModuleDict(
        {
            "linear_zero": linear(partial(fill, value=0.0)),
            "linear_normal": linear(normal),
            **{name: models.on_rung(network, config.rung, initialise=start) for name, start in starts.items()},
        }
    )


def distinct_units(layer: Any) -> int:
    """How many different units a fully connected layer has, up to rounding: rows of its weights, biases included."""
    rows = torch.cat([layer.weight, layer.bias[:, None]], dim=1).detach().cpu().double()
    return count_distinct(rows, ALIKE * rows.abs().max().item())


def count_distinct(rows: Tensor, tolerance: float) -> int:
    """How many of `rows` `(rows, columns)` are needed so that each lies within `tolerance` of one, entry by entry."""
    count = 0
    while len(rows):
        rows = rows[(rows - rows[0]).abs().amax(dim=1) > tolerance]
        count += 1
    return count


def distinct(networks: nn.ModuleDict) -> dict[str, float]:
    """The number of different hidden units of each network."""
    first = {name: stability.linears(networks[name])[0] for name in HIDDEN}
    return {f"{name}_distinct_units": float(distinct_units(layer)) for name, layer in first.items()}


RECIPE = ContestRecipe(
    recipe="symmetry",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    inspect=lambda config, networks, train, test: distinct(networks),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Who learned, and what the first hidden units of each network look for."""
    result, about = folder.result, folder.data
    pictures = [] if result is None else [contest.draw_learning(folder.path / "learning.png", result, TITLES)]
    if about["kind"] == "images":
        networks = RECIPE.trained(folder)
        count = min(5, Config(**folder.config).width)
        weights = [stability.linears(networks[name])[0].weight.detach()[:count] for name in HIDDEN]
        images = torch.cat([_contrast(rows) for rows in weights]).reshape(-1, *about["example_shape"])
        labels = [f"{name}, unit {unit + 1}" for name in HIDDEN for unit in range(count)]
        pictures.append(plot.images(folder.path / "units.png", images, labels, columns=count))
    return pictures


def _contrast(rows: Tensor) -> Tensor:
    """All `rows` of a network on one scale from 0 to 1, so that its units can be compared."""
    low, high = rows.min(), rows.max()
    return (rows - low) / (high - low) if high > low else torch.full_like(rows, 0.5)
