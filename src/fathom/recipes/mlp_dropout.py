"""A multilayer perceptron disturbed while it learns: by dropout, noisy inputs, weights replaced at random."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fathom import models
from fathom.errors import InputError
from fathom.models.initialise import normal
from fathom.recipes.common.classifier import Classifier, count_inputs
from fathom.train import TrainConfig

SECTION = "d2l-zh 4.6"
DATA = "fashion-mnist"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "test images",
        "source": "d2l-zh 4.6",
        "note": "the book draws the curve; its code asserts more than 0.7, and a training loss below 0.5",
    },
]
WEIGHT_STD = 0.01  # of random weights, and of those that `normal` draws to begin with


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: SGD at 0.5, batches of 256, 10 epochs, dropout 0.2 and 0.5 after hidden layers of 256.

    Args:
        hidden_sizes: units of each hidden layer, from the input on.
        dropout: probability with which each output of these layers is set to 0 in training.
        input_noise: standard deviation of the normal noise on each input in training, in units of the input.
        weight_replacement: probability with which a weight is replaced by a random one in each training step.
    """

    hidden_sizes: tuple[int, ...] = (256, 256)
    dropout: tuple[float, ...] = (0.2, 0.5)
    input_noise: float = 0.0
    weight_replacement: float = 0.0
    lr: float = 0.5
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if any(size < 1 for size in self.hidden_sizes):
            raise InputError(f"--hidden-sizes: expected numbers of at least 1, got {self.hidden_sizes}")
        if len(self.dropout) != len(self.hidden_sizes) or not all(0 <= p < 1 for p in self.dropout):
            raise InputError(
                f"--dropout: expected {len(self.hidden_sizes)} probabilities from 0 to below 1, one for each hidden "
                f"layer, got {self.dropout}"
            )
        if not 0 <= self.input_noise < float("inf"):
            raise InputError(f"--input-noise: expected a number of at least 0, got {self.input_noise}")
        if not 0 <= self.weight_replacement < 1:
            raise InputError(f"--weight-replacement: expected 0 to below 1, got {self.weight_replacement}")


class Disturbed(nn.Module):
    """A model that in training sees noisy inputs through partly random weights; in evaluation it is itself.

    For each batch, each weight is replaced with some probability by a draw from N(0, 0.01²): dropout on the weights
    instead of the units. A replaced weight gets no gradient and is back for the next batch. Biases stay.

    Source: Dive into Deep Learning, "Dropout", exercises; Wan et al. 2013, "Regularization of Neural Networks using
    DropConnect", which sets the weights to 0.
    """

    def __init__(self, model: nn.Module, input_noise: float, weight_replacement: float) -> None:
        super().__init__()
        self.model, self.input_noise, self.weight_replacement = model, input_noise, weight_replacement

    def forward(self, x: Tensor) -> Tensor:
        """Map what the model maps, `(batch, ...)`, to its logits `(batch, classes)`."""
        if not self.training:
            return self.model(x)
        if self.input_noise:
            x = x + self.input_noise * torch.randn_like(x)
        if not self.weight_replacement:
            return self.model(x)
        weights = {name: self._replaced(weight) for name, weight in self.model.named_parameters() if weight.dim() > 1}
        return functional_call(self.model, weights, (x,))

    def _replaced(self, weight: Tensor) -> Tensor:
        chosen = torch.rand_like(weight) < self.weight_replacement
        return torch.where(chosen, WEIGHT_STD * torch.randn_like(weight), weight)


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """The perceptron for examples of that size and number of classes."""
    model = models.on_rung(
        "mlp",
        config.rung,
        initialise=normal,
        in_features=count_inputs(about),
        hidden_sizes=config.hidden_sizes,
        num_classes=len(about["classes"]),
        dropout=config.dropout,
    )
    return Disturbed(model, config.input_noise, config.weight_replacement)


RECIPE = Classifier(recipe="mlp-dropout", config=Config, build=build, published=PUBLISHED, pictures_only=False)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
