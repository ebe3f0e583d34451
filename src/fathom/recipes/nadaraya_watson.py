"""Regression by attention: a mean, a kernel of fixed width, a learnt width, and how fast the error falls with data."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models, plot, seeding
from fathom.data.noisy_curve import END, NOISE, curve
from fathom.errors import DataError
from fathom.models.kernel_regression import KernelRegression
from fathom.ops.kernel_regression import kernel_weights, left_out_error, nadaraya_watson
from fathom.plot.attention import attention_maps
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import regression
from fathom.recipes.common.inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, experiment, load_model
from fathom.train.experiment import Task

SECTION = "d2l-zh 10.2"
DATA = "noisy-curve"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "interior_exponent",
        "value": -0.8,
        "split": "the curve from 1 to 4, by number of examples",
        "source": "Nadaraya 1964; Stone 1982, Optimal global rates of convergence for nonparametric regression",
        "note": "the error of the best width falls like n^(-4/5), in the limit; the noise is not counted",
    },
    {
        "metric": "test_loss",
        "value": None,
        "split": "the curve without noise",
        "source": "d2l-zh 10.2",
        "note": "the book draws both fits and prints no figure",
    },
]
WIDTHS = np.geomspace(0.01, 5, 60)  # that are tried, in units of x
STARTS = 100  # examples of the smallest set in the study of sizes
WIDEST = np.geomspace(0.3, 2.5, 14)  # widths there, over n^-0.22


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """All 50 examples at once, as in the book, but Adam: the book's SGD jumps past the best width and stays there.

    The book's 5 epochs of `sgd` at 0.5 for a sum of errors are `--optimizer sgd --lr 25 --epochs 5` for their mean.

    Args:
        largest: examples of the largest set on which the error by size is measured; 0 leaves that out.
        draws: of each set of examples, over which the error is a mean.
    """

    largest: int = 12_800
    draws: int = 4
    epochs: int = 100
    batch_size: int = 50
    lr: float = 0.5
    optimizer: str = "adam"
    data: str = DATA
    RUNGS: ClassVar[tuple[str, ...]] = ("torch", "scratch", "numpy")

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("largest", at_least=0)
        self._check("draws", at_least=1)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training examples, of which there must be two, and the test's."""
    train, test = regression.load_splits(config)
    if len(train) < 2:
        raise DataError(f"{config.data}: expected at least 2 training examples, got {len(train)}; one sees no other")
    about = {**train.about, "keys": len(train), "outputs": train.tensors["y"].shape[1]}
    return replace(train, about=about), test


def build(config: Config, train: data.Dataset) -> Any:
    """A kernel over the training examples, its width not learnt yet."""
    keys, values = (train.tensors[name].numpy() for name in ("x", "y"))
    return models.on_rung(KernelRegression, config.rung, keys=keys, values=values)


def empty(config: Config, about: Mapping[str, Any]) -> Any:
    """A kernel to be filled from a checkpoint, which holds the examples too."""
    keys, values = (np.zeros((about["keys"], size)) for size in (about["example_shape"][0], about["outputs"]))
    return models.on_rung(KernelRegression, config.rung, keys=keys, values=values)


# --- other widths ---------------------------------------------------------------------------------------------------


def chosen_width(train: data.Dataset) -> float:
    """The width, of those tried, with the least error when each example is predicted from all others."""
    errors = [left_out_error(train.tensors["x"], train.tensors["y"], width).item() for width in WIDTHS]
    return float(WIDTHS[int(np.argmin(errors))])


def error(train: data.Dataset, test: data.Dataset, width: float) -> float:
    """Mean squared error on the test examples with a kernel of this width."""
    keys, values = (train.tensors[name].double() for name in ("x", "y"))
    told = nadaraya_watson(test.tensors["x"].double(), keys, values, width)
    return (told - test.tensors["y"]).square().mean().item()


def fixed(train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """Errors of what is not learnt: the mean, a width of 1, and the width that a search chooses."""
    width = chosen_width(train)
    mean = (train.tensors["y"].mean(0) - test.tensors["y"]).square().mean().item()
    return {
        "test_average_loss": mean,
        "test_plain_loss": error(train, test, 1.0),
        "test_chosen_loss": error(train, test, width),
        "chosen_width": width,
    }


def sizes(config: Config) -> list[int]:
    """Numbers of examples, each twice the one before."""
    found = [STARTS * 2**power for power in range(20)]
    return [size for size in found if size <= config.largest]


@functools.cache
def by_size(config: Config) -> dict[str, list[float]]:
    """Least expected error of any width by size, over the whole curve and over its part from 1 to 4.

    The examples' places are drawn; the mean over their noise is taken exactly.
    """
    places = torch.linspace(0, END, 161, dtype=torch.float64)[:, None]
    parts = {"whole": places[:, 0] >= 0, "interior": (places[:, 0] >= 1) & (places[:, 0] <= 4)}
    random = seeding.generator(config.seed, 1)
    least: dict[str, list[float]] = {name: [] for name in parts}
    for size in sizes(config):
        x = END * torch.rand(config.draws, size, 1, generator=random)
        errors = torch.stack([expected_error(places, x, width) for width in WIDEST * size**-0.22])
        for name, part in parts.items():
            least[name].append(errors[:, part].mean(1).min().item())
    return least


def expected_error(places: Tensor, x: Tensor, width: float) -> Tensor:
    """Squared bias and variance at each place, a mean over draws, `(places,)`.

    Args:
        places: `(places, 1)`.
        x: `(draws, examples, 1)`.
        width: of the kernel.
    """
    weights = kernel_weights(places.to(x.dtype), x, width)
    bias = (weights @ curve(x))[..., 0].double() - curve(places)[:, 0]
    return (bias**2 + NOISE**2 * weights.square().sum(-1)).mean(0)


def study(config: Config) -> dict[str, float]:
    """Slopes of log error over log size."""
    if len(sizes(config)) < 2:
        return {}
    logs = np.log(sizes(config))
    return {f"{where}_exponent": np.polyfit(logs, np.log(errors), 1)[0] for where, errors in by_size(config).items()}


# --- what a recipe offers -------------------------------------------------------------------------------------------


def task(config: Config, train: data.Dataset, test: data.Dataset) -> Task:
    """The squared error, the width, and beside them what is not learnt."""
    known = {**fixed(train, test), **study(config)}

    def inspect(model: nn.Module) -> dict[str, float]:
        kernel: Any = getattr(model, "model", model)  # rung numpy's stands in a wrapper
        return {"width": kernel.width, **known}

    return Task(
        build=lambda: build(config, train),
        loss=regression.squared_error(config.rung),
        measures={},
        monitor="",  # the last state is what the book looks at
        inspect=inspect,
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Learn the width: each training example is predicted from all others, each test example from all of those.

    `test_average_loss`, `test_plain_loss` and `test_chosen_loss` are of the mean, of width 1, and of the width that
    searching finds; `interior_exponent` and `whole_exponent` say how the error falls with the number of examples.
    """
    train, test = load_splits(config)
    what = task(config, train, test)
    return experiment(
        "nadaraya-watson", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners
    )


def measure(folder: RunFolder) -> Result:
    """Measure a run's width again."""
    config = Config(**folder.config).for_reading()
    return regression.measure_again(folder, config, task(config, *load_splits(config)), PUBLISHED, best=False)


def trained(folder: RunFolder) -> Any:
    """A run's kernel with the width that it has learnt, over the training examples."""
    config = Config(**folder.config).for_reading()
    return load_model(folder, lambda: empty(config, folder.data), best=False)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The value at the inputs in `source`; `extra` has the most looked-at examples with their weights."""
    model = trained(folder)
    with torch.inference_mode():
        x = encode(folder.data, source)
        weights, values = model.attend(x)[0], model(x)[0].tolist()
    order = weights.argsort(descending=True)[:5].tolist()
    seen = [{"x": model.keys[k].tolist(), "y": model.values[k].tolist(), "weight": weights[k].item()} for k in order]
    return regression.prediction(source, values, looked_at=seen)


def draw(folder: RunFolder) -> list[Path]:
    """Errors by width and by number of examples; of one input, also the fits and where each place looks."""
    config, model = Config(**folder.config), trained(folder)
    train, test = load_splits(config)
    pictures = [draw_errors(folder.path / "errors.png", config, train, test, model.width)]
    if train.tensors["x"].shape[1] == 1:
        pictures += draw_fits(
            folder.path, train, test, {"width 1": 1.0, f"learnt width, {model.width:.2g}": model.width}
        )
    return pictures


def draw_fits(path: Path, train: data.Dataset, test: data.Dataset, widths: Mapping[str, float]) -> list[Path]:
    """The fits of some widths among the examples, and with which weights each place looks at the examples."""
    keys, values, x, y = (part.tensors[name] for part in (train, test) for name in ("x", "y"))
    seen, asked = keys[:, 0].argsort(), x[:, 0].argsort()
    keys, values, x, y = keys[seen], values[seen], x[asked], y[asked]
    fits = {name: nadaraya_watson(x, keys, values, width)[:, 0] for name, width in widths.items()}
    lines = {"test examples": y[:, 0], **fits, "mean": values.mean().expand(len(x))}
    looks = {name: kernel_weights(x, keys, width) for name, width in widths.items()}
    across, down = "training examples, in the order of x", "test examples, in the order of x"
    return [
        plot.lines(
            path / "fits.png",
            {name: (x[:, 0], line) for name, line in lines.items()},
            points={"training examples": (keys[:, 0], values[:, 0])},
            xlabel="x",
            ylabel="y",
        ),
        attention_maps(path / "looks.png", looks, xlabel=across, ylabel=down, top=None),
    ]


def draw_errors(path: Path, config: Config, train: data.Dataset, test: data.Dataset, width: float) -> Path:
    """Squared error by width, and the least of any width by number of examples."""
    left_out = [left_out_error(train.tensors["x"], train.tensors["y"], w).item() for w in WIDTHS]
    by_width = Panel(
        series={
            "left-out examples": (WIDTHS, left_out),
            "test examples": (WIDTHS, [error(train, test, w) for w in WIDTHS]),
        },
        title="Squared error by width",
        xlabel="width of the kernel",
        logx=True,
        logy=True,
        verticals={"learnt": width},
    )
    if len(sizes(config)) < 2:
        return panels(path, [by_width])
    found = by_size(config)
    theory = {"1 to 4": (found["interior"], -0.8), "0 to 5": (found["whole"], -0.75)}
    by_number = Panel(
        series={name: (sizes(config), errors) for name, (errors, _) in theory.items()},
        theory={
            name: (sizes(config), errors[-1] * (np.array(sizes(config)) / sizes(config)[-1]) ** slope)
            for name, (errors, slope) in theory.items()
        },
        title="Least squared error of any width",
        xlabel="examples",
        logx=True,
        logy=True,
    )
    key = "right: dots measured; lines of the slopes -4/5, and -3/4 where both ends of the curve count"
    return panels(path, [by_width, by_number], key=key)
