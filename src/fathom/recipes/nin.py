"""Network in network on enlarged Fashion-MNIST, as the book trains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom.recipes.common.classifier import Classifier, PictureConfig
from fathom.recipes.common.zoo import as_in_the_book

SECTION = "d2l-zh 7.3"
DATA = "fashion-mnist"
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.563,
        "split": "training images",
        "source": "d2l-zh 7.3, printed",
        "note": "read in one copy of the page",
    },
    {
        "metric": "train_accuracy",
        "value": 0.783,
        "split": "training images",
        "source": "d2l-zh 7.3, printed",
        "note": "read in one copy of the page",
    },
    {
        "metric": "test_accuracy",
        "value": 0.772,
        "split": "test images",
        "source": "d2l-zh 7.3, printed",
        "note": "read in one copy of the page",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The book's settings: SGD at 0.1, batches of 128, 10 epochs, Xavier initialisation, pictures of 224 × 224."""

    batch_size: int = 128
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """Network in network."""
    return as_in_the_book("nin", config, about)


RECIPE = Classifier(
    recipe="nin",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 224},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
