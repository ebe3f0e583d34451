"""Stacked autoencoders: a deep network of sigmoids, its layers pre-trained one by one, against a random start.

The three learn the same batches, the same number of epochs, pre-training included. While a layer is pre-trained, a
record has `train_restored`, its autoencoder's error; `loss` and `accuracy` without a name are those of `relu`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, metrics, models, optim, plot
from fathom.errors import InputError
from fathom.layers import init, namespace
from fathom.recipes.common import contest, stability
from fathom.recipes.common.classifier import count_inputs
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder
from fathom.train import TrainConfig
from fathom.train.supervised import Measure

SECTION = "Bengio et al. 2007; d2l-zh 4.8"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_pretrained_accuracy",
        "value": None,
        "split": "test images",
        "source": "Bengio et al. 2007, Greedy Layer-Wise Training of Deep Networks, section 4",
        "note": "on MNIST: with autoencoders a deep net makes fewer mistakes than from a random start",
    },
]
TITLES = {"pretrained": "sigmoid, pre-trained", "random": "sigmoid, random start", "relu": "ReLU, Kaiming's start"}
REFERENCE = "relu"


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Five hidden layers; the pre-trained network spends 2 epochs on each of them before it sees a label.

    All networks see the same batches the same number of times.

    Args:
        hidden_sizes: units of each hidden layer, from the input on.
        pretrain_epochs: epochs spent on each hidden layer as an autoencoder, out of `epochs`.
        pretrain_lr: learning rate of the autoencoders, by the same update rule.
        corruption: share of an autoencoder's inputs that are set to 0, which it has to fill in.
    """

    hidden_sizes: tuple[int, ...] = (128, 128, 128, 128, 128)
    pretrain_epochs: int = 2
    pretrain_lr: float = 0.5
    corruption: float = 0.1
    epochs: int = 25
    batch_size: int = 64
    lr: float = 0.05
    optimizer: str = "momentum"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.hidden_sizes or min(self.hidden_sizes) < 1:
            raise InputError(f"--hidden-sizes: expected at least one number of at least 1, got {self.hidden_sizes}")
        stability.in_range(pretrain_epochs=(self.pretrain_epochs, 0))
        self._check("pretrain_lr", above=0)
        if not 0 <= self.corruption < 1:
            raise InputError(f"--corruption: expected a share from 0 to below 1, got {self.corruption}")
        self.keep(contest.UNUSED, contest.WHY_UNUSED)


class Pretrained(nn.Module):
    """A network, and for each hidden layer a way back to that layer's input, which training with labels leaves alone.

    Args:
        network: `Flatten`, then `Linear` and an activation for each hidden layer, then `Linear`.
        decoders: for each hidden layer a map from its outputs to what it had as inputs.
    """

    def __init__(self, network: nn.Sequential, decoders: nn.ModuleList) -> None:
        super().__init__()
        self.network, self.decoders = network, decoders

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, ...)` to logits `(batch, classes)`."""
        logits: Tensor = self.network(x)
        return logits

    def encode(self, x: Tensor, layers: int) -> Tensor:
        """What the first so many hidden layers make of `(batch, ...)`: `(batch, units)`."""
        codes: Tensor = self.network[: 1 + 2 * layers](x)
        return codes

    def layer(self, number: int) -> nn.Sequential:
        """Hidden layer `number`, from 0, with its activation."""
        part = self.network[1 + 2 * number : 3 + 2 * number]
        assert isinstance(part, nn.Sequential)
        return part


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The same network of sigmoids twice, equal at first, and one of ReLUs."""
    inputs, classes = count_inputs(about), len(about["classes"])
    network = partial(stability.deep, in_features=inputs, hidden_sizes=config.hidden_sizes, num_classes=classes)
    random = models.on_rung(
        network, config.rung, initialise=partial(stability.initialise, name="xavier"), activation="sigmoid"
    )
    copy = models.on_rung(network, config.rung, activation="sigmoid")
    copy.load_state_dict(random.state_dict())
    relu = models.on_rung(
        network, config.rung, initialise=partial(stability.initialise, name="kaiming"), activation="relu"
    )
    sizes = [inputs, *config.hidden_sizes]
    decoders = nn.ModuleList(
        models.on_rung(decoder, config.rung, units=units, inputs=before)
        for before, units in zip(sizes, config.hidden_sizes, strict=False)
    )
    return nn.ModuleDict({"pretrained": Pretrained(copy, decoders), "random": random, "relu": relu})


def decoder(units: int, inputs: int, *, nn: Any = torch.nn) -> Any:
    """A map from a hidden layer back to its inputs, which lie between 0 and 1."""
    linear = nn.Linear(units, inputs)
    init.xavier_uniform_(linear.weight)
    init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.Sigmoid())


class Layerwise(contest.Contest):
    """The contest in which `pretrained` first learns to restore the inputs of one layer after the other.

    Args:
        models: what `build` gives.
        loss: of the training with labels.
        error: of the autoencoders, between what they restore and what they should.
        config: of the run.
        steps_per_epoch: batches in an epoch; a layer's time is up after so many times `pretrain_epochs`.
    """

    def __init__(
        self, models: nn.ModuleDict, loss: Measure, error: Measure, config: Config, steps_per_epoch: int
    ) -> None:
        super().__init__(models, REFERENCE, loss, contest.Rule(config.optimizer, config.lr))
        model = models["pretrained"]
        assert isinstance(model, Pretrained)
        self.model, self.error, self.corruption = model, error, config.corruption
        self.optimizers["pretrained"] = optim.create(config.optimizer, model.network.parameters(), config.lr)
        self.autoencoders = [
            optim.create(
                "sgd" if config.optimizer == "momentum" else config.optimizer,
                [*model.layer(number).parameters(), *model.decoders[number].parameters()],
                config.pretrain_lr,
            )
            for number in range(len(config.hidden_sizes))
        ]
        self.steps_per_layer = config.pretrain_epochs * steps_per_epoch
        self.steps = 0

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update each contestant; while one of its layers is pre-trained, `restored` is its mean squared error."""
        pretraining = self.steps < self.steps_per_layer * len(self.autoencoders)
        restored = {"restored": self.restore(batch[0])} if pretraining else {}
        values = super().__call__(batch)
        self.steps += 1
        return {**values, **restored}

    def learn(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """As for all; the pre-trained one only tells how it stands until its pre-training is over."""
        if name != "pretrained" or self.steps >= self.steps_per_layer * len(self.autoencoders):
            return super().learn(name, x, y)
        with torch.no_grad():
            logits = self.model(x)
            return self.loss(logits, y).item(), metrics.accuracy(logits, y).item()

    def restore(self, x: Tensor) -> float:
        """One update of the layer whose turn it is, on what the layers before it make of `x`; the error before it."""
        number = self.steps // self.steps_per_layer
        with torch.no_grad():
            target = self.model.encode(x, number)
        kept = target * (torch.rand_like(target) >= self.corruption) if self.corruption else target
        optimizer = self.autoencoders[number]
        optimizer.zero_grad()
        error = self.error(self.model.decoders[number](self.model.layer(number)(kept)), target)
        error.backward()
        optimizer.step()
        return error.item()

    def state_dict(self) -> dict[str, Any]:
        """The states of the update rules, and the steps done."""
        autoencoders = [optimizer.state_dict() for optimizer in self.autoencoders]
        return {"labels": super().state_dict(), "autoencoders": autoencoders, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        super().load_state_dict(state["labels"])
        for optimizer, saved in zip(self.autoencoders, state["autoencoders"], strict=True):
            optimizer.load_state_dict(saved)
        self.steps = int(state["steps"])


def make_step(config: Config, networks: nn.ModuleDict, train: data.Dataset, loss: Measure, steps: int) -> Layerwise:
    """Pre-training by the squared error, summed over what is restored, the mean over examples."""

    def restoring(outputs: Tensor, target: Tensor) -> Tensor:
        return namespace(config.rung).MSELoss()(outputs, target) * target.shape[1] / 2

    return Layerwise(networks, loss, restoring, config, steps)


RECIPE = ContestRecipe(
    recipe="layerwise-pretraining",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    make_step=make_step,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """Who learned when; the course of the autoencoders' errors; what the units of the first layer look for."""
    result, about = folder.result, folder.data
    pictures = []
    if result is not None:
        pictures.append(contest.draw_learning(folder.path / "learning.png", result, TITLES))
    if about["kind"] == "images":
        network = RECIPE.trained(folder)["pretrained"]
        weights = stability.linears(network)[0].weight.detach()[:12]
        low, high = weights.amin(dim=1, keepdim=True), weights.amax(dim=1, keepdim=True)
        images = ((weights - low) / (high - low)).reshape(-1, *about["example_shape"])
        names = [f"unit {number + 1}" for number in range(len(images))]
        pictures.append(plot.images(folder.path / "units.png", images, names, columns=6))
    return pictures
