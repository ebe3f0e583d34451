"""LeNet with sigmoids on Fashion-MNIST, as the book trains it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from fathom import models
from fathom.models.initialise import xavier
from fathom.recipes.common.classifier import Classifier, PictureConfig

SECTION = "d2l-zh 6.6"
DATA = "fashion-mnist"
PUBLISHED = [
    {"metric": "train_accuracy", "value": 0.823, "split": "training images", "source": "d2l-zh 6.6, printed"},
    {"metric": "test_accuracy", "value": 0.779, "split": "test images", "source": "d2l-zh 6.6, printed"},
]
WISHES = {"size": 28, "channels": 1}


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """The book's settings: SGD at 0.9, batches of 256, 10 epochs, Xavier initialisation."""

    RUNGS = ("torch", "scratch", "numpy")

    lr: float = 0.9
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """LeNet for pictures of that size and number of classes, its weights by Xavier and Glorot's rule."""
    channels, *size = about["example_shape"]
    return models.on_rung(
        "lenet",
        config.rung,
        initialise=xavier,
        in_channels=channels,
        num_classes=len(about["classes"]),
        input_size=tuple(size),
    )


RECIPE = Classifier(recipe="lenet", config=Config, build=build, published=PUBLISHED, wishes=WISHES)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
