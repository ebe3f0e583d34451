"""Three kinds of shortcut where a residual network changes shape: zeros, projections there, projections everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fathom import models
from fathom.errors import InputError
from fathom.models.resnet_cifar import of_depth
from fathom.recipes.common.classifier import pictured
from fathom.recipes.common.compared import Comparison, SmallPicturesConfig, draw_by_cost
from fathom.recipes.plain_vs_residual import is_depth
from fathom.records import RunFolder

SECTION = "He et al. 2015, 4.1"
DATA = "cifar10"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_b_accuracy",
        "value": None,
        "split": "test images",
        "source": "He et al. 2015, arXiv 1512.03385, table 3",
        "note": "34 layers on ImageNet: top-1 error 28.54 % plain, 25.03 with A, 24.52 with B, 24.19 with C",
    },
]
TITLES = {"none": "no shortcuts", "a": "A: zeros", "b": "B: projections at changes", "c": "C: projections"}


@dataclass(frozen=True, kw_only=True)
class Config(SmallPicturesConfig):
    """The paper's rule, augmentation and start on the first 5,000 pictures, with 14 layers.

    Args:
        depth: layers of each network, 6n + 2.
    """

    depth: int = 14
    examples: int = 5_000

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not is_depth(self.depth):
            raise InputError(f"--depth: expected 8, 14, 20, … (6n + 2), got {self.depth}")


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A network of each kind, all with the same weights on the way through the blocks."""
    options = {"none": "none", "a": "A", "b": "B", "c": "C"}
    networks = {
        name: models.on_rung(of_depth(config.depth), config.rung, shortcut=option, **pictured(about))
        for name, option in options.items()
    }
    shared = networks["none"].state_dict()
    for network in networks.values():
        network.load_state_dict(shared, strict=False)
    return nn.ModuleDict(networks)


RECIPE = Comparison(
    recipe="shortcut-options",
    config=Config,
    build=build,
    reference=lambda config: "b",
    published=PUBLISHED,
    wishes={"size": 32, "channels": 3},
    inspect=lambda config, networks, train: {
        f"{name}_parameters": float(sum(parameter.numel() for parameter in network.parameters()))
        for name, network in networks.items()
    },
).contest
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Training and test error by epoch, and the test error at the end by what each option costs in parameters."""
    result = folder.result
    if result is None:
        return []
    thousands = {name: result.metrics[f"{name}_parameters"] / 1000 for name in TITLES}
    return [draw_by_cost(folder.path / "options.png", result, TITLES, thousands, "parameters, thousands")]
