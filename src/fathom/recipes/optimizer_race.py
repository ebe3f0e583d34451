"""All update rules on the same four surfaces: a bowl, a saddle, Rosenbrock's valley, Himmelblau's four minima."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fathom import optim
from fathom.plot.descents import Terrain, animate, spread_frames, terrains
from fathom.recipes.common import descent
from fathom.recipes.common.stability import known_names
from fathom.recipes.momentum import bowl
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.4 to 11.10"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "bowl_momentum_updates",
        "value": None,
        "split": "four functions of two variables",
        "source": "d2l-zh 11.4 to 11.10",
        "note": "the book runs each rule by itself, on its quadratic and on a regression, and compares no two",
    },
]
REFERENCE = "bowl_momentum"


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A function of two variables to walk over.

    Args:
        title: in pictures.
        function: over `(..., 2)`.
        least: its least value.
        minima: where that is.
        start: where all begin.
        xrange, yrange: what pictures show.
        rates: each rule's learning rate, the best of `GRID` for this surface (see `best_rate`).
    """

    title: str
    function: descent.Function
    least: float
    minima: tuple[tuple[float, float], ...]
    start: tuple[float, float]
    xrange: tuple[float, float]
    yrange: tuple[float, float]
    rates: Mapping[str, float]


def saddle(x: Tensor) -> Tensor:
    """x² - y² + y⁴ / 4, over `(..., 2)`: a saddle at 0 between two minima."""
    return x[..., 0].square() - x[..., 1].square() + x[..., 1] ** 4 / 4


def rosenbrock(x: Tensor) -> Tensor:
    """(1 - x)² + 100 (y - x²)², over `(..., 2)`: a bent valley with a flat floor.

    Source: Rosenbrock 1960, "An automatic method for finding the greatest or least value of a function".
    """
    return (1 - x[..., 0]).square() + 100 * (x[..., 1] - x[..., 0].square()).square()


def himmelblau(x: Tensor) -> Tensor:
    """(x² + y - 11)² + (x + y² - 7)², over `(..., 2)`: four minima of value 0.

    Source: Himmelblau 1972, "Applied Nonlinear Programming".
    """
    return (x[..., 0].square() + x[..., 1] - 11).square() + (x[..., 0] + x[..., 1].square() - 7).square()


RULES = {
    "sgd": "SGD",
    "momentum": "momentum 0.9",
    "nesterov": "Nesterov 0.9",
    "adagrad": "AdaGrad",
    "rmsprop": "RMSProp",
    "adadelta": "Adadelta",
    "adam": "Adam",
    "amsgrad": "AMSGrad",
    "yogi": "Yogi",
}
"""Those that treat each coordinate by itself; LARS and LAMB need layers, AdamW without decay is Adam."""

GRID = tuple(float(f"{digit}e{power}") for power in range(-4, 1) for digit in (1, 2, 5))
CLOSE = 1e-3  # above the least value: there a contender has arrived

SURFACES = {
    "bowl": Surface(
        title="0.1x² + 2y²",
        function=bowl,
        least=0.0,
        minima=((0.0, 0.0),),
        start=(-5.0, -2.0),
        xrange=(-6.0, 2.5),
        yrange=(-3.0, 3.0),
        rates={
            "sgd": 0.2,
            "momentum": 0.05,
            "nesterov": 0.2,
            "adagrad": 5.0,
            "rmsprop": 0.1,
            "adadelta": 5.0,
            "adam": 0.1,
            "amsgrad": 0.1,
            "yogi": 0.2,
        },
    ),
    "saddle": Surface(
        title="x² - y² + y⁴/4",
        function=saddle,
        least=-1.0,
        minima=((0.0, 2**0.5), (0.0, -(2**0.5))),
        start=(1.5, 0.001),
        xrange=(-1.8, 1.8),
        yrange=(-1.2, 2.4),
        rates={
            "sgd": 0.2,
            "momentum": 0.2,
            "nesterov": 0.2,
            "adagrad": 1.0,
            "rmsprop": 0.02,
            "adadelta": 2.0,
            "adam": 0.2,
            "amsgrad": 0.2,
            "yogi": 0.1,
        },
    ),
    "rosenbrock": Surface(
        title="Rosenbrock",
        function=rosenbrock,
        least=0.0,
        minima=((1.0, 1.0),),
        start=(-1.2, 1.0),
        xrange=(-2.0, 2.0),
        yrange=(-0.8, 2.4),
        rates={
            "sgd": 0.002,
            "momentum": 0.002,
            "nesterov": 0.001,
            "adagrad": 2.0,
            "rmsprop": 0.02,
            "adadelta": 1.0,
            "adam": 1.0,
            "amsgrad": 1.0,
            "yogi": 0.2,
        },
    ),
    "himmelblau": Surface(
        title="Himmelblau",
        function=himmelblau,
        least=0.0,
        minima=((3.0, 2.0), (-2.805118, 3.131312), (-3.77931, -3.283186), (3.584428, -1.848126)),
        start=(-0.5, -1.0),
        xrange=(-5.5, 5.5),
        yrange=(-5.5, 5.5),
        rates={
            "sgd": 0.01,
            "momentum": 0.002,
            "nesterov": 0.005,
            "adagrad": 1.0,
            "rmsprop": 1.0,
            "adadelta": 1.0,
            "adam": 2.0,
            "amsgrad": 2.0,
            "yogi": 0.02,
        },
    ),
}


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Nine rules on four surfaces, each at the learning rate that is best for it there; 500 updates.

    Args:
        epochs: of 10 updates each.
        surfaces: on which.
        rules: which.
        lr: by which every rule's rate is multiplied.
    """

    surfaces: tuple[str, ...] = tuple(SURFACES)
    rules: tuple[str, ...] = tuple(RULES)
    epochs: int = 50
    lr: float = 1.0

    UPDATES: ClassVar[int] = 10

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        known_names("surfaces", self.surfaces, SURFACES)
        known_names("rules", self.rules, RULES)


def contenders(config: Config) -> dict[str, descent.Contender]:
    """Each rule on each surface, by `SURFACE_RULE`."""
    return {
        f"{surface}_{rule}": contender(surface, rule, config.lr * SURFACES[surface].rates[rule], config.rung)
        for surface, rule in itertools.product(config.surfaces, config.rules)
    }


def contender(surface: str, rule: str, rate: float, rung: str = "torch") -> descent.Contender:
    """One rule on one surface."""
    where = SURFACES[surface]
    return descent.Contender(
        title=RULES[rule], function=where.function, start=where.start, rule=descent.by_name(rule, rate, rung)
    )


def updates_to_arrive(surface: Surface, way: np.ndarray) -> int:
    """Updates after which the value has come within `CLOSE` of the least for good; how many there are if it hasn't."""
    away = np.flatnonzero(~(descent.values(surface.function, way) < surface.least + CLOSE))
    return int(away[-1]) + 1 if len(away) else 0


def best_rate(surface: str, rule: str, updates: int = 500) -> float:
    """The rate of `GRID` that brings the rule there in the fewest updates; if none does, the one that ends lowest.

    One optimiser moves a point for each rate, in a group of its own.
    """
    where = SURFACES[surface]
    points: list[Tensor] = [nn.Parameter(descent.point(*where.start)) for _ in GRID]
    groups = [{"params": [each], "lr": rate} for each, rate in zip(points, GRID, strict=True)]
    optimizer = optim.create(rule, groups, lr=GRID[0])
    ways = [torch.stack(points).detach()]
    for _ in range(updates):
        optimizer.zero_grad()
        where.function(torch.stack(points)).sum().backward()
        optimizer.step()
        ways.append(torch.stack(points).detach())
    found = []
    for way, rate in zip(torch.stack(ways, dim=1).numpy(), GRID, strict=True):
        end = float(np.nan_to_num(descent.values(where.function, way[-1:])[0], nan=np.inf))
        found.append((updates_to_arrive(where, way), end, rate))
    return min(found)[2]


def inspect(config: Config, paths: descent.Paths) -> dict[str, float]:
    """Updates to arrive, and the value above the least where each is now."""
    numbers = {}
    for surface, rule in itertools.product(config.surfaces, config.rules):
        where, way = SURFACES[surface], paths[f"{surface}_{rule}"]
        numbers[f"{surface}_{rule}_updates"] = float(updates_to_arrive(where, way))
        numbers[f"{surface}_{rule}_above"] = float(descent.values(where.function, way[-1:])[0]) - where.least
    return numbers


def reference(config: Config) -> str:
    """The contender that goes by plain `loss`: momentum on the bowl, or the first there is."""
    names = contenders(config)
    return REFERENCE if REFERENCE in names else next(iter(names))


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let all rules go; `SURFACE_RULE_updates` is when one has come within 0.001 of the least value for good."""
    return descent.run_descent(
        "optimizer-race",
        config,
        contenders(config),
        reference(config),
        formula="; ".join(SURFACES[name].title for name in config.surfaces),
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=partial(inspect, config),
    )


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's paths again."""
    config = Config(**folder.config)
    return descent.measure_descent(folder, config, partial(inspect, config), PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Where every rule goes from the point in `source` (as in `0.5,2`), on every surface."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


def draw(folder: RunFolder) -> list[Path]:
    """The paths over each surface as a picture, and in motion as a GIF beside it."""
    config, ways = Config(**folder.config), descent.paths(folder)
    charts = [chart(config, name, ways) for name in config.surfaces]
    columns = min(2, len(charts))
    updates = len(next(iter(ways.values()))) - 1
    animate(folder.path / "race.gif", charts, spread_frames(updates, 45), columns=columns)
    key = f"{updates} updates, each rule at its own best rate"
    return [terrains(folder.path / "race.png", charts, columns=columns, key=key)]


def chart(config: Config, name: str, ways: descent.Paths) -> Terrain:
    """One surface with everybody's path on it."""
    where = SURFACES[name]
    return Terrain(
        function=descent.heights(where.function),
        paths={RULES[rule]: ways[f"{name}_{rule}"] for rule in config.rules},
        xrange=where.xrange,
        yrange=where.yrange,
        title=where.title,
        ylabel="y",
        logarithmic=True,
        marks={" " * number: place for number, place in enumerate(where.minima)},
    )
