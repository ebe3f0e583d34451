"""LeNet with batch normalisation on Fashion-MNIST, as the book trains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom.recipes.common.classifier import Classifier, PictureConfig
from fathom.recipes.common.zoo import as_in_the_book

SECTION = "d2l-zh 7.5"
DATA = "fashion-mnist"
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.273,
        "split": "training images",
        "source": "d2l-zh 7.5, printed",
    },
    {
        "metric": "train_accuracy",
        "value": 0.899,
        "split": "training images",
        "source": "d2l-zh 7.5, printed",
    },
    {
        "metric": "test_accuracy",
        "value": 0.807,
        "split": "test images",
        "source": "d2l-zh 7.5, printed",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The book's settings: SGD at 1.0, batches of 256, 10 epochs, Xavier initialisation."""

    RUNGS = ("torch", "scratch", "numpy")

    lr: float = 1.0
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """LeNet with batch norm before each sigmoid."""
    return as_in_the_book("lenet_bn", config, about)


RECIPE = Classifier(
    recipe="lenet-bn",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 28, "channels": 1},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
