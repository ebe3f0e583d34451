"""CIFAR-10 as a contest: from raw files to the submission, as the book enters it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom import models
from fathom.recipes.common import kaggle
from fathom.recipes.common.classifier import pictured

SECTION = "d2l-zh 13.13"
DATA = "cifar10-tiny"
PUBLISHED = [
    {
        "metric": "test_accuracy",
        "value": 0.359,
        "split": "held-out images",
        "source": "d2l-zh 13.13, printed",
        "note": "one run on other 900 + 100 pictures; other printings of the page differ by a few hundredths",
    },
]
WISHES = {"size": 32, "channels": 3}


@dataclass(frozen=True, kw_only=True)
class Config(kaggle.ContestConfig):
    """The book's settings for its small set; its rate of 0.0002 is on the sum over a batch of 32, ours on the mean.

    Args:
        network: resnet18, which is built in the book's form for small pictures, or any other network for pictures.
    """

    network: str = "resnet18"
    epochs: int = 20
    batch_size: int = 32
    lr: float = 0.0064
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0005"
    schedule: str = "factor,factor=0.9,every=0.2"  # every 4 of 20 epochs
    augment: str = "resized-crop,scale=0.64/1,ratio=1/1+flip"
    normalise: str = "0.4914/0.4822/0.4465,0.2023/0.1994/0.201"
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The network; ResNet-18 as the book has it for small pictures, with a 3×3 stem and no pooling."""
    form: dict[str, Any] = {"variant": "book", "stem": "small"} if config.network == "resnet18" else {}
    return models.on_rung(config.network, config.rung, **form, **pictured(about))


RECIPE = kaggle.PictureContest(
    recipe="cifar10-kaggle",
    config=Config,
    build=build,
    published=PUBLISHED,
    monitor="test_accuracy",
    maximise=True,
    submission=kaggle.labels,
    wishes=WISHES,
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
