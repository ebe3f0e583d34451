"""Under- and overfitting: polynomials with too few, just enough and too many terms fitted to a noisy cubic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, plot
from fathom.errors import InputError
from fathom.recipes.common import exports, regression
from fathom.recipes.common.inputs import numbers
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, experiment, load_model
from fathom.train.experiment import Task, describe
from fathom.train.export import Exportable

SECTION = "d2l-zh 4.4"
DATA = "polynomial,seed=4"  # a draw whose test examples reach beyond the training examples
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "terms_4_weight_error",
        "value": 0.0243,
        "split": "training examples",
        "source": "d2l-zh 4.4, weights 4.9757, 1.1941, -3.3882, 5.6051 printed by the authors' executed notebook",
        "note": "the largest of the four errors; another draw of the data gives another one",
    },
    {
        "metric": "test_terms_4_loss",
        "value": None,
        "split": "test examples",
        "source": "d2l-zh 4.4",
        "note": "the book draws three curves: 2 terms underfit, 4 terms fit, 20 terms overfit",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: SGD at 0.01, batches of 10, 400 epochs.

    Args:
        terms: how many of 1, t, t²/2!, t³/3!, … each polynomial has: a straight line, the cubic that made the data, and
            20 terms, the highest t^19 (the book counts from 1 and calls it degree 20).
    """

    terms: tuple[int, ...] = (2, 4, 20)
    epochs: int = 400
    batch_size: int = 10
    lr: float = 0.01
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.terms or len(set(self.terms)) < len(self.terms) or min(self.terms) < 1:
            raise InputError(f"--terms: expected different numbers of at least 1, got {self.terms}")
        self.keep(regression.COUPLING, "the polynomials learn side by side, each as if alone")


def names(config: Config) -> list[str]:
    """`terms_4` for the polynomial with four terms."""
    return [f"terms_{count}" for count in config.terms]


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """All polynomials side by side, each linear in its terms, the first of which stands in for a bias."""
    fits = [models.on_rung("linear_regression", config.rung, in_features=count, bias=False) for count in config.terms]
    return regression.SideBySide(fits, config.terms)


def task(config: Config, about: Mapping[str, Any]) -> Task:
    """The squared error of each polynomial, and how far its weights are from the true ones."""
    error = regression.squared_error(config.rung)
    truth = torch.tensor(about["truth"]["w"])

    def weight_errors(model: nn.Module) -> dict[str, float]:
        weights = [fit[0].weight[0].detach().cpu() for fit in model.models]  # type: ignore[union-attr]
        distances = [(w - truth[: len(w)]).abs().max().item() for w in weights]
        return {f"{name}_weight_error": distance for name, distance in zip(names(config), distances, strict=True)}

    return Task(
        build=lambda: build(config, about),
        loss=regression.summed(error),
        measures=regression.each(error, names(config)),
        monitor="",  # the last state is what the book looks at
        inspect=weight_errors,
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Fit all polynomials to the same batches; each has its own `test_terms_N_loss`, and `loss` is their sum."""
    train, test = regression.load_splits(config)
    _, columns = train.tensors["x"].shape
    if "truth" not in train.about or max(config.terms) > columns:
        most = max(config.terms)
        raise InputError(
            f"expected the set polynomial with at least {most} terms, got {config.data}; try polynomial,columns={most}"
        )
    what = task(config, describe(train))
    return experiment("polynomial", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners)


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config = Config(**folder.config)
    return regression.measure_again(folder, config, task(config, folder.data), PUBLISHED, best=False)


def powers(t: Tensor, count: int) -> Tensor:
    """`(examples, count)`: t^i / i! for i from 0, of `t` `(examples,)`."""
    i = torch.arange(count, dtype=torch.float64)
    return (t.double()[:, None] ** i / torch.lgamma(i + 1).exp()).float()


def curves(folder: RunFolder, t: Tensor) -> dict[str, Tensor]:
    """What each polynomial of a run makes of `t`, `(examples,)`, by name."""
    config = Config(**folder.config)
    model = load_model(folder, lambda: build(config, folder.data), best=False)
    with torch.inference_mode():
        return dict(zip(names(config), model(powers(t, max(config.terms))).T, strict=True))


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The value at the number t in `source`, by the polynomial with the least test loss; `extra` has those of all."""
    values = {name: y.item() for name, y in curves(folder, torch.tensor(numbers(source, 1))).items()}
    return regression.prediction(source, [values[regression.best_name(folder.result, list(values))]], **values)


def exportable(folder: RunFolder) -> Exportable:
    """A run's polynomials side by side as they were at the end, to be handed over."""
    again = partial(build, Config(**folder.config), folder.data)
    return exports.of_examples(
        folder,
        load_model(folder, again, best=False),
        again,
        output="y",
        meaning=f"by the polynomials {', '.join(names(Config(**folder.config)))}",
        taken="t^i / i! for i from 0",
    )


def draw(folder: RunFolder) -> list[Path]:
    """The polynomials among the examples, and the course of each one's losses."""
    config, result = Config(**folder.config), folder.result
    splits = [data.load(config.data, split).tensors for split in ("train", "test")]
    seen, y = (torch.cat([tensors[name][:, 0] for tensors in splits]) for name in ("t", "y"))
    t = torch.linspace(seen.min().item(), seen.max().item(), 200)
    labels = {name: f"{count} terms" for name, count in zip(names(config), config.terms, strict=True)}
    pictures = [
        plot.lines(
            folder.path / "fits.png",
            {labels[name]: (t, curve) for name, curve in curves(folder, t).items()},
            points={"examples": (seen, y)},
            xlabel="t",
            ylabel="y",
        )
    ]
    if result is not None:
        pictures.append(draw_losses(folder.path / "losses.png", result, labels))
    return pictures


def draw_losses(path: Path, result: Result, labels: Mapping[str, str]) -> Path:
    """Training and test loss of each polynomial by epoch."""
    epochs = [record["epoch"] for record in result.history]
    series = {
        f"{label}, {split}": (epochs, [record[f"{split}_{name}_loss"] for record in result.history])
        for name, label in labels.items()
        for split in ("train", "test")
    }
    return plot.lines(path, series, xlabel="epoch", ylabel="squared error", logy=True)
