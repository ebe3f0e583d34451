"""Gradients that vanish and explode: deep sigmoids beside deep ReLUs, and products of random matrices.

The gradients are measured at the start. `NAME_gradient_ratio` is the length of the gradient in the first layer over
that in the last; `product_log10_norm` the median over 200 products; `loss` and `accuracy` without a name are those of
`relu`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom import data, models, seeding
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, stability
from fathom.recipes.common.classifier import count_inputs
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import RunFolder
from fathom.train import TrainConfig
from fathom.train.experiment import prepare

SECTION = "d2l-zh 4.8.1"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "product_log10_norm",
        "value": None,
        "split": "100 random 4 by 4 matrices",
        "source": "d2l-zh 4.8.1.2, printed",
        "note": "one product whose entries depend on the draw; product_log10_norm_theory is where its norm tends",
    },
]
REFERENCE = "relu"
STARTS = {"sigmoid": "xavier", "relu": "kaiming"}  # each activation with the start that suits it best
TITLES = {"sigmoid": "sigmoid", "relu": "ReLU"}
PRODUCTS = {"standard deviation 1": 1.0, "0.572": math.exp(-0.5581), "0.3": 0.3}
SIZE = 4  # of the matrices, as in the book


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Plain networks of 10 hidden layers of 64 units, with sigmoids from Xavier's start and ReLUs from Kaiming's.

    Args:
        depth: hidden layers.
        width: units of each.
        matrices: how many random matrices are multiplied.
    """

    depth: int = 10
    width: int = 64
    matrices: int = 100
    batch_size: int = 64
    lr: float = 0.05
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        stability.in_range(depth=(self.depth, 1), width=(self.width, 1), matrices=(self.matrices, 1))
        self.keep(contest.UNUSED, contest.WHY_UNUSED)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The two networks."""
    network = partial(
        stability.deep,
        in_features=count_inputs(about),
        hidden_sizes=[config.width] * config.depth,
        num_classes=len(about["classes"]),
    )
    return nn.ModuleDict(
        {
            name: models.on_rung(
                network, config.rung, initialise=partial(stability.initialise, name=start), activation=name
            )
            for name, start in STARTS.items()
        }
    )


def gradient_norms(model: nn.Module, x: Tensor, y: Tensor) -> list[float]:
    """The length of the mean loss's gradient for each layer's weights, from the input on."""
    weights = [layer.weight for layer in stability.linears(model)]
    gradients = torch.autograd.grad(cross_entropy(model(x), y), weights)
    return [gradient.norm().item() for gradient in gradients]


def on_examples(model: nn.Module, train: data.Dataset) -> list[float]:
    """`gradient_norms` on the first 256 training examples."""
    device = next(model.parameters()).device
    x, y = (train.tensors[name][:256].to(device) for name in ("x", "y"))
    return gradient_norms(model, data.pixels(x), y)


def log_norms(seed: int, count: int, std: float, draws: int = 200) -> np.ndarray:
    """log₁₀ of the Frobenius norms of products of 1, 2, … random matrices with normal entries: `(draws, count)`.

    Each product is brought back to length 1 after each factor, so that nothing overflows.
    """
    random = seeding.generator(seed, count)
    product = torch.eye(SIZE, dtype=torch.float64).expand(draws, SIZE, SIZE)
    logs = torch.zeros(draws, dtype=torch.float64)
    norms = []
    for _ in range(count):
        factor = std * torch.randn(draws, SIZE, SIZE, generator=random, dtype=torch.float64)
        product = factor @ product
        length = product.norm(dim=(1, 2), keepdim=True)
        product, logs = product / length, logs + length[:, 0, 0].log10()
        norms.append(logs)
    return torch.stack(norms, dim=1).numpy()


def growth(std: float, size: int = SIZE) -> float:
    """By how many decades a product of random `size` × `size` matrices grows with each factor, in the long run.

    A factor stretches a vector of length 1 by σ times the length of `size` normal numbers, so that the logarithm
    grows by ln σ + (ln 2 + ψ(size / 2)) / 2 in the mean.

    Source: Newman 1986, "The distribution of Lyapunov exponents: exact results for random matrices".
    """
    digamma = torch.digamma(torch.tensor(size / 2, dtype=torch.float64)).item()
    return (math.log(std) + (math.log(2) + digamma) / 2) / math.log(10)


def at_start(config: Config, networks: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """First layer's gradient over the last's, for both networks; the middle length of the products, and theory's."""
    numbers = {}
    for name, network in networks.items():
        norms = on_examples(network, train)
        numbers[f"{name}_gradient_ratio"] = norms[0] / norms[-1]
    lengths = log_norms(config.seed, config.matrices, 1.0)[:, -1]
    return {
        **numbers,
        "product_log10_norm": float(np.median(lengths)),
        "product_log10_norm_theory": config.matrices * growth(1.0),
    }


RECIPE = ContestRecipe(
    recipe="vanishing-gradients",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    at_start=lambda config, networks, train, _: at_start(config, networks, train),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


def draw(folder: RunFolder) -> list[Path]:
    """The sigmoid's derivative and what it does to gradients; products of matrices; who learned."""
    config, result = Config(**folder.config), folder.result
    pictures = [draw_gradients(folder, config), draw_products(folder.path / "products.png", config)]
    if result is not None:
        pictures.append(contest.draw_learning(folder.path / "learning.png", result, TITLES))
    return pictures


def draw_gradients(folder: RunFolder, config: Config) -> Path:
    """Slopes of both activations, and the gradient's length by layer at the start and at the end."""
    train = data.load(config.data, "train")
    prepare(config)
    stages = {"at the start": build(config, folder.data), "at the end": RECIPE.trained(folder)}
    x = np.linspace(-8, 8, 401)
    slopes = {title: (x, stability.ACTIVATIONS[name].slope(x)) for name, title in TITLES.items()}
    layers = list(range(1, config.depth + 2))
    charts = [Panel(series=slopes, title="Derivative of the activation", xlabel="input", ylim=(0.0, 1.05), names=False)]
    for when, networks in stages.items():
        norms = {title: (layers, on_examples(networks[name], train)) for name, title in TITLES.items()}
        title = f"Length of the gradient {when}"
        charts.append(Panel(series=norms, title=title, xlabel="layer, from the input", logy=True, whole=True))
    charts[1] = Panel(**{**vars(charts[1]), "names": False})
    return panels(folder.path / "gradients.png", charts)


def draw_products(path: Path, config: Config) -> Path:
    """Medians of the products' lengths by the number of factors, for entries of different sizes, with the theory."""
    factors = np.arange(1, config.matrices + 1)
    series, theory = {}, {}
    for title, std in PRODUCTS.items():
        lengths = np.median(log_norms(config.seed, config.matrices, std), axis=0)
        shown = slice(None, None, max(1, config.matrices // 20))
        series[title] = factors[shown], lengths[shown]
        theory[title] = factors, growth(std) * factors
    chart = Panel(
        series=series,
        theory=theory,
        title=f"Products of random {SIZE} × {SIZE} matrices",
        xlabel="factors",
        ylabel="log₁₀ of the norm",
    )
    return panels(path, [chart], key="dots: median of 200 products; lines: growth rate in theory")
