"""LeNet with sigmoids on Fashion-MNIST, as the book trains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fathom import models
from fathom.models.initialise import xavier
from fathom.models.lenet import lenet
from fathom.recipes import _classifier as classifier
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig

SECTION = "d2l-zh 6.6"
DATA = "fashion-mnist"
PUBLISHED = [
    {"metric": "train_accuracy", "value": 0.823, "split": "training images", "source": "d2l-zh 6.6, printed"},
    {"metric": "test_accuracy", "value": 0.779, "split": "test images", "source": "d2l-zh 6.6, printed"},
]
WISHES = {"size": 28, "channels": 1}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: SGD at 0.9, batches of 256, 10 epochs, Xavier initialisation."""

    RUNGS = ("torch", "scratch", "numpy")

    lr: float = 0.9
    data: str = DATA


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """LeNet for pictures of that size and number of classes, its weights by Xavier and Glorot's rule."""
    channels, *size = about["example_shape"]
    return models.on_rung(
        lenet,
        config.rung,
        initialise=xavier,
        in_channels=channels,
        num_classes=len(about["classes"]),
        input_size=tuple(size),
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train LeNet and measure it on the test images after each epoch."""
    return classifier.run_classifier(
        "lenet",
        config,
        build,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        wishes=WISHES,
        pictures_only=True,
    )


def measure(folder: RunFolder) -> Result:
    """Measure a run's best model again."""
    return classifier.measure_classifier(folder, Config, build, PUBLISHED, WISHES)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What is in the picture file `source`?"""
    return classifier.predict_class(folder, source, Config, build)


def draw(folder: RunFolder) -> list[Path]:
    """Twelve test images with what the run's best model takes them for."""
    return classifier.draw_predictions(folder, Config, build, WISHES)
