"""Stochastic gradient descent with noise: constant, exponential and polynomial decay, and the bound for convex f."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fathom import optim
from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.recipes.common.inputs import numbers
from fathom.recipes.gradient_descent import bowl
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.4"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "constant_gap",
        "value": None,
        "split": "x₁² + 2x₂², from (-5, -2), noise N(0, 1)",
        "source": "d2l-zh 11.4, figures",
        "note": "the book draws one random path for each schedule and prints its last point",
    },
    {
        "metric": "polynomial_average_gap",
        "value": None,
        "split": "x₁² + 2x₂², from (-5, -2), noise N(0, 1)",
        "source": "d2l-zh 11.4.3, the bound (r² + L² Ση²) / 2Ση",
        "note": "the book proves the bound and measures nothing beside it",
    },
]
CURVATURES = np.array([2.0, 4.0])  # of x₁² + 2x₂²
REFERENCE = "polynomial"


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """The book's function, start, rate and decays, over many runs at once; an epoch is 50 updates.

    Args:
        start: where all runs begin.
        noise: standard deviation of the normal noise on each partial derivative.
        runs: with independent noise, whose mean is measured.
        decay: γ, in 1/updates: the rate is lr · exp(-γt) or lr / √(1 + γt).
    """

    epochs: int = 20
    lr: float = 0.1
    start: tuple[float, float] = (-5.0, -2.0)
    noise: float = 1.0
    runs: int = 200
    decay: float = 0.1

    UPDATES: ClassVar[int] = 50

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        descent.finite_point("start", self.start)
        self._check("noise", at_least=0)
        self._check("decay", at_least=0)
        self._check("lr", above=0, at_most=1 / CURVATURES[-1])  # farther than 1/L, the theory below does not hold
        self._check("runs", at_least=1)


def schedules(config: Config) -> dict[str, tuple[str, optim.Schedule]]:
    """Title and factor on the rate after so many updates, by name."""
    decay = config.decay
    return {
        "constant": ("constant", lambda t: 1.0),
        "exponential": (f"exponential, exp(-{decay:g}t)", lambda t: math.exp(-decay * t)),
        "polynomial": (f"polynomial, 1/√(1 + {decay:g}t)", lambda t: 1 / math.sqrt(1 + decay * t)),
    }


def rates(config: Config, name: str, updates: int) -> np.ndarray:
    """η of each update, `(updates,)`."""
    _, factor = schedules(config)[name]
    return config.lr * np.array([factor(t) for t in range(updates)])


def contenders(config: Config) -> dict[str, descent.Contender]:
    """All runs of a schedule as one point `(2 · runs,)`, its value their mean.

    A run's gradient is then divided by the number of runs, for which rate and noise make up.
    """

    def mean(flat: Tensor) -> Tensor:
        return bowl(flat.unflatten(-1, (config.runs, 2))).mean(dim=-1)

    return {
        name: descent.Contender(
            title=title,
            function=mean,
            start=config.start * config.runs,
            rule=partial(optim.create, "sgd", lr=config.lr * config.runs, rung=config.rung),
            schedule=schedule,
            noise=config.noise / config.runs,
        )
        for name, (title, schedule) in schedules(config).items()
    }


# --- measured and in theory -----------------------------------------------------------------------------------------


def by_run(way: np.ndarray) -> np.ndarray:
    """A path `(updates + 1, 2 · runs)` as `(updates + 1, runs, 2)`."""
    return way.reshape(len(way), -1, 2)


def gaps(way: np.ndarray) -> np.ndarray:
    """Mean over the runs of f at each point of a path, `(updates + 1,)`; the least f is 0."""
    return descent.values(bowl, by_run(way)).mean(axis=1)


def average_gaps(way: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Mean over the runs of f at x̄, the average of x₁ … x_T weighted by η₁ … η_T, for each T: `(updates,)`.

    Args:
        way: `(updates + 1, 2 · runs)`.
        eta: `(updates,)`, the rate of the update from each point.
    """
    weighted = np.cumsum(eta[:, None, None] * by_run(way)[:-1], axis=0)
    return descent.values(bowl, weighted / np.cumsum(eta)[:, None, None]).mean(axis=1)


def expected_gaps(config: Config, eta: np.ndarray) -> np.ndarray:
    """E f after each update, exactly, `(updates + 1,)`.

    Along each axis, x ← (1 - ηh) x - ηξ with curvature h: the mean is multiplied by 1 - ηh, the variance by its
    square, and the variance gains η²σ².
    """
    mean, variance = np.array(config.start), np.zeros(2)
    found = [CURVATURES @ mean**2 / 2]
    for rate in eta:
        shrink = 1 - rate * CURVATURES
        mean, variance = shrink * mean, shrink**2 * variance + (rate * config.noise) ** 2
        found.append(CURVATURES @ (mean**2 + variance) / 2)
    return np.array(found)


def gradient_bound(config: Config) -> float:
    """L², more than which E |gradient|² is at no update: |∇f|² at the start and 4σ².

    For rates up to 1/4 the mean's part of |∇f|² only falls, the variance's stays below σ² along each of two axes, and
    the noise itself adds σ² for each.
    """
    slope = CURVATURES * np.array(config.start)
    return float(slope @ slope + 4 * config.noise**2)


def bounds(config: Config, eta: np.ndarray) -> np.ndarray:
    """(r² + L² Ση²) / (2 Ση), below which E f(x̄) stays, `(updates,)`; r is the distance of the start from 0.

    Source: Nesterov and Vial 2000, "Confidence level solutions for stochastic programming"; d2l-zh 11.4.3.
    """
    r = np.array(config.start)
    return (r @ r + gradient_bound(config) * np.cumsum(eta**2)) / (2 * np.cumsum(eta))


def inspector(config: Config) -> Callable[[descent.Paths], dict[str, float]]:
    """For each schedule: f at the last point, measured and exact, and at the average point with its bound."""

    def inspect(paths: descent.Paths) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, way in paths.items():
            eta = rates(config, name, len(way) - 1)
            found |= {
                f"{name}_gap": float(gaps(way[-1:])[0]),
                f"{name}_gap_theory": float(expected_gaps(config, eta)[-1]),
                f"{name}_average_gap": float(average_gaps(way, eta)[-1]),
                f"{name}_average_gap_bound": float(bounds(config, eta)[-1]),
            }
        return found

    return inspect


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let the runs of all three schedules descend.

    `NAME_gap` is f at the last point, mean over the runs; `NAME_average_gap` f at the average point.
    """
    return descent.run_descent(
        "sgd-decay",
        config,
        contenders(config),
        REFERENCE,
        formula=f"x₁² + 2x₂² with normal noise of {config.noise:g} on the gradient",
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspector(config),
    )


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's paths again."""
    config = Config(**folder.config)
    return descent.measure_descent(folder, config, inspector(config), PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """E f by theory when the runs start at the point in `source` (as in `0.5,2`), after as many updates as the run.

    `label` is that of polynomial decay, `extra` has those of all three schedules.
    """
    config = Config(**folder.config)
    start = tuple(numbers(source, 2))
    updates = config.epochs * config.updates_an_epoch
    moved = Config(**{**folder.config, "start": start})
    found = {name: float(expected_gaps(moved, rates(config, name, updates))[-1]) for name in schedules(config)}
    return Prediction(input=str(source)[:200], label=found[REFERENCE], extra=found)


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """One run of each schedule on the contour lines; f at the last and at the average point, with theory and bound."""
    config, ways = Config(**folder.config), descent.paths(folder)
    return [
        draw_paths(folder.path / "paths.png", config, ways),
        draw_gaps(folder.path / "gaps.png", config, ways),
    ]


def draw_paths(path: Path, config: Config, ways: descent.Paths) -> Path:
    """The first run of each schedule."""
    charts = [
        Terrain(
            function=descent.heights(bowl),
            paths={title: by_run(ways[name])[:, 0]},
            xrange=(-5.6, 1.4),
            yrange=(-2.6, 1.4),
            title=name,
            xlabel="x₁",
            ylabel="x₂",
            marks={"": (0.0, 0.0)},
        )
        for name, (title, _) in schedules(config).items()
    ]
    return terrains(path, charts, key=f"one run of {config.runs}, {len(ways[REFERENCE]) - 1} updates")


def draw_gaps(path: Path, config: Config, ways: descent.Paths) -> Path:
    """Last and average point by update."""
    dots: dict[str, dict[str, Any]] = {"last": {}, "average": {}}
    lines: dict[str, dict[str, Any]] = {"last": {}, "average": {}}
    for name in schedules(config):
        eta = rates(config, name, len(ways[name]) - 1)
        t = np.arange(1, len(eta) + 1)
        shown = np.unique(np.geomspace(1, len(eta), 24).round().astype(int)) - 1
        dots["last"][name] = t[shown], gaps(ways[name][1:])[shown]
        lines["last"][name] = t, expected_gaps(config, eta)[1:]
        dots["average"][name] = t[shown], average_gaps(ways[name], eta)[shown]
        lines["average"][name] = t, bounds(config, eta)
    titles = {"last": "At the last point", "average": "At the average point, with its bound"}
    charts = [
        Panel(
            series=dots[where],
            theory=lines[where],
            title=title,
            xlabel="updates",
            ylabel="f - f*" if where == "last" else "",
            logx=True,
            logy=True,
        )
        for where, title in titles.items()
    ]
    key = f"dots: mean of {config.runs} runs; lines: exact expectation (left), (r² + L²Ση²) / 2Ση (right)"
    return panels(path, charts, key=key)
