"""LeNet on handwritten digits, the task for which it was made."""

from dataclasses import dataclass
from typing import Any

from fathom.recipes.common.classifier import Classifier, PictureConfig
from fathom.recipes.lenet import WISHES, build

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
class Config(PictureConfig):
    """The book's settings for Fashion-MNIST: SGD at 0.9, batches of 256, 10 epochs, Xavier initialisation."""

    RUNGS = ("torch", "scratch", "numpy")

    lr: float = 0.9
    data: str = DATA


RECIPE = Classifier(recipe="lenet-mnist", config=Config, build=build, published=PUBLISHED, wishes=WISHES)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
