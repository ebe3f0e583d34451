"""Risk against empirical risk: two minima that are not the same, and how they draw together as examples are added."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fathom import optim, seeding
from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.1"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "empirical_x",
        "value": None,
        "split": "x cos(πx) + 0.2 cos(5πx)",
        "source": "d2l-zh 11.1.1, figure",
        "note": "the book draws both functions and points at their minima",
    },
    {
        "metric": "excess_risk",
        "value": None,
        "split": "generated examples",
        "source": "d2l-zh 11.1.1",
        "note": "the book says that more examples help, and measures nothing",
    },
]
FORMULA = "x cos(πx), and the same + 0.2 cos(5πx)"
REFERENCE = "empirical"


def risk(x: Tensor) -> Tensor:
    """x cos(πx), over `(..., 1)`: the book's risk."""
    return x[..., 0] * torch.cos(math.pi * x[..., 0])


def empirical_risk(x: Tensor) -> Tensor:
    """The risk and 0.2 cos(5πx), over `(..., 1)`: what it looks like from a finite set of examples."""
    return risk(x) + 0.2 * torch.cos(5 * math.pi * x[..., 0])


FUNCTIONS = {"risk": risk, "empirical": empirical_risk}


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Gradient descent on the book's two functions, and least squares on 8 to 1,024 examples.

    Args:
        start: where descent begins on both.
        features: of the regression, whose true weights are all 1.
        noise: standard deviation of the noise on its targets.
        draws: sets of examples of each size, whose mean is measured.
    """

    epochs: int = 40
    lr: float = 0.01
    start: float = 0.9
    features: int = 5
    noise: float = 1.0
    draws: int = 200

    SIZES: ClassVar[tuple[int, ...]] = (8, 16, 32, 64, 128, 256, 512, 1024)

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        descent.finite_point("start", (self.start,))
        self._check("noise", above=0)
        self._check("features", at_least=1, at_most=self.SIZES[0] - 3)  # else the first mean of the theory is infinite
        self._check("draws", at_least=1)


def contenders(config: Config) -> dict[str, descent.Contender]:
    """Descent on the empirical risk and on the risk."""
    titles = {"risk": "risk", "empirical": "empirical risk"}
    return {
        name: descent.Contender(
            title=titles[name],
            function=FUNCTIONS[name],
            start=(config.start,),
            rule=partial(optim.create, "sgd", lr=config.lr, rung=config.rung),
        )
        for name in (REFERENCE, "risk")
    }


def inspect(paths: descent.Paths) -> dict[str, float]:
    """Where both descents are, and what the risk is at each of the two points."""
    numbers = {}
    for name, way in paths.items():
        numbers[f"{name}_x"] = float(way[-1, 0])
        numbers[f"{name}_x_risk"] = float(descent.values(risk, way[-1:])[0])
        numbers[f"{name}_x_empirical_risk"] = float(descent.values(empirical_risk, way[-1:])[0])
    return numbers


# --- a problem with examples ----------------------------------------------------------------------------------------


def least_squares(config: Config, examples: int) -> tuple[float, float]:
    """Risk and empirical risk of the weights that fit best, in squared error, means over the draws.

    Inputs are normal and independent, targets x·w + noise. The risk of any weights v is |v - w|² + σ².
    """
    random = seeding.generator(config.seed, 3, examples)
    x = torch.randn(config.draws, examples, config.features, generator=random, dtype=torch.float64)
    noise = config.noise * torch.randn(config.draws, examples, 1, generator=random, dtype=torch.float64)
    truth = torch.ones(config.features, 1, dtype=torch.float64)
    y = x @ truth + noise
    fitted = torch.linalg.lstsq(x, y).solution
    risks = (fitted - truth).square().sum(dim=(1, 2)) + config.noise**2
    return risks.mean().item(), (x @ fitted - y).square().mean().item()


def least_squares_theory(config: Config, examples: int) -> tuple[float, float]:
    """Both of `least_squares` in expectation: σ² (1 + d / (n - d - 1)) and σ² (1 - d/n), exact for normal inputs.

    Source: the mean of an inverse Wishart matrix; Hastie, Tibshirani and Friedman 2009, "The Elements of Statistical
    Learning", section 2.5 and exercise 2.9.
    """
    d, n, variance = config.features, examples, config.noise**2
    return variance * (1 + d / (n - d - 1)), variance * (1 - d / n)


Rule = Callable[[Config, int], tuple[float, float]]


def by_size(config: Config, rule: Rule, sizes: Sequence[int]) -> np.ndarray:
    """Risk and empirical risk at each size, `(2, sizes)`."""
    return np.array([rule(config, examples) for examples in sizes]).T


def fits(config: Config) -> dict[str, float]:
    """Excess risk over the noise, and how much of it the empirical risk hides, at the first and the last size."""
    numbers = {}
    for suffix, rule in (("", least_squares), ("_theory", least_squares_theory)):
        for examples in (config.SIZES[0], config.SIZES[-1]):
            measured, empirical = rule(config, examples)
            numbers[f"excess_risk_{examples}{suffix}"] = measured - config.noise**2
            numbers[f"optimism_{examples}{suffix}"] = measured - empirical
    numbers["excess_risk"] = numbers[f"excess_risk_{config.SIZES[-1]}"]
    return numbers


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend on both functions; `excess_risk_N` and `optimism_N` are of least squares on N examples."""
    return descent.run_descent(
        "risk",
        config,
        contenders(config),
        REFERENCE,
        formula=FORMULA,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspect,
        constant=fits(config),
    )


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """How low descent on the empirical risk gets from the x in `source`; `extra` has where both descents end."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Descent on both functions, and risk and empirical risk of least squares by the number of examples."""
    config, ways = Config(**folder.config), descent.paths(folder)
    return [
        draw_functions(folder.path / "functions.png", config, ways),
        draw_sizes(folder.path / "examples.png", config),
    ]


def draw_functions(path: Path, config: Config, ways: descent.Paths) -> Path:
    """The risk, the empirical risk, and the descents on them."""
    known = contenders(config)
    charts = [
        Terrain(
            function=descent.height(FUNCTIONS[name]),
            paths={f"descent on the {known[name].title}": ways[name]},
            xrange=(0.5, 1.5),
            title=f"{known[name].title}, to x = {ways[name][-1, 0]:.3f}",
            marks={"": (float(ways[name][-1, 0]), float(descent.values(FUNCTIONS[name], ways[name][-1:])[0]))},
        )
        for name in ("risk", "empirical")
    ]
    return terrains(path, charts)


def draw_sizes(path: Path, config: Config) -> Path:
    """Both risks of the weights that minimise the empirical one."""
    sizes, every = config.SIZES, range(config.SIZES[0], config.SIZES[-1] + 1)
    measured, theory = by_size(config, least_squares, sizes), by_size(config, least_squares_theory, every)
    names, variance = ("risk", "empirical risk"), config.noise**2
    both = Panel(
        series={name: (sizes, values) for name, values in zip(names, measured, strict=True)},
        theory={
            **{name: (every, values) for name, values in zip(names, theory, strict=True)},
            "noise": (every, np.full(len(every), variance)),
        },
        title=f"Least squares, {config.features} features",
        xlabel="examples",
        ylabel="squared error",
        logx=True,
    )
    excess = Panel(
        series={"risk": (sizes, measured[0] - variance)},
        theory={"risk": (every, theory[0] - variance)},
        title="Risk above the noise",
        xlabel="examples",
        logx=True,
        logy=True,
        names=False,
    )
    return panels(path, [both, excess], key=f"dots: mean of {config.draws} draws; lines: theory; grey: the noise alone")
