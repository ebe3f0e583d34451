"""Softmax regression on Fashion-MNIST: ten weighted sums of the pixels, compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fathom import models, plot
from fathom.models.initialise import normal
from fathom.recipes.common.classifier import Classifier, count_inputs
from fathom.records import RunFolder
from fathom.train import TrainConfig

SECTION = "d2l-zh 3.6, 3.7"
DATA = "fashion-mnist"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "test images",
        "source": "d2l-zh 3.6",
        "note": "the book draws the curve; its code asserts more than 0.7, and a training loss below 0.5",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: SGD at 0.1, batches of 256, 10 epochs, weights from N(0, 0.01²)."""

    RUNGS = ("torch", "scratch", "numpy")

    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """Softmax regression for examples of that size and number of classes."""
    return models.on_rung(
        "softmax_regression",
        config.rung,
        initialise=normal,
        in_features=count_inputs(about),
        num_classes=len(about["classes"]),
    )


RECIPE = Classifier(recipe="softmax-regression", config=Config, build=build, published=PUBLISHED, pictures_only=False)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Twelve test images with their predictions, and each class's weights as an image: light speaks for the class."""
    about = folder.data
    if about["kind"] != "images":
        return []
    model, _ = RECIPE.trained(folder)
    weights = model[-1].weight.detach()  # type: ignore[index]
    images = weights.reshape(-1, *about["example_shape"])  # (classes, channels, height, width)
    return [
        *RECIPE.draw(folder),
        plot.images(folder.path / "weights.png", images, about["classes"], columns=5),
    ]
