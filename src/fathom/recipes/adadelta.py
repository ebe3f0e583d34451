"""Adadelta has no learning rate to tune: multiply the function by anything and its path stays the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fathom.errors import InputError
from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.recipes.momentum import FORMULA, bowl
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.9"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "adadelta_gap",
        "value": None,
        "split": "0.1x₁² + 2x₂²",
        "source": "d2l-zh 11.9; Zeiler 2012, arXiv 1212.5701, section 3.2",
        "note": "both argue from the units of the update; the book's figure is of a regression",
    },
]
REFERENCE = "adadelta_1"
RULES = {"adadelta": "Adadelta", "sgd": "SGD"}
SGD_RATE = 0.04


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Adadelta and SGD on c (0.1x₁² + 2x₂²) from (-5, -2), for three c; 400 updates.

    Args:
        epochs: of 10 updates each.
        scales: the c; 1 must be among them.
        rho: the share of the running means that is kept in an update.
        eps: added under Adadelta's roots; the first steps are √(eps / (1 - rho)) long, in the units of x.
        start: where all begin.
        lr: by which Adadelta's steps are multiplied; 1 is the paper's, which has none.
    """

    scales: tuple[float, ...] = (0.1, 1.0, 10.0)
    rho: float = 0.9
    eps: float = 1e-5
    start: tuple[float, float] = (-5.0, -2.0)
    epochs: int = 40
    lr: float = 1.0

    UPDATES: ClassVar[int] = 10

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if 1.0 not in self.scales or len(set(self.scales)) < max(2, len(self.scales)) or min(self.scales) <= 0:
            raise InputError(f"--scales: expected different numbers above 0, 1 among them, got {self.scales}")
        if not 0 <= self.rho < 1:
            raise InputError(f"--rho: expected a number from 0 to below 1, got {self.rho}")
        self._check("eps", above=0)
        descent.finite_point("start", self.start)


def scaled(x: Tensor, scale: float) -> Tensor:
    """c (0.1x₁² + 2x₂²), over `(..., 2)`."""
    return scale * bowl(x)


def contenders(config: Config) -> dict[str, descent.Contender]:
    """Each rule for each scale, Adadelta on the unscaled function first."""
    rules = {
        "adadelta": descent.by_name("adadelta", config.lr, config.rung, rho=config.rho, eps=config.eps),
        "sgd": descent.by_name("sgd", SGD_RATE, config.rung),
    }
    scales = sorted(config.scales, key=lambda scale: scale != 1)
    return {
        label(rule, scale): descent.Contender(
            title=f"{RULES[rule]}, {scale:g} f",
            function=partial(scaled, scale=scale),
            start=config.start,
            rule=make,
        )
        for rule, make in rules.items()
        for scale in scales
    }


def label(rule: str, scale: float) -> str:
    """A contender's name; names may not have a dot."""
    return f"{rule}_{scale:g}".replace(".", "p")


def gap(paths: descent.Paths, config: Config, rule: str) -> float:
    """The greatest distance at any update between a path on a scaled function and that on the unscaled one."""
    plain = paths[label(rule, 1.0)]
    distances = [np.hypot(*(paths[label(rule, scale)] - plain).T).max() for scale in config.scales]
    return float(max(distances))


def inspect(config: Config, paths: descent.Paths) -> dict[str, float]:
    """How far scaling the function drove each rule's paths apart; how far from the minimum it is on the plain one."""
    return {
        **{f"{rule}_gap": gap(paths, config, rule) for rule in RULES},
        **{f"{rule}_distance": float(np.linalg.norm(paths[label(rule, 1.0)][-1])) for rule in RULES},
    }


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend on the function times each scale; `..._gap` is how far apart a rule's paths come to be."""
    return descent.run_descent(
        "adadelta",
        config,
        contenders(config),
        REFERENCE,
        formula=FORMULA,
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
    """Where all go from the point in `source` (as in `0.5,2`); the label is Adadelta's on the unscaled function."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The paths of both rules, and the length of their steps."""
    config, ways = Config(**folder.config), descent.paths(folder)
    who = contenders(config)
    return [
        draw_paths(folder.path / "paths.png", config, ways, who),
        draw_steps(folder.path / "steps.png", config, ways, who),
    ]


def draw_paths(path: Path, config: Config, ways: descent.Paths, who: dict[str, descent.Contender]) -> Path:
    """One chart a rule: Adadelta's paths lie on one another."""
    charts = [
        Terrain(
            function=descent.heights(bowl),
            paths={who[label(rule, scale)].title: ways[label(rule, scale)] for scale in sorted(config.scales)},
            xrange=(-5.6, 1.2),
            yrange=(-2.6, 2.6),
            title=f"{title}: gap {gap(ways, config, rule):.2g}",
            xlabel="x₁",
            ylabel="x₂",
            marks={"": (0.0, 0.0)},
        )
        for rule, title in RULES.items()
    ]
    return terrains(path, charts, key=f"{len(ways[REFERENCE]) - 1} updates on c · f; gap: greatest distance from c = 1")


def draw_steps(path: Path, config: Config, ways: descent.Paths, who: dict[str, descent.Contender]) -> Path:
    """Adadelta's step along x₁ by update, in the units of x, and the distance that is left."""
    steps, left = {}, {}
    for name, way in ways.items():
        if name.startswith("adadelta"):
            moved = np.abs(np.diff(way[:, 0]))
            steps[who[name].title] = np.arange(1, len(way)), moved
        left[who[name].title] = np.linalg.norm(way, axis=1)
    charts = [
        Panel(series=left, title="Distance from the minimum", xlabel="update", logy=True, ylim=(0.05, 20.0)),
        Panel(series=steps, title="Adadelta's step along x₁", xlabel="update", names=False),
    ]
    return panels(path, charts)
