"""ResNet-18 on enlarged Fashion-MNIST, as the book trains it, or on any folder of pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom.recipes.common.classifier import Classifier, PictureConfig
from fathom.recipes.common.zoo import as_in_the_book

SECTION = "d2l-zh 7.6"
DATA = "fashion-mnist"
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.012,
        "split": "training images",
        "source": "d2l-zh 7.6, printed",
    },
    {
        "metric": "train_accuracy",
        "value": 0.997,
        "split": "training images",
        "source": "d2l-zh 7.6, printed",
    },
    {
        "metric": "test_accuracy",
        "value": 0.893,
        "split": "test images",
        "source": "d2l-zh 7.6, printed",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The book's settings: SGD at 0.05, batches of 256, 10 epochs, Xavier initialisation, pictures of 96 × 96."""

    lr: float = 0.05
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The book's ResNet-18, for as many channels as the pictures have."""
    return as_in_the_book("resnet18", config, about, variant="book")


RECIPE = Classifier(
    recipe="resnet18",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 96},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
