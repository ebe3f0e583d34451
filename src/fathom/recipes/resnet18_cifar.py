"""ResNet-18 with a stem for small pictures on CIFAR-10."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom import models
from fathom.recipes.common.classifier import Classifier, PictureConfig, pictured

SECTION = "d2l-zh 7.6, 13.13"
DATA = "cifar10"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "test images",
        "source": "d2l-zh 13.13, printed",
        "note": "the book prints it, of a tenth and of all of the contest's pictures by another rule; not verified",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The ResNet paper's rule and augmentation for CIFAR-10, with fewer epochs and along a cosine."""

    epochs: int = 30
    batch_size: int = 128
    lr: float = 0.1
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0005"
    schedule: str = "cosine"
    augment: str = "crop,padding=4+flip"
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The network with a 3×3 convolution and no pooling in front, so that its layers see 32 × 32 pixels."""
    return models.on_rung("resnet18", config.rung, stem="small", **pictured(about))


RECIPE = Classifier(
    recipe="resnet18-cifar",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 32, "channels": 3},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
