"""GoogLeNet on enlarged Fashion-MNIST, as the book trains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom.recipes.common.classifier import Classifier, PictureConfig
from fathom.recipes.common.zoo import as_in_the_book

SECTION = "d2l-zh 7.4"
DATA = "fashion-mnist"
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.262,
        "split": "training images",
        "source": "d2l-zh 7.4, printed",
    },
    {
        "metric": "train_accuracy",
        "value": 0.9,
        "split": "training images",
        "source": "d2l-zh 7.4, printed",
    },
    {
        "metric": "test_accuracy",
        "value": 0.886,
        "split": "test images",
        "source": "d2l-zh 7.4, printed",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The book's settings: SGD at 0.1, batches of 128, 10 epochs, Xavier initialisation, pictures of 96 × 96."""

    batch_size: int = 128
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The book's GoogLeNet: no batch norm, no auxiliary heads."""
    return as_in_the_book("googlenet", config, about, variant="book")


RECIPE = Classifier(
    recipe="googlenet",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 96},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
