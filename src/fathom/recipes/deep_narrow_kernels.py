"""Two 3×3 convolutions against one 5×5, at equal cost and at equal width: deep and narrow against shallow and wide."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fathom import data, models
from fathom.errors import InputError
from fathom.models.initialise import kaiming
from fathom.models.measure import measure as cost_of
from fathom.recipes.common.compared import Comparison, SmallPicturesConfig, draw_by_cost
from fathom.records import RunFolder

SECTION = "d2l-zh 7.2; Simonyan and Zisserman 2014"
DATA = "cifar10"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_five_accuracy",
        "value": None,
        "split": "test images",
        "source": "Simonyan and Zisserman 2014, arXiv 1409.1556, section 4.1",
        "note": "VGG-13 on ImageNet with a 5×5 in the place of each pair of 3×3: top-1 error 7 % higher",
    },
]
TITLES = {"five": "5×5", "three": "3×3 twice, as dear", "narrow": "3×3 twice, as wide"}
BLOCKS = 3
SMALLEST = 2**BLOCKS  # pixels: each block halves them


@dataclass(frozen=True, kw_only=True)
class Config(SmallPicturesConfig):
    """A 3×3 convolution, three blocks of as many channels with max pooling, no batch norm, He's weights.

    Args:
        channels: of the network with 5×5 convolutions.
    """

    channels: int = 16
    epochs: int = 10
    batch_size: int = 64
    lr: float = 0.02
    schedule: str = "cosine"

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("channels", at_least=1)


def network(size: int, channels: int, about: Mapping[str, Any], *, nn: Any = torch.nn) -> Any:
    """Blocks of one 5×5 or two 3×3 convolutions, whose units see as much, then the mean and a linear layer.

    With c channels a 5×5 takes 25 c² weights, two 3×3 take 18 c².

    Args:
        size: of the kernels, 3 or 5.
        channels: of every convolution.
        about: tells the shape of a picture and the classes.
        nn: the namespace of layers.
    """
    parts = [nn.Conv2d(about["example_shape"][0], channels, 3, padding=1), nn.ReLU()]
    for _ in range(BLOCKS):
        for _ in range(2 if size == 3 else 1):
            parts += [nn.Conv2d(channels, channels, size, padding=size // 2), nn.ReLU()]
        parts.append(nn.MaxPool2d(2, 2))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, len(about["classes"]))]
    return kaiming(nn.Sequential(*parts, *head), mode="fan_in")


def operations(size: int, channels: int, about: Mapping[str, Any]) -> float:
    """Floating-point operations of such a network for one picture, in millions; a multiply-add counts as two."""
    with torch.device("meta"):
        model, picture = network(size, channels, about), torch.zeros(1, *about["example_shape"])
    return cost_of(model, picture).parts[0].flops / 1e6


def as_dear(channels: int, about: Mapping[str, Any]) -> int:
    """With how many channels 3×3 convolutions cost what 5×5 ones cost with `channels`, or as little less as can be."""
    budget, width = operations(5, channels, about), channels
    while operations(3, width + 1, about) <= budget:
        width += 1
    return width


def forms(config: Config, about: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Kernel size and channels of each network, by name."""
    if min(about["example_shape"][1:]) < SMALLEST:
        raise InputError(f"{config.data}: expected at least {SMALLEST} pixels a side, got {about['example_shape'][1:]}")
    return {
        "five": (5, config.channels),
        "three": (3, as_dear(config.channels, about)),
        "narrow": (3, config.channels),
    }


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The three networks."""
    return nn.ModuleDict(
        {
            name: models.on_rung(partial(network, size, channels, about), config.rung)
            for name, (size, channels) in forms(config, about).items()
        }
    )


def costs(config: Config, networks: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """Operations of each network for a picture, in millions, and its channels."""
    about = {**train.about, "example_shape": tuple(train.tensors["x"].shape[1:])}
    numbers: dict[str, float] = {}
    for name, (size, channels) in forms(config, about).items():
        numbers |= {f"{name}_operations": operations(size, channels, about), f"{name}_channels": float(channels)}
    return numbers


RECIPE = Comparison(
    recipe="deep-narrow-kernels",
    config=Config,
    build=build,
    reference=lambda config: "three",
    published=PUBLISHED,
    wishes={"size": 32, "channels": 3},
    inspect=costs,
).contest
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Training and test error by epoch, and the test error at the end by what a picture costs."""
    result = folder.result
    if result is None:
        return []
    cost = {name: result.metrics[f"{name}_operations"] for name in TITLES}
    return [draw_by_cost(folder.path / "kernels.png", result, TITLES, cost, "operations for a picture, millions")]
