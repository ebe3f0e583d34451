"""EfficientNet-Lite0, fine-tuned from weights that it has learnt on ImageNet: for a folder of one's own pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom import models
from fathom.layers.init import xavier_uniform_, zeros_
from fathom.models.stages import head
from fathom.recipes.common.classifier import Classifier, PictureConfig, pictured
from fathom.recipes.common.starts import PUBLISHED as PACKAGED

SECTION = "d2l-zh 13.2"
DATA = "cifar10-tiny"
PUBLISHED = [
    {
        "metric": "test_accuracy",
        "value": 0.939,
        "split": "test images",
        "source": "d2l-zh 13.2, printed: ResNet-18 on hot dogs",
        "note": "other pictures (2,000 in two classes, at 224 × 224) and another network",
    },
]
MOMENTUM = 0.1  # of the batch norms' statistics; the released 0.01 takes hundreds of updates to see other pictures


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """SGD with momentum at 0.005, the new head at 0.05, batches of 32, 8 epochs, along a cosine to 0."""

    epochs: int = 8
    batch_size: int = 32
    lr: float = 0.005
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0001"
    schedule: str = "cosine"
    augment: str = "flip"
    from_: str = PACKAGED
    data: str = DATA


def build(config: Any, about: Mapping[str, Any]) -> nn.Module:
    """The network for pictures of those channels and number of classes, its weights as drawn."""
    return for_few_pictures(models.on_rung("efficientnet_lite0", config.rung, **pictured(about)))


def for_few_pictures(network: nn.Module) -> nn.Module:
    """The network, changed in place: a head by Xavier's rule, and statistics that follow the pictures faster.

    EfficientNet's own rule for the head is for a thousand classes; with ten, its first answers cost three times as much
    as guesses.
    """
    last: Any = network.get_submodule(head(network))
    xavier_uniform_(last.weight)
    zeros_(last.bias)
    layers: list[Any] = [layer for layer in network.modules() if hasattr(layer, "running_mean")]
    for layer in layers:
        layer.momentum = MOMENTUM
    return network


RECIPE = Classifier(
    recipe="efficientnet-lite0",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 96, "channels": 3},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
