"""A multilayer perceptron on Fashion-MNIST; given time, it learns its training images by heart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom import models
from fathom.errors import InputError
from fathom.models.initialise import normal
from fathom.recipes.common.classifier import Classifier, count_inputs
from fathom.train import TrainConfig

SECTION = "d2l-zh 4.2, 4.3"
DATA = "fashion-mnist"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "test images",
        "source": "d2l-zh 4.2",
        "note": "the book draws the curve; its code asserts more than 0.7, and a training loss below 0.5",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: SGD at 0.1, batches of 256, 10 epochs, weights from N(0, 0.01²).

    Args:
        hidden_sizes: units of each hidden layer, from the input on.
    """

    RUNGS = ("torch", "scratch", "numpy")

    hidden_sizes: tuple[int, ...] = (256,)
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if any(size < 1 for size in self.hidden_sizes):
            raise InputError(f"--hidden-sizes: expected numbers of at least 1, got {self.hidden_sizes}")


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The perceptron for examples of that size and number of classes."""
    return models.on_rung(
        "mlp",
        config.rung,
        initialise=normal,
        in_features=count_inputs(about),
        hidden_sizes=config.hidden_sizes,
        num_classes=len(about["classes"]),
    )


RECIPE = Classifier(recipe="mlp", config=Config, build=build, published=PUBLISHED, pictures_only=False)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
