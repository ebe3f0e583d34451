"""Echo state nets: a random recurrent net, a read-out solved for; chaos continued freely, or a system copied."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom import data
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import reservoir
from fathom.recipes.common.inputs import numbers
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, load_model
from fathom.train.experiment import conduct, measured_again, prepare

SECTION = "Goodfellow et al. 2016, 10.8; Jaeger and Haas 2004"
DATA = "mackey-glass"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_nrmse_ahead",
        "value": 6.3e-05,
        "split": "84 steps ahead, Mackey-Glass with a delay of 17, 1,000 units, 3,000 training steps",
        "source": "Jaeger and Haas 2004, Science 304, p. 78",
        "note": "10 to the power -4.2; with feedback from the output in place of an input",
    },
]
CONTINUATIONS = 100  # places in the held-out part from which the series is continued
LONG = 2500  # steps ahead that are drawn, of one continuation the last 800
DIAL_SEEDS = 3
DIALS: dict[str, tuple[float, ...]] = {
    "spectral_radius": (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3),
    "density": (0.03, 0.1, 0.3, 1.0),
    "leak": (0.1, 0.25, 0.5, 0.75, 1.0),
    "input_scale": (0.01, 0.03, 0.1, 0.3, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class Config(reservoir.ReservoirConfig):
    """Jaeger and Haas's reservoir: 1,000 units, one connection in a hundred, a spectral radius of 0.8; no penalty.

    `--data` chooses mackey-glass, narma-10 or your own, as series:FILE.csv,column=NAME.

    Args:
        horizon: steps ahead at which the continued series is compared with the true one.
        dial_units: units of the small reservoirs that the picture of radius, density, leak and input scale tries.
    """

    batch_size: int = 299
    washout: int = 1000
    horizon: int = 84
    dial_units: int = 100
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("horizon", "dial_units"):
            self._check(name, at_least=1)
        self._check("dial_units", at_least=3)


def held_out(config: Config, test: data.Dataset) -> data.Dataset:
    """The test part, within `limit` blocks.

    Raises:
        InputError: it has no place with a washout before it and the horizon after it.
    """
    count = min(len(test), config.limit * config.batch_size or len(test))
    need = config.washout + (config.horizon if continues(test) else 1)
    if count < need:
        raise InputError(
            f"--washout, --horizon: expected together at most {count}, the steps of the test part, got {need}; "
            "give a longer series"
        )
    return test.at(slice(count))


def continues(examples: data.Dataset) -> bool:
    """Whether the target is the input one step later."""
    return examples.about["kind"] == "series"


def nrmse(told: Tensor, truth: Tensor, variance: float) -> float:
    """Root of the mean squared error over the variance of the series."""
    return ((told - truth).square().mean() / variance).sqrt().item()


def places(config: Config, test: data.Dataset, ahead: int) -> tuple[Tensor, Tensor]:
    """What stands before and after up to `CONTINUATIONS` places, `(places, washout, 1)` and `(places, ahead, 1)`."""
    windows = test.tensors["x"][:, 0].unfold(0, config.washout + ahead, 1)
    chosen = np.unique(np.linspace(0, len(windows) - 1, CONTINUATIONS).astype(np.int64))
    windows = windows[torch.from_numpy(chosen)][..., None]
    return windows[:, : config.washout], windows[:, config.washout :]


@torch.no_grad()
def measured(config: Config, model: Any, test: data.Dataset) -> dict[str, float]:
    """Errors one step ahead and, if the series can be continued, at the horizon, over the part's standard deviation."""
    x, y = test.tensors["x"], test.tensors["y"]
    told = model(x[None])[0][0, config.washout :]
    y = y[config.washout :]
    variance = test.tensors["y"].var(correction=0).item()
    found = {"test_loss": (told - y).square().mean().item(), "test_nrmse": nrmse(told, y, variance)}
    if continues(test):
        seen, truth = places(config, test, config.horizon)
        end = model.continued(seen, config.horizon)[:, -1]
        found["test_nrmse_ahead"] = nrmse(end, truth[:, -1], variance)
    return {name: value if np.isfinite(value) else np.inf for name, value in found.items()}


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Run the training series through the reservoir once, and solve for the read-out after each tenth.

    `train_loss` is the squared error one step ahead before a tenth was learnt, `test_nrmse_ahead` the error at the
    horizon of the series continued from many places of the held-out part, in standard deviations.
    """
    train, test = reservoir.load_series(config)
    test = held_out(config, test)
    device = prepare(replace(config, device="cpu"))
    blocks: Any = reservoir.Blocks(*train.tensors.values(), batch_size=config.batch_size, limit=config.limit)
    model = reservoir.build(config).to(device)
    step = reservoir.Solving(model, config, outputs=1)

    def solved() -> Mapping[str, float]:
        step.solve()
        return measured(config, model, test)

    return conduct(
        "echo-state",
        config,
        step,
        blocks,
        {"model": model, "step": step},
        train,
        evaluate=solved,
        monitor="",  # the last read-out has seen most
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
    )


def trained(folder: RunFolder) -> Any:
    """The run's net with its last read-out."""
    config = Config(**folder.config)
    return load_model(folder, lambda: reservoir.build(config), best=False)


def measure(folder: RunFolder) -> Result:
    """Measure a run's last read-out again."""
    config = Config(**folder.config)
    prepare(replace(config, device="cpu"))
    model = trained(folder)
    _, test = reservoir.load_series(config)
    found = measured(config, model, held_out(config, test))
    return measured_again(folder, config, found, test.used, PUBLISHED, "the last read-out")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What follows the numbers in `source`, with commas, in their own units; the more of them, the better.

    `label` is the next number, or the answer to the last one; `extra` has all up to the horizon where the series can be
    continued. The reservoir starts from nothing, so a few hundred numbers are wanted before it can be trusted.
    """
    config, about, model = Config(**folder.config), folder.data, trained(folder)
    given = torch.tensor(numbers(source, str(source).count(",") + 1), dtype=config.dtype)
    seen = ((given - about["mean"]) / about["std"])[None, :, None]
    if about["kind"] != "series":
        with torch.no_grad():
            return Prediction(input=str(source)[:200], label=model(seen)[0][0, -1, 0].item())
    ahead = (model.continued(seen, config.horizon)[0, :, 0] * about["std"] + about["mean"]).tolist()
    return Prediction(input=str(source)[:200], label=ahead[0], extra={"ahead": ahead})


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The series continued or the system copied, and what radius, density, leak and input scale do."""
    config = Config(**folder.config)
    prepare(replace(config, device="cpu"))
    train, test = reservoir.load_series(config)
    test, model = held_out(config, test), trained(folder)
    if continues(test):
        first = draw_continuation(folder.path / "continued.png", config, model, test)
    else:
        first = draw_copy(folder.path / "copied.png", config, model, test)
    return [first, draw_dials(folder.path / "dials.png", config, train, test)]


def draw_continuation(path: Path, config: Config, model: Any, test: data.Dataset) -> Path:
    """One long continuation beside the truth, and the errors of many by the number of steps."""
    ahead = min(LONG, len(test) - config.washout)
    seen, truth = places(config, test, ahead)
    told = model.continued(seen, ahead)
    steps = np.arange(1, ahead + 1)
    errors = (told - truth).square().mean(dim=(0, 2)).sqrt() / test.tensors["x"].std(correction=0)
    one = Panel(
        series={"continued": (steps[-800:], told[0, -800:, 0])},
        theory={"the series": (steps[-800:], truth[0, -800:, 0])},
        title="One continuation without a look at the series",
        xlabel="steps ahead",
        names=False,
    )
    every = Panel(
        series={"continued": (steps, errors)},
        title=f"Error of {len(told)} continuations",
        xlabel="steps ahead",
        ylabel="NRMSE",
        logy=True,
        verticals={str(config.horizon): config.horizon} if config.horizon <= ahead else {},
        names=False,
    )
    return panels(path, [one, every], key="blue: the net; grey, where it can be seen: the series")


@torch.no_grad()
def draw_copy(path: Path, config: Config, model: Any, test: data.Dataset) -> Path:
    """The system's answers and the net's."""
    part = slice(config.washout, config.washout + 150)
    told = model(test.tensors["x"][None])[0][0, part, 0]
    steps = np.arange(len(told))
    chart = Panel(
        series={"the net": (steps, told)},
        theory={"the system": (steps, test.tensors["y"][part, 0])},
        title="Held-out answers",
        xlabel="step",
        names=False,
    )
    return panels(path, [chart], key="blue: the net; grey: the system")


def dial_errors(config: Config, train: data.Dataset, test: data.Dataset) -> dict[str, list[float]]:
    """Median error of small reservoirs by each value of each dial, all others as in the settings.

    At the horizon where the series can be continued, else one step ahead. The density is at least a tenth but on its
    own dial, and NaN stands where a unit would have fewer than three connections.
    """
    metric = "test_nrmse_ahead" if continues(test) else "test_nrmse"
    small = replace(config, hidden_size=config.dial_units, density=max(config.density, 0.1, 3 / config.dial_units))
    found: dict[str, list[float]] = {}
    for name, values in DIALS.items():
        found[name] = []
        for value in values:
            change: dict[str, Any] = {name: value}
            each = replace(small, **change)
            if each.density * each.hidden_size < 3:
                found[name].append(float("nan"))
                continue
            errors = [solved_error(each, train, test, metric, seed) for seed in range(DIAL_SEEDS)]
            found[name].append(float(np.median(errors)))
    return found


def solved_error(config: Config, train: data.Dataset, test: data.Dataset, metric: str, seed: int) -> float:
    """The error of one reservoir whose read-out was solved from the whole training series at once."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = reservoir.build(config)
    step = reservoir.Solving(model, config, outputs=1)
    step((train.tensors["x"], train.tensors["y"]))
    step.solve()
    return measured(config, model, test)[metric]


def draw_dials(path: Path, config: Config, train: data.Dataset, test: data.Dataset) -> Path:
    """Errors of small reservoirs by each dial."""
    errors = dial_errors(config, train, test)
    every = np.concatenate([np.minimum(values, 2.0) for values in errors.values()])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    wide = high > 30 * low
    charts = [
        Panel(
            series={name: (DIALS[name], np.minimum(values, 2.0))},
            title=name.replace("_", " "),
            xlabel=name.replace("_", " "),
            ylabel="NRMSE" if number % 2 == 0 else "",
            logx=name in ("density", "input_scale"),
            logy=wide,
            ylim=(0.7 * low, 1.4 * high) if wide else (0.0, 1.05 * high),
            names=False,
        )
        for number, (name, values) in enumerate(errors.items())
    ]
    what = f"{config.horizon} steps ahead" if continues(test) else "of the next answer"
    return panels(path, charts, columns=2, key=f"median error {what}, {DIAL_SEEDS} reservoirs of {config.dial_units}")
