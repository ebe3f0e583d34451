"""Squared, absolute and Huber's loss: a line fitted to data with outliers, and the noise that makes each loss right."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models, seeding
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.models.initialise import normal
from fathom.plot.panels import Panel, gradient_arrows, panels
from fathom.recipes.common import regression
from fathom.recipes.common.inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, experiment, load_model
from fathom.train.experiment import Task, describe
from fathom.train.supervised import Measure

SECTION = "d2l-zh 3.1, 3.3"
DATA = "synthetic-linear"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "l2_b_error",
        "value": None,
        "split": "training examples",
        "source": "d2l-zh 3.1, 3.3, exercises",
        "note": "the book asks for the other losses and for their noise, and prints no figure",
    },
]
NAMES = ("l2", "l1", "huber")
TITLES = {"l2": "squared", "l1": "absolute", "huber": "Huber"}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's line from data of which a tenth is 20 too high; SGD at 0.03, batches of 10, 10 epochs.

    Args:
        outliers: share of the training examples whose target is moved.
        shift: by how much it is moved.
        delta: where Huber's loss turns from a parabola into a line, in units of the target.
    """

    outliers: float = 0.1
    shift: float = 20.0
    delta: float = 1.0
    epochs: int = 10
    batch_size: int = 10
    lr: float = 0.03
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not 0 <= self.outliers <= 1:
            raise InputError(f"--outliers: expected a share from 0 to 1, got {self.outliers}")
        if not math.isfinite(self.shift):
            raise InputError(f"--shift: expected a number, got {self.shift}")
        self._check("delta", above=0)
        self.keep(regression.COUPLING, "the lines learn side by side, each as if alone")


def measures(config: Config) -> dict[str, Measure]:
    """The three losses by the rung's layers, each a batch's mean; the squared one with the book's half."""
    layers = namespace(config.rung)
    half = layers.MSELoss()
    return {
        "l2": lambda outputs, target: 0.5 * half(outputs, target),
        "l1": layers.L1Loss(),
        "huber": layers.HuberLoss(delta=config.delta),
    }


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """A line for each loss, side by side, all from the same initial weights."""
    (columns,) = about["example_shape"]
    lines = [models.on_rung("linear_regression", config.rung, initialise=normal, in_features=columns) for _ in NAMES]
    for line in lines[1:]:
        line.load_state_dict(lines[0].state_dict())
    return regression.SideBySide(lines, [columns] * len(NAMES))


def task(config: Config, about: Mapping[str, Any]) -> Task:
    """Each line by its own loss; how far each is from the true one, where that is known."""
    each = measures(config)
    truth = about.get("truth", {})

    def column(number: int, measure: Measure) -> Measure:
        return lambda outputs, target: measure(outputs[:, number : number + 1], target)

    own = {name: column(number, each[name]) for number, name in enumerate(NAMES)}

    def total(outputs: Tensor, target: Tensor) -> Tensor:
        return torch.stack([measure(outputs, target) for measure in own.values()]).sum()

    def errors(model: nn.Module) -> dict[str, float]:
        numbers = {}
        for name, line in zip(NAMES, (line[0] for line in model.models), strict=True):  # type: ignore[union-attr]
            off = line.weight.detach().cpu()[0] - torch.tensor(truth["w"])
            numbers[f"{name}_w_error"] = off.abs().max().item()
            numbers[f"{name}_b_error"] = abs(line.bias.item() - truth["b"])
        return numbers

    return Task(
        build=lambda: build(config, about),
        loss=total,
        measures={f"{name}_loss": measure for name, measure in own.items()},
        monitor="",  # the last state is what is compared
        inspect=errors if {"w", "b"} <= truth.keys() else None,
    )


def with_outliers(train: data.Dataset, config: Config) -> data.Dataset:
    """The set with so many of its targets moved, which ones drawn from the seed."""
    y = train.tensors["y"]
    chosen = torch.rand(len(y), 1, generator=seeding.generator(config.seed, 1)) < config.outliers
    return replace(train, tensors={**train.tensors, "y": y + config.shift * chosen})


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Fit the three lines to the same batches; the test examples have no outliers.

    `NAME_b_error` and `NAME_w_error` are the distances from the true line, where it is known.
    """
    train, test = regression.load_splits(config)
    what = task(config, describe(train))
    train = with_outliers(train, config)
    return experiment("losses", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners)


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config = Config(**folder.config)
    return regression.measure_again(folder, config, task(config, folder.data), PUBLISHED, best=False)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The number for the inputs in `source`, as in `0.5,-1`, by the line from Huber's loss; `extra` has all three."""
    config, about = Config(**folder.config), folder.data
    model = load_model(folder, lambda: build(config, about), best=False)
    with torch.inference_mode():
        columns = dict(zip(NAMES, model(encode(about, source)).T.tolist(), strict=True))
    return regression.prediction(source, columns["huber"], **{name: values[0] for name, values in columns.items()})


# --- pictures -------------------------------------------------------------------------------------------------------


def of_error(name: str, delta: float) -> Callable[[Tensor], Tensor]:
    """A loss as a function of the errors, entry by entry."""
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "l2": lambda error: error.square() / 2,
        "l1": torch.abs,
        "huber": lambda error: nn.functional.huber_loss(error, torch.zeros_like(error), delta=delta, reduction="none"),
    }
    return functions[name]


def slope(function: Callable[[Tensor], Tensor], error: Tensor) -> Tensor:
    """The derivative of a loss at each error, `(errors,)`, by autograd."""
    error = error.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(error).sum(), error)
    return gradient


def density(function: Callable[[Tensor], Tensor], error: Tensor) -> Tensor:
    """exp(-loss) at each error, scaled to area 1: the noise for which the least loss is the most likely line.

    Args:
        function: a loss that grows at least linearly.
        error: `(errors,)`.
    """
    wide = torch.linspace(-60, 60, 120_001, dtype=torch.float64)
    area = torch.trapezoid(torch.exp(-function(wide)), wide)
    return torch.exp(-function(error)) / area


def draw(folder: RunFolder) -> list[Path]:
    """Each loss with its derivative and its likelihood; gradients on the contour lines of a squared loss; the fits."""
    config, result = Config(**folder.config), folder.result
    pictures = [draw_losses(folder.path / "losses.png", config.delta), draw_contours(folder.path / "contours.png")]
    if result is not None and f"{NAMES[0]}_b_error" in result.metrics:
        epochs = [record["epoch"] for record in result.history]
        errors = {TITLES[name]: (epochs, [record[f"{name}_b_error"] for record in result.history]) for name in NAMES}
        title = "How far the learned bias is from the true one"
        chart = Panel(series=errors, title=title, xlabel="epoch", whole=True)
        pictures.append(panels(folder.path / "errors.png", [chart]))
    return pictures


def draw_losses(path: Path, delta: float) -> Path:
    """Three charts over the error: loss, derivative, and the density exp(-loss) of the noise."""
    error = torch.linspace(-3 * max(1.0, delta), 3 * max(1.0, delta), 601, dtype=torch.float64)
    functions = {TITLES[name]: of_error(name, delta) for name in NAMES}
    charts = [
        Panel(
            series={title: (error, values(function, error)) for title, function in functions.items()},
            title=heading,
            xlabel="error",
            names=heading == "Loss",
        )
        for heading, values in (
            ("Loss", lambda function, error: function(error)),
            ("Derivative", slope),
            ("Likelihood of the error", density),
        )
    ]
    return panels(path, charts)


def draw_contours(path: Path) -> Path:
    """The squared loss of a line with two weights: at every point the gradient is at right angles to the contour."""
    x, y = regression_data()
    loss = partial(squared_loss, x, y)
    best = torch.linalg.lstsq(x, y).solution[:, 0]
    angles = torch.arange(8, dtype=torch.float64) * math.pi / 4 + 0.3
    circle = torch.stack([angles.cos(), angles.sin()], dim=1) * torch.tensor([[0.8], [1.6]]).repeat(4, 1)
    stretch = torch.linalg.cholesky(x.T @ x / len(x))  # a circle, stretched back, lies on one contour line
    points = best + torch.linalg.solve_triangular(stretch.T, circle.T, upper=True).T
    w = points.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(loss(w[:, 0], w[:, 1]).sum(), w)

    def heights(across: np.ndarray, up: np.ndarray) -> np.ndarray:
        return loss(torch.from_numpy(across), torch.from_numpy(up)).numpy()

    return gradient_arrows(
        path,
        heights,
        points,
        gradients,
        xrange=(-1.4, 5.4),
        yrange=(-4.2, 2.2),
        marks={"least loss": (best[0].item(), best[1].item())},
        xlabel="w₁",
        ylabel="w₂",
        title="The gradient is at right angles to the contour line",
    )


def regression_data() -> tuple[Tensor, Tensor]:
    """30 examples `(30, 2)` with correlated inputs and their targets `(30, 1)` = 2 a - b + noise, in float64."""
    random = seeding.generator(0, 2)
    a, b, noise = torch.randn(3, 30, generator=random, dtype=torch.float64)
    x = torch.stack([a, 0.6 * a + 0.8 * b], dim=1)
    return x, (x @ torch.tensor([2.0, -1.0], dtype=torch.float64) + 0.1 * noise)[:, None]


def squared_loss(x: Tensor, y: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Half the mean squared error of y = w₁ a + w₂ b on the examples, for weights of any shape.

    Args:
        x: `(examples, 2)`.
        y: `(examples, 1)`.
        first, second: w₁ and w₂, of one shape.
    """
    w = torch.stack([first, second], dim=-1)
    return 0.5 * ((w @ x.T - y[:, 0]) ** 2).mean(dim=-1)
