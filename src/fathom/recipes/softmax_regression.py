"""Softmax regression on Fashion-MNIST: ten weighted sums of the pixels, compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fathom import models, plot
from fathom.models.initialise import normal
from fathom.recipes import _classifier as classifier
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig

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
        in_features=classifier.count_inputs(about),
        num_classes=len(about["classes"]),
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train softmax regression and measure it on the test examples after each epoch."""
    return classifier.run_classifier(
        "softmax-regression", config, build, published=PUBLISHED, folder=folder, listeners=listeners
    )


def measure(folder: RunFolder) -> Result:
    """Measure a run's best model again."""
    return classifier.measure_classifier(folder, Config, build, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What is in `source`: a picture file, or a CSV file if the run was trained on one?"""
    return classifier.predict_class(folder, source, Config, build)


def draw(folder: RunFolder) -> list[Path]:
    """Twelve test images with their predictions, and each class's weights as an image: light speaks for the class."""
    about = folder.data
    if about["kind"] != "images":
        return []
    model, _ = classifier.trained(folder, Config, build)
    weights = model[-1].weight.detach()  # type: ignore[index]
    images = weights.reshape(-1, *about["example_shape"])  # (classes, channels, height, width)
    return [
        *classifier.draw_predictions(folder, Config, build),
        plot.images(folder.path / "weights.png", images, about["classes"], columns=5),
    ]
