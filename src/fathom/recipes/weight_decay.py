"""Weight decay: 200 inputs, 20 examples, with and without a penalty on the size of the weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fathom import models, plot
from fathom.errors import InputError
from fathom.models.initialise import normal
from fathom.recipes.common import exports, regression
from fathom.recipes.common.inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, experiment, load_model
from fathom.train.experiment import Task, describe
from fathom.train.export import Exportable

SECTION = "d2l-zh 4.5"
DATA = "high-dimensional-linear"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "decay_0_norm",
        "value": 13.2589,
        "split": "training examples",
        "source": "d2l-zh 4.5, printed by the authors' executed notebook",
    },
    {
        "metric": "decay_3_norm",
        "value": 0.3655,
        "split": "training examples",
        "source": "d2l-zh 4.5, printed by the authors' executed notebook",
    },
    {
        "metric": "test_decay_3_loss",
        "value": None,
        "split": "test examples",
        "source": "d2l-zh 4.5",
        "note": "the book draws the curves: without decay the test loss stays high, with it it falls",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: SGD at 0.003, batches of 5, 100 epochs, weights from N(0, 1).

    Args:
        decays: weight decays λ of the models that are compared; the penalty is λ/2 ||w||², the bias goes free.
    """

    decays: tuple[float, ...] = (0.0, 3.0)
    epochs: int = 100
    batch_size: int = 5
    lr: float = 0.003
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.decays or len(set(names(self))) < len(self.decays) or not 0 <= min(self.decays) < float("inf"):
            raise InputError(f"--decays: expected different numbers of at least 0, got {self.decays}")
        self.keep(regression.COUPLING, "the models learn side by side, each as if alone")


def names(config: Config) -> list[str]:
    """`decay_3` for the model with λ = 3."""
    return [f"decay_{decay:g}" for decay in config.decays]


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """A linear regression for each λ, side by side, all from the same initial weights."""
    (columns,) = about["example_shape"]
    first = models.on_rung("linear_regression", config.rung, initialise=partial(normal, std=1.0), in_features=columns)
    others = [models.on_rung("linear_regression", config.rung, in_features=columns) for _ in config.decays[1:]]
    for other in others:
        other.load_state_dict(first.state_dict())
    return regression.SideBySide([first, *others], [columns] * len(config.decays))


def groups(config: Config, model: nn.Module) -> list[dict[str, Any]]:
    """Each model's weights with its own decay, and its bias without."""
    lines = [line[0] for line in model.models]  # type: ignore[union-attr]
    return [
        group
        for line, decay in zip(lines, config.decays, strict=True)
        for group in ({"params": [line.weight], "weight_decay": decay}, {"params": [line.bias], "weight_decay": 0.0})
    ]


def task(config: Config, about: Mapping[str, Any]) -> Task:
    """Half the squared error of each model, without the penalty, and the norm of its weights."""
    error = regression.squared_error(config.rung, 0.5)

    def norms(model: nn.Module) -> dict[str, float]:
        lines = [line[0] for line in model.models]  # type: ignore[union-attr]
        return {f"{name}_norm": line.weight.norm().item() for name, line in zip(names(config), lines, strict=True)}

    return Task(
        build=lambda: build(config, about),
        loss=regression.summed(error),
        measures=regression.each(error, names(config)),
        monitor="",  # the last state is what the book looks at
        inspect=norms,
        groups=partial(groups, config),
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train the models on the same batches; each has its `test_decay_λ_loss` and `decay_λ_norm`; `loss` is the sum."""
    train, test = regression.load_splits(config)
    what = task(config, describe(train))
    return experiment(
        "weight-decay", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners
    )


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config = Config(**folder.config)
    return regression.measure_again(folder, config, task(config, folder.data), PUBLISHED, best=False)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The number for the inputs in `source`, by the model with the least test loss; `extra` has those of all models."""
    config, about = Config(**folder.config), folder.data
    model = load_model(folder, lambda: build(config, about), best=False)
    with torch.inference_mode():
        columns = dict(zip(names(config), model(encode(about, source)).T.tolist(), strict=True))
    chosen = columns[regression.best_name(folder.result, list(columns))]
    return regression.prediction(source, chosen, **{name: values[0] for name, values in columns.items()})


def exportable(folder: RunFolder) -> Exportable:
    """A run's models side by side as they were at the end, to be handed over."""
    again = partial(build, Config(**folder.config), folder.data)
    meaning = f"by the models {', '.join(names(Config(**folder.config)))}: {exports.target_in_words(folder.data)}"
    return exports.of_examples(folder, load_model(folder, again, best=False), again, output="y", meaning=meaning)


# --- pictures -------------------------------------------------------------------------------------------------------

HESSIAN = np.diag([0.3, 3.0])  # of the loss that is drawn: flat along the first weight, steep along the second
OPTIMUM = np.array([2.0, 1.5])


def shrunk_optimum(hessian: np.ndarray, optimum: np.ndarray, decay: float) -> np.ndarray:
    """Where ½ (w - optimum)ᵀ H (w - optimum) + λ/2 ||w||² is least: (H + λI)⁻¹ H optimum.

    Args:
        hessian: `(inputs, inputs)`, symmetric, no eigenvalue below 0.
        optimum: `(inputs,)`, the minimum without decay.
        decay: λ; the hessian must be invertible if it is 0.

    Source: Goodfellow, Bengio and Courville 2016, "Deep Learning", equation 7.10.
    """
    return np.linalg.solve(hessian + decay * np.eye(len(optimum)), hessian @ optimum)


def quadratic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """½ (w - OPTIMUM)ᵀ HESSIAN (w - OPTIMUM) at w = (x, y), for arrays of one shape."""
    off = np.stack([x - OPTIMUM[0], y - OPTIMUM[1]], axis=-1)
    return 0.5 * np.einsum("...i,ij,...j->...", off, HESSIAN, off)


def draw(folder: RunFolder) -> list[Path]:
    """The losses with each λ, and for a loss of two weights how its optimum is pulled to the origin as λ grows."""
    config, result = Config(**folder.config), folder.result
    pictures = [] if result is None else [draw_losses(folder.path / "losses.png", config, result)]
    path = np.stack([shrunk_optimum(HESSIAN, OPTIMUM, decay) for decay in np.geomspace(1e-3, 1e4, 300)])
    marks = {f"λ = {decay:g}": tuple(shrunk_optimum(HESSIAN, OPTIMUM, decay)) for decay in (0, 0.3, 3, 30)}
    return [
        *pictures,
        plot.contours(
            folder.path / "pull.png",
            quadratic,
            path,
            xrange=(-0.5, 2.9),
            yrange=(-0.5, 2.3),
            marks=marks,
            xlabel="w₁",
            ylabel="w₂",
            title="Decay pulls the optimum to the origin",
        ),
    ]


def draw_losses(path: Path, config: Config, result: Result) -> Path:
    """Training and test loss of each model by epoch."""
    epochs = [record["epoch"] for record in result.history]
    series = {
        f"λ = {decay:g}, {split}": (epochs, [record[f"{split}_{name}_loss"] for record in result.history])
        for name, decay in zip(names(config), config.decays, strict=True)
        for split in ("train", "test")
    }
    return plot.lines(path, series, xlabel="epoch", ylabel="half the squared error", logy=True)
