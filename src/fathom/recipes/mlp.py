"""A multilayer perceptron on Fashion-MNIST; given time, it learns its training images by heart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from fathom import models
from fathom.errors import InputError
from fathom.models.initialise import normal
from fathom.recipes import _classifier as classifier
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig

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
        in_features=classifier.count_inputs(about),
        hidden_sizes=config.hidden_sizes,
        num_classes=len(about["classes"]),
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train the perceptron and measure it on the test examples after each epoch."""
    return classifier.run_classifier("mlp", config, build, published=PUBLISHED, folder=folder, listeners=listeners)


def measure(folder: RunFolder) -> Result:
    """Measure a run's best model again."""
    return classifier.measure_classifier(folder, Config, build, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What is in `source`: a picture file, or a CSV file if the run was trained on one?"""
    return classifier.predict_class(folder, source, Config, build)


def draw(folder: RunFolder) -> list[Path]:
    """Twelve test images with what the run's best model takes them for."""
    return classifier.draw_predictions(folder, Config, build)
