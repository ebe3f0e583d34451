"""The same network with and without batch norm, at small and large learning rates; and a bias that does nothing."""

import itertools
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fathom import data, models
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest
from fathom.recipes.common.compared import ComparedConfig, Comparison
from fathom.records import Result, RunFolder
from fathom.seeding import generator

SECTION = "d2l-zh 7.5; Ioffe and Szegedy 2015"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "test images",
        "source": "Ioffe and Szegedy 2015, arXiv 1502.03167, figures 2 and 3",
        "note": "Inception on ImageNet: as good after 1/14 of the steps, at rates that break it without batch norm",
    },
]
KINDS = {"off": "without batch norm", "on": "with batch norm"}
EXAMPLES = 64  # on which the biases are tried
SMALLEST = 16  # pixels: 16 → 12 after the first kernel → 6 → 2 after the second → 1


@dataclass(frozen=True, kw_only=True)
class Config(ComparedConfig):
    """LeNet with ReLU and max pooling, plain SGD along a cosine; a network of each kind at every rate.

    Args:
        rates: by what `lr` is multiplied.
    """

    rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0)
    epochs: int = 20
    batch_size: int = 128
    lr: float = 1.0
    schedule: str = "cosine"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.rates or len(set(self.rates)) < len(self.rates) or not all(rate > 0 for rate in self.rates):
            raise InputError(f"--rates: expected different numbers above 0, got {self.rates}")


def network(norm: bool, about: Mapping[str, Any], *, nn: Any = torch.nn) -> Any:
    """LeNet with ReLU; with `norm`, a batch norm between every hidden layer and its ReLU.

    Args:
        about: tells the shape of a picture and the classes.
        nn: the namespace of layers.
    """
    channels, *sides = about["example_shape"]
    pixels = 16
    for side in sides:
        pixels *= ((side - 4) // 2 - 4) // 2

    def hidden(layer: Any, features: int, dimensions: int) -> list[Any]:
        norms = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
        return [layer, norms[dimensions](features), nn.ReLU()] if norm else [layer, nn.ReLU()]

    return nn.Sequential(
        *hidden(nn.Conv2d(channels, 6, 5), 6, 2),
        nn.MaxPool2d(2, 2),
        *hidden(nn.Conv2d(6, 16, 5), 16, 2),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        *hidden(nn.Linear(pixels, 120), 120, 1),
        *hidden(nn.Linear(120, 84), 84, 1),
        nn.Linear(84, len(about["classes"])),
    )


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The networks, as `on_0` for the first rate; those of a kind start alike."""
    if min(about["example_shape"][1:]) < SMALLEST:
        raise InputError(f"{config.data}: expected at least {SMALLEST} pixels a side, got {about['example_shape'][1:]}")
    fresh = {kind: models.on_rung(partial(network, kind == "on", about), config.rung) for kind in KINDS}
    return nn.ModuleDict(
        {f"{kind}_{number}": deepcopy(fresh[kind]) for kind in KINDS for number in range(len(config.rates))}
    )


def before_norms(model: nn.Module) -> list[nn.Parameter]:
    """The biases of the layers that a batch norm follows, which takes the mean away, and the bias with it."""
    return [
        layer.bias
        for layer, after in itertools.pairwise(model.children())
        if hasattr(after, "running_mean") and isinstance(layer.bias, nn.Parameter)
    ]


def redundancy(model: nn.Module, train: data.Dataset, seed: int) -> dict[str, float]:
    """How little the biases before batch norms do, in float64 and training mode, on the first 64 pictures.

    Returns:
        `bias_gradient`, the largest of their gradient over the largest of all; `bias_shift`, the largest change of the
        outputs, over the largest output, when normal numbers are added to them.
    """
    model = deepcopy(model).cpu().double().train()
    x = data.pixels(train.tensors["x"][:EXAMPLES]).cpu().double()
    biases, parameters = before_norms(model), list(model.parameters())
    before = model(x)
    gradients = torch.autograd.grad(cross_entropy(before, train.tensors["y"][:EXAMPLES].cpu()), parameters)
    largest = max(gradient.abs().max() for gradient in gradients)
    ours = [gradient for gradient, parameter in zip(gradients, parameters, strict=True) if is_in(parameter, biases)]
    random = generator(seed, 2)
    with torch.no_grad():
        for bias in biases:
            bias.add_(torch.randn(bias.shape, generator=random, dtype=bias.dtype))
        change = (model(x) - before).abs().max() / before.abs().max()
    return {
        "bias_gradient": float(max(gradient.abs().max() for gradient in ours) / largest),
        "bias_shift": float(change),
    }


def is_in(parameter: nn.Parameter, others: list[nn.Parameter]) -> bool:
    """Whether it is one of them; `==` would compare numbers."""
    return any(parameter is other for other in others)


RECIPE = Comparison(
    recipe="batch-norm-on-off",
    config=Config,
    build=build,
    reference=lambda config: "on_0",
    published=PUBLISHED,
    wishes={"size": 28, "channels": 1},
    inspect=lambda config, networks, train: redundancy(networks["on_0"], train, config.seed),
    rates=lambda config: {f"{kind}_{number}": rate for kind in KINDS for number, rate in enumerate(config.rates)},
).contest
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def best(result: Result, kind: str, count: int) -> int:
    """The rate, by its number, at which a kind had the best test accuracy of any epoch."""

    def highest(number: int) -> float:
        return max(record[f"test_{kind}_{number}_accuracy"] for record in result.history)

    return max(range(count), key=highest)


def draw(folder: RunFolder) -> list[Path]:
    """Training loss and test accuracy by epoch, each kind at the rate that suits it, and accuracy by rate."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    names = {f"{kind}_{best(result, kind, len(config.rates))}": title for kind, title in KINDS.items()}
    rates = [config.lr * rate for rate in config.rates]
    ends = {
        title: (rates, [result.metrics[f"test_{kind}_{number}_accuracy"] for number in range(len(rates))])
        for kind, title in KINDS.items()
    }
    used = ", ".join(f"{title} {rates[int(name.partition('_')[2])]:g}" for name, title in names.items())
    charts = [
        Panel(series=contest.by_epoch(result, "train_{}_loss", names), title="Training loss, nats", xlabel="epoch",
              whole=True, names=False),
        Panel(series=contest.by_epoch(result, "test_{}_accuracy", names), title="Test accuracy", xlabel="epoch",
              whole=True, names=False),
        Panel(series=ends, title="Test accuracy at the end", xlabel="learning rate", logx=True, ylim=(0.0, 1.0)),
    ]  # fmt: skip
    return [panels(folder.path / "batch-norm.png", charts, key=f"left, middle: each at its best rate: {used}")]
