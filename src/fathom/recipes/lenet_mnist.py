"""LeNet on handwritten digits, the task for which it was made."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fathom.recipes import _classifier as classifier
from fathom.recipes.lenet import WISHES, build
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig

SECTION = "LeCun et al. 1998"
DATA = "mnist"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",
        "value": 0.9905,
        "split": "test images",
        "source": "LeCun, Bottou, Bengio and Haffner 1998, section III.B: LeNet-5, test error 0.95 %",
        "note": "another net and training: 32×32 inputs, scaled tanh, sparse second convolution, Gaussian outputs, "
        "second-order updates, 20 passes; ours is the book's LeNet with the book's settings for Fashion-MNIST",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings for Fashion-MNIST: SGD at 0.9, batches of 256, 10 epochs, Xavier initialisation."""

    RUNGS = ("torch", "scratch", "numpy")

    lr: float = 0.9
    data: str = DATA


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train LeNet and measure it on the test images after each epoch."""
    return classifier.run_classifier(
        "lenet-mnist",
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
    """Which digit is in the picture file `source`? White on black, as MNIST has them."""
    return classifier.predict_class(folder, source, Config, build)


def draw(folder: RunFolder) -> list[Path]:
    """Twelve test images with what the run's best model takes them for."""
    return classifier.draw_predictions(folder, Config, build, WISHES)
