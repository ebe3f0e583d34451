"""Five ways to draw the weights of a deep network: what becomes of signal and gradient, and who then learns.

The variances by layer are measured at the start. `NAME_forward_factor` is by what one layer multiplies the variance of
the signal, `NAME_backward_factor` that of the gradient, `..._theory` what it should be; `loss` and `accuracy` without a
name are those of `kaiming`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from fathom import data, models
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability
from fathom.recipes.common.classifier import count_inputs
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder
from fathom.train import TrainConfig
from fathom.train.experiment import prepare

SECTION = "d2l-zh 4.8"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_kaiming_accuracy",
        "value": None,
        "split": "test images",
        "source": "He et al. 2015, arXiv 1502.01852, figure 3",
        "note": "curves of a 30-layer network with ReLU on ImageNet: it learns from Kaiming's start, not from Xavier's",
    },
]
REFERENCE = "kaiming"
TITLES = {name: initialiser.title for name, initialiser in stability.INITIALISERS.items()}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Plain networks of 30 hidden layers with ReLU, alike but for the start of their weights; SGD at 0.01.

    Args:
        depth: hidden layers.
        width: units of each.
        activation: after each hidden layer: tanh, relu, sigmoid or scaled (4 sigmoid - 2).
    """

    depth: int = 30
    width: int = 128
    activation: str = "relu"
    epochs: int = 8
    batch_size: int = 128
    lr: float = 0.01
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(depth=(self.depth, 2), width=(self.width, 1))
        stability.known_names("activation", [self.activation], stability.ACTIVATIONS)
        self.keep(contest.UNUSED, contest.WHY_UNUSED)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The same network for each initialiser."""
    network = partial(
        stability.deep,
        in_features=count_inputs(about),
        hidden_sizes=[config.width] * config.depth,
        num_classes=len(about["classes"]),
        activation=config.activation,
    )
    return nn.ModuleDict(
        {
            name: models.on_rung(network, config.rung, initialise=partial(stability.initialise, name=name))
            for name in stability.INITIALISERS
        }
    )


def signals(
    config: Config, networks: nn.ModuleDict, train: data.Dataset
) -> dict[str, tuple[stability.Signals, stability.Signals]]:
    """Measured and predicted variances of each network by layer, the logits' left out."""
    sizes = [train.tensors["x"][0].numel(), *[config.width] * config.depth, len(train.about["classes"])]
    found = {}
    for name, network in networks.items():
        measured = stability.measure_on_examples(network, train)
        forward, backward = stability.predict_signals(
            sizes, name, config.activation, measured.source, float(measured.backward[-1])
        )
        hidden = stability.Signals(measured.source, measured.forward[:-1], measured.backward[:-1])
        found[name] = hidden, stability.Signals(measured.source, forward[:-1], backward[:-1])
    return found


def factors(config: Config, networks: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """By what a layer multiplies the variance on the way forward and back, measured and predicted, by name."""
    numbers = {}
    for name, pair in signals(config, networks, train).items():
        for suffix, found in zip(("", "_theory"), pair, strict=True):
            numbers[f"{name}_forward_factor{suffix}"] = stability.factor(found.forward)
            numbers[f"{name}_backward_factor{suffix}"] = stability.factor(found.backward[::-1])
    return numbers


RECIPE = ContestRecipe(
    recipe="initialisation",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    at_start=lambda config, networks, train, _: factors(config, networks, train),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """The variances at the start by layer, measured and by theory, and who learned."""
    config, result = Config(**folder.config), folder.result
    train = data.load(config.data, "train")
    prepare(config)
    found = signals(config, build(config, folder.data), train)
    charts = []
    for title, way in (("Signal, layer by layer", "forward"), ("Gradient, layer by layer", "backward")):
        lines = {TITLES[name]: getattr(pair[0], way) for name, pair in found.items()}
        theory = {TITLES[name]: getattr(pair[1], way) for name, pair in found.items()}
        layers = list(range(1, config.depth + 1))
        charts.append(
            Panel(
                series={name: (layers, values) for name, values in lines.items()},
                theory={name: (layers, values) for name, values in theory.items()},
                title=title,
                xlabel="hidden layer, from the input",
                ylabel="variance",
                logy=True,
                names=way == "forward",
            )
        )
    pictures = [
        panels(
            folder.path / "variances.png",
            charts,
            key="dots: measured in float64 on 256 examples; lines: theory for wide layers",
        )
    ]
    if result is not None:
        pictures.append(contest.draw_learning(folder.path / "learning.png", result, TITLES))
    return pictures
