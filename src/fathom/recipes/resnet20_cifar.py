"""The 20-layer residual network for small pictures on CIFAR-10, as the ResNet paper trains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom import models
from fathom.recipes.common.classifier import Classifier, PictureConfig, pictured

SECTION = "He et al. 2015, 4.2"
DATA = "cifar10"
PUBLISHED = [
    {
        "metric": "test_accuracy",
        "value": 0.9125,
        "split": "test images",
        "source": "He et al. 2015, arXiv 1512.03385, table 6: error 8.75 % after 64,000 updates",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The paper's settings: SGD at 0.1, divided by 10 at half and three quarters of 64,000 updates of 128."""

    epochs: int = 164  # 64,000 updates of 128 out of 50,000 pictures
    batch_size: int = 128
    lr: float = 0.1
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0001"
    schedule: str = "multi-factor,milestones=0.5/0.75,factor=0.1"
    augment: str = "crop,padding=4+flip"
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The network for pictures of those channels and number of classes."""
    return models.on_rung("resnet20_cifar", config.rung, **pictured(about))


RECIPE = Classifier(
    recipe="resnet20-cifar",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 32, "channels": 3},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
