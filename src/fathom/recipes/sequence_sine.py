"""A noisy sine, or your own series, continued: by its last four values or by a state, one step ahead and many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.errors import DataError, InputError
from fathom.models.initialise import xavier
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import regression
from fathom.recipes.common.inputs import numbers
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, evaluate, experiment, load_model
from fathom.train.experiment import Task, held_out, measured_again
from fathom.train.supervised import Measure

SECTION = "d2l-zh 8.1, 9.4"
DATA = "noisy-sine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "train_mlp_loss",
        "value": 0.05165,
        "split": "the first 600 steps, after 5 epochs",
        "source": "d2l-zh 8.1, printed by the authors' executed notebook",
        "note": "of another draw of the noise, whose variance of 0.04 no model can go below",
    },
]
NAMES = ("mlp", "gru", "back")
TITLES = {"mlp": "MLP on τ values", "gru": "GRU with a state", "last": "the last value"}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The book's settings: τ = 4, an MLP of 10 units, Adam at 0.01, batches of 16, 5 epochs; a GRU beside it.

    Args:
        tau: values before a step that the MLP sees.
        context: values before a step that the GRU sees.
        hidden_size: units of the GRU.
        horizon: most steps ahead.
    """

    tau: int = 4
    context: int = 32
    hidden_size: int = 16
    horizon: int = 64
    epochs: int = 5
    batch_size: int = 16
    lr: float = 0.01
    optimizer: str = "adam"
    data: str = DATA

    AHEAD: ClassVar[tuple[int, ...]] = (1, 4, 16, 64)

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("tau", "hidden_size"):
            self._check(name, at_least=1)
        self._check("horizon", at_least=2)
        if self.context < 2 * self.tau:
            raise InputError(f"--context: expected at least {2 * self.tau}, twice --tau, got {self.context}")
        self.keep(regression.COUPLING, "the models learn side by side, each as if alone")

    @property
    def ahead(self) -> list[int]:
        """The distances that are reported."""
        return [steps for steps in self.AHEAD if steps <= self.horizon]


class Forecasters(nn.Module):
    """Three models of a stretch of a series: `(batch, context + 1)` to `(batch, 3)`.

    Two tell the last value from those before it, an MLP and a GRU; the third, an MLP, the first from those after it.
    """

    def __init__(self, mlp: nn.Module, gru: nn.Module, back: nn.Module, tau: int) -> None:
        super().__init__()
        self.mlp, self.gru, self.back, self.tau = mlp, gru, back, tau

    def forward(self, x: Tensor) -> Tensor:
        """Next value by the MLP and by the GRU, and the value before."""
        outputs = [
            self.mlp(x[:, -1 - self.tau : -1]),
            self.gru(x[:, :-1, None])[0][:, -1],
            self.back(x[:, 1 : 1 + self.tau].flip(1)),
        ]
        return torch.cat(outputs, dim=1)

    def ahead(self, name: str, seen: Tensor, steps: int) -> Tensor:
        """What follows `seen`, each prediction being fed back: `(batch, steps)`.

        Args:
            name: `mlp`, `gru`, or `back`, which goes backwards from reversed values.
            seen: `(batch, context)`, the nearest last.
            steps: how many.
        """
        if name == "gru":
            return self._by_state(seen, steps)
        model = self.mlp if name == "mlp" else self.back
        values = seen[:, -self.tau :]
        for _ in range(steps):
            values = torch.cat([values, model(values[:, -self.tau :])], dim=1)
        return values[:, self.tau :]

    def _by_state(self, seen: Tensor, steps: int) -> Tensor:
        x, state, told = seen[:, :, None], None, []
        for _ in range(steps):
            outputs, state = self.gru(x, state)
            x = outputs[:, -1:]
            told.append(x[:, 0])
        return torch.cat(told, dim=1)


def build(config: Config) -> nn.Module:
    """The three models; the MLPs from Xavier's start, as in the book."""
    small = {"in_features": config.tau, "hidden_sizes": (10,), "num_classes": 1}
    mlp, back = (models.on_rung("mlp", config.rung, initialise=xavier, **small) for _ in range(2))
    gru = models.on_rung("recurrent_tagger", config.rung, in_features=1, num_classes=1, hidden_size=config.hidden_size)
    return Forecasters(mlp, gru, back, config.tau)


# --- data -----------------------------------------------------------------------------------------------------------


def whole_series(train: data.Dataset, test: data.Dataset) -> Tensor:
    """All values of a series in the units of its datasets, `(steps,)`."""
    return torch.cat([part for each in (train, test) for part in (each.tensors["x"], each.tensors["y"][-1:])])


def stretches(values: Tensor, config: Config) -> dict[str, Tensor]:
    """Every run of `context + 1` values, and what the three models should say of it."""
    x = values.unfold(0, config.context + 1, 1).contiguous()
    return {"x": x, "y": torch.stack([x[:, -1], x[:, -1], x[:, 0]], dim=1)}


def load_series(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The beginning and the end of the series, as the data room gives them.

    Raises:
        InputError: the data are no series, or too short a one.
    """
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("kind") != "series":
        raise InputError(
            f"{config.data}: expected a series, got {train.about.get('kind')}; give noisy-sine or "
            "series:FILE.csv,column=NAME"
        )
    least = config.context + config.horizon + 1
    for split in (train, test):
        if len(split) < least:
            raise DataError(
                f"{config.data}: expected at least {least} steps in the {split.split} split, got {len(split)}; "
                "give a longer series, or a smaller --context or --horizon"
            )
    return train, test


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """All stretches within the beginning, and all within the end."""
    train, test = (
        replace(split, tensors=stretches(torch.cat([split.tensors["x"], split.tensors["y"][-1:]]), config))
        for split in load_series(config)
    )
    return train, test


# --- training -------------------------------------------------------------------------------------------------------


def root_mean_square(errors: Tensor) -> Tensor:
    """Over the first axis."""
    return errors.square().mean(dim=0).sqrt()


def starts(series: data.Dataset, config: Config) -> tuple[Tensor, Tensor]:
    """Every place of a split from which one can look back and ahead: `(places, context)` and `(places, horizon)`."""
    values = torch.cat([series.tensors["x"], series.tensors["y"][-1:]])
    runs = values.unfold(0, config.context + config.horizon, 1)
    return runs[:, : config.context], runs[:, config.context :]


@torch.no_grad()
def errors_by_distance(model: Any, series: data.Dataset, config: Config) -> dict[str, Tensor]:
    """Root mean square error at each distance ahead, `(horizon,)`, of each model and of saying the last value again."""
    device = next(model.parameters()).device
    seen, truth = (part.to(device) for part in starts(series, config))
    told = {name: model.ahead(name, seen, config.horizon) for name in ("mlp", "gru")}
    told["last"] = seen[:, -1:].expand_as(truth)
    return {name: root_mean_square(values - truth) for name, values in told.items()}


def task(config: Config, test: data.Dataset) -> Task:
    """The squared error of each; how far ahead they see on the held-out end."""
    error = regression.squared_error(config.rung)

    def column(number: int) -> Measure:
        return lambda outputs, target: error(outputs[:, number], target[:, number])

    def far(model: nn.Module) -> dict[str, float]:
        errors = errors_by_distance(model, test, config)
        return {
            f"{name}_error_{steps}": values[steps - 1].item()
            for name, values in errors.items()
            for steps in config.ahead
        }

    return Task(
        build=lambda: build(config),
        loss=lambda outputs, target: error(outputs, target) * len(NAMES),
        measures={f"{name}_loss": column(number) for number, name in enumerate(NAMES)},
        monitor="",  # the last state is what the book looks at
        inspect=far,
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train the models side by side; `NAME_error_K` is the root mean square error K steps ahead, on the held-out end.

    `loss` is the sum of `mlp_loss`, `gru_loss` and `back_loss`, which looks backwards.
    """
    what = task(config, load_series(config)[1])
    train, test = load_splits(config)
    return experiment(
        "sequence-sine", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners
    )


def trained(folder: RunFolder) -> Any:
    """The run's models as they were at the end."""
    config = Config(**folder.config)
    return load_model(folder, lambda: build(config), best=False)


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config, model = Config(**folder.config), trained(folder)
    what = task(config, load_series(config)[1])
    _, test = load_splits(config)
    found = evaluate(model, held_out(test, config), {"loss": what.loss, **what.measures})
    assert what.inspect is not None
    return measured_again(folder, config, {**found, **what.inspect(model)}, test.used, PUBLISHED, "the last checkpoint")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What follows the numbers in `source`, in their own units: at least τ of them, with commas.

    `label` is the next one by the MLP; `extra` has all up to the horizon by both models.
    """
    config, about = Config(**folder.config), folder.data
    count = str(source).count(",") + 1
    if count < config.tau:
        raise InputError(f"expected at least {config.tau} numbers with commas between them, got {str(source)[:60]!r}")
    seen = (torch.tensor([numbers(source, count)]) - about["mean"]) / about["std"]
    with torch.inference_mode():
        told = {name: trained(folder).ahead(name, seen, config.horizon)[0] for name in ("mlp", "gru")}
    ahead = {name: (values * about["std"] + about["mean"]).tolist() for name, values in told.items()}
    return Prediction(input=str(source)[:200], label=ahead["mlp"][0], extra=ahead)


# --- gaps: from one side, and from both -----------------------------------------------------------------------------


def gaps(series: data.Dataset, config: Config) -> tuple[Tensor, Tensor, Tensor]:
    """Every gap of `horizon` values of a split, and the τ values to its left and to its right."""
    values = torch.cat([series.tensors["x"], series.tensors["y"][-1:]])
    runs = values.unfold(0, 2 * config.tau + config.horizon, 1)
    left, truth, right = runs.split([config.tau, config.horizon, config.tau], dim=1)
    return left, truth, right


def from_each_side(model: Any, left: Tensor, right: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The gaps, `(gaps, steps)`, told by what stands to their left, and by what stands to their right."""
    return model.ahead("mlp", left, steps), model.ahead("back", right.flip(1), steps).flip(1)


@torch.no_grad()
def across_gaps(
    model: Any, train: data.Dataset, test: data.Dataset, config: Config
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Every gap of the held-out end, filled from the left, from both sides, and by a straight line between its ends.

    From both sides, the two are weighed by the inverse of their mean square errors at their places in the training
    part's gaps.

    Returns:
        Values `(gaps, horizon)` by name, the truth, and the two values at the gap's ends `(gaps, 2)`.
    """
    left, truth, right = gaps(train, config)
    forth, back = ((each - truth).square().mean(dim=0) for each in from_each_side(model, left, right, config.horizon))
    share = back / (forth + back)
    left, truth, right = gaps(test, config)
    from_left, from_right = from_each_side(model, left, right, config.horizon)
    told = {"from the left": from_left, "from both sides": share * from_left + (1 - share) * from_right}
    ends = torch.stack([left[:, -1], right[:, 0]], dim=1)
    slope = torch.arange(1, config.horizon + 1) / (config.horizon + 1)
    told["a straight line"] = ends[:, :1] + slope * (ends[:, 1:] - ends[:, :1])
    return told, truth, ends


def draw(folder: RunFolder) -> list[Path]:
    """Predictions many steps ahead, errors by distance, and gaps filled from one side and from both."""
    config, model = Config(**folder.config), trained(folder)
    train, test = load_series(config)
    return [
        draw_predictions(folder.path / "predictions.png", config, model, train, test),
        draw_errors(folder.path / "errors.png", config, model, test),
        draw_gaps(folder.path / "gaps.png", config, model, train, test),
    ]


@torch.no_grad()
def draw_predictions(path: Path, config: Config, model: Any, train: data.Dataset, test: data.Dataset) -> Path:
    """The series, and at each step what was said of it so many steps before."""
    values = whole_series(train, test)
    seen = values.unfold(0, config.context, 1)[: -config.horizon]
    time = np.arange(1, len(values) + 1)
    charts = []
    for name in ("mlp", "gru"):
        told = model.ahead(name, seen, config.horizon)
        series: dict[str, Any] = {}
        for steps in config.ahead:
            first = config.context + steps - 1
            series[f"{steps} ahead"] = (time[first : first + len(told)], told[:, steps - 1])
        charts.append(
            Panel(
                series=series,
                theory={"the series": (time, values)},
                title=TITLES[name],
                xlabel="step",
                verticals={"held out": len(train) + 1.5},
            )
        )
    return panels(path, charts, columns=1, key="grey: the series")


def draw_errors(path: Path, config: Config, model: Any, test: data.Dataset) -> Path:
    """Errors by the number of steps ahead."""
    steps = np.arange(1, config.horizon + 1)
    errors = errors_by_distance(model, test, config)
    chart = Panel(
        series={TITLES[name]: (steps, values) for name, values in errors.items()},
        title="Error on the held-out end",
        xlabel="steps ahead",
        ylabel="root mean square",
        logx=True,
    )
    return panels(path, [chart])


def draw_gaps(path: Path, config: Config, model: Any, train: data.Dataset, test: data.Dataset) -> Path:
    """Extrapolation against interpolation: one gap, and the errors by the place in all of them."""
    told, truth, ends = across_gaps(model, train, test, config)
    place = np.arange(1, config.horizon + 1)
    middle = len(truth) // 4
    around = np.concatenate([[0], place, [config.horizon + 1]])
    known = np.concatenate([ends[middle, :1], truth[middle], ends[middle, 1:]])
    one = Panel(
        series={name: (place, values[middle]) for name, values in told.items()},
        theory={"the series": (around, known)},
        title="A gap in the held-out end",
        xlabel="place in the gap",
        names=False,
    )
    errors = {name: (place, root_mean_square(values - truth)) for name, values in told.items()}
    every = Panel(
        series=errors,
        title="Extrapolation and interpolation",
        xlabel="place in the gap",
        ylabel="root mean square",
    )
    return panels(path, [one, every], key="grey: the series")
