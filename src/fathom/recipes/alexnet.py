"""AlexNet on enlarged Fashion-MNIST, as the book trains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom.recipes.common.classifier import Classifier, PictureConfig
from fathom.recipes.common.zoo import as_in_the_book

SECTION = "d2l-zh 7.1"
DATA = "fashion-mnist"
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.327,
        "split": "training images",
        "source": "d2l-zh 7.1, printed",
    },
    {
        "metric": "train_accuracy",
        "value": 0.881,
        "split": "training images",
        "source": "d2l-zh 7.1, printed",
    },
    {
        "metric": "test_accuracy",
        "value": 0.885,
        "split": "test images",
        "source": "d2l-zh 7.1, printed",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The book's settings: SGD at 0.01, batches of 128, 10 epochs, Xavier initialisation, pictures of 224 × 224.

    Args:
        hidden_size: units of both hidden linear layers.
    """

    hidden_size: int = 4096
    batch_size: int = 128
    lr: float = 0.01
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("hidden_size", at_least=1)


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The book's AlexNet."""
    return as_in_the_book("alexnet", config, about, variant="book", hidden_size=config.hidden_size)


RECIPE = Classifier(
    recipe="alexnet",
    config=Config,
    build=build,
    published=PUBLISHED,
    wishes={"size": 224},
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
