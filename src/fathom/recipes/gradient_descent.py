"""Gradient descent in one and two dimensions: rates too small, right, too large, and the critical rate of theory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import curvature, descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.3"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "parabola_x_after_10",
        "value": 0.060466,
        "split": "x², from 10",
        "source": "d2l-zh 11.3.1, printed",
        "note": "rate 0.2",
    },
    {
        "metric": "parabola_small_x_after_10",
        "value": 3.486784,
        "split": "x², from 10",
        "source": "d2l-zh 11.3.1.1, printed",
        "note": "rate 0.05",
    },
    {
        "metric": "parabola_large_x_after_10",
        "value": 61.917364,
        "split": "x², from 10",
        "source": "d2l-zh 11.3.1.1, printed",
        "note": "rate 1.1",
    },
    {
        "metric": "wave_x_after_10",
        "value": -1.528166,
        "split": "x cos(0.15πx), from 10",
        "source": "d2l-zh 11.3.1.2, printed",
        "note": "rate 2",
    },
    {
        "metric": "bowl_x1_after_20",
        "value": -0.057646,
        "split": "x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.3.2, printed",
        "note": "rate 0.1",
    },
    {
        "metric": "bowl_x2_after_20",
        "value": -0.000073,
        "split": "x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.3.2, printed",
        "note": "rate 0.1",
    },
]
FORMULA = "x₁² + 2x₂²; x²; x cos(0.15πx)"
REFERENCE = "bowl"
RATES = {"parabola_small": 0.05, "parabola": 0.2, "parabola_large": 1.1, "wave_small": 0.2, "wave": 2.0}
TOO_LARGE = 1.04  # times the critical rate: it diverges, slowly enough to be seen


def parabola(x: Tensor) -> Tensor:
    """x², over `(..., 1)`."""
    return x[..., 0].square()


def wave(x: Tensor) -> Tensor:
    """x cos(0.15πx), over `(..., 1)`: a minimum in each turn, the lower the farther out."""
    return x[..., 0] * (0.15 * math.pi * x[..., 0]).cos()


def bowl(x: Tensor) -> Tensor:
    """x₁² + 2x₂², over `(..., 2)`; its Hessian's eigenvalues are 2 and 4."""
    return x[..., 0].square() + 2 * x[..., 1].square()


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """The book's three functions; `lr` and `start` are of x₁² + 2x₂², the others keep the book's rates.

    Args:
        start: where descent on x₁² + 2x₂² begins.
    """

    start: tuple[float, float] = (-5.0, -2.0)
    lr: float = 0.1

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        descent.finite_point("start", self.start)


def contenders(config: Config) -> dict[str, descent.Contender]:
    """The bowl first: at a fifth of the rate, the rate, and just above the critical one."""

    def gradient_descent(title: str, function: descent.Function, start: tuple[float, ...], rate: float) -> Any:
        rule = descent.by_name("sgd", rate, config.rung)
        return descent.Contender(title=title, function=function, start=start, rule=rule)

    large = TOO_LARGE * curvature.critical_rate(bowl, (0, 0))
    bowls = {"bowl": config.lr, "bowl_small": config.lr / 5, "bowl_large": large}
    return {
        **{name: gradient_descent(f"rate {rate:.3g}", bowl, config.start, rate) for name, rate in bowls.items()},
        **{
            name: gradient_descent(f"rate {rate:.3g}", wave if "wave" in name else parabola, (10.0,), rate)
            for name, rate in RATES.items()
        },
    }


def inspect(paths: descent.Paths) -> dict[str, float]:
    """The figures that the book prints, and the bowl's last point."""
    numbers = {f"{name}_x_after_10": float(descent.at(paths[name], 10)[0]) for name in RATES}
    for number in (0, 1):
        numbers[f"bowl_x{number + 1}_after_20"] = float(descent.at(paths["bowl"], 20)[number])
    return numbers


def wave_minimum(start: float = -1.5) -> float:
    """A minimum of the wave, by Newton's method from nearby."""
    x = start
    for _ in range(20):
        gradient = curvature.gradients(wave, descent.point(x))
        x -= float(gradient) / float(curvature.eigenvalues(wave, (x,))[0])
    return x


@cache
def critical_rates() -> dict[str, float]:
    """2 / L beside the rate at which descent was seen to stop settling, for each function's minimum."""
    numbers = {}
    minima = {"parabola": (parabola, (0.0,)), "wave": (wave, (wave_minimum(),)), "bowl": (bowl, (0.0, 0.0))}
    for name, (function, minimum) in minima.items():
        theory = curvature.critical_rate(function, minimum)
        numbers[f"{name}_critical_rate_theory"] = theory
        numbers[f"{name}_critical_rate"] = curvature.measured_critical_rate(function, minimum, high=4 * theory)
    return numbers


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend on all functions at all rates; `..._critical_rate` is measured, `..._critical_rate_theory` is 2 / L."""
    return descent.run_descent(
        "gradient-descent",
        config,
        contenders(config),
        REFERENCE,
        formula=FORMULA,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspect,
        constant=critical_rates(),
    )


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Where descent on x₁² + 2x₂² goes from the point in `source` (as in `0.5,2`)."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Paths in one dimension and in two, and what an update multiplies the distance by, against the rate."""
    ways, known = descent.paths(folder), contenders(Config(**folder.config))
    return [
        draw_lines(folder.path / "one-dimension.png", ways, known),
        draw_bowl(folder.path / "two-dimensions.png", ways, known),
        draw_rates(folder.path / "critical-rate.png"),
    ]


def draw_lines(path: Path, ways: descent.Paths, known: dict[str, descent.Contender]) -> Path:
    """x² at three rates, and the wave at two, which end in different minima."""
    charts = []
    titles = {"parabola_small": "too small", "parabola": "right", "parabola_large": "too large: it diverges"}
    for name, title in titles.items():
        way = ways[name][:11]
        reach = 1.1 * float(np.abs(way).max())
        charts.append(
            Terrain(
                function=lambda x: x**2, paths={f"x², {known[name].title}": way}, xrange=(-reach, reach), title=title
            )
        )
    waves = {f"x cos(0.15πx), {known[name].title}": ways[name][:11] for name in ("wave_small", "wave")}
    function = descent.height(wave)
    charts.append(Terrain(function=function, paths=waves, xrange=(-11, 11), title="several minima"))
    return terrains(path, charts, columns=2, key="ten updates from x = 10")


def draw_bowl(path: Path, ways: descent.Paths, known: dict[str, descent.Contender]) -> Path:
    """x₁² + 2x₂² at three rates."""
    charts = []
    for name, title in (("bowl_small", "too small"), ("bowl", "right"), ("bowl_large", "4 % above the critical rate")):
        reach = 1.15 * np.abs(ways[name]).max(axis=0)
        charts.append(
            Terrain(
                function=descent.heights(bowl),
                paths={known[name].title: ways[name]},
                xrange=(-max(5.5, reach[0]), max(5.5, reach[0])),
                yrange=(-max(3.0, reach[1]), max(3.0, reach[1])),
                title=title,
                xlabel="x₁",
                ylabel="x₂",
                marks={"": (0.0, 0.0)},
            )
        )
    return terrains(path, charts, key=f"{len(ways['bowl']) - 1} updates on x₁² + 2x₂²")


def draw_rates(path: Path) -> Path:
    """Measured contraction by an update over max |1 - rate · λ|, with 2 / L and the fastest rate marked."""
    charts: list[Panel] = []
    for title, function, minimum in (
        ("x² at 0", parabola, (0.0,)),
        (f"x cos(0.15πx) at {wave_minimum():.2f}", wave, (wave_minimum(),)),
        ("x₁² + 2x₂² at (0, 0)", bowl, (0.0, 0.0)),
    ):
        curvatures = curvature.eigenvalues(function, minimum)
        critical = 2 / curvatures[-1]
        rates, fine = np.linspace(0.04, 1.2, 24) * critical, np.linspace(0, 1.2, 300) * critical
        theory = np.abs(1 - fine[:, None] * curvatures).max(axis=1)
        charts.append(
            Panel(
                series={"an update": (rates, curvature.contraction(function, minimum, rates))},
                theory={"an update": (fine, theory), "1": (fine, np.ones_like(fine))},
                title=title,
                xlabel="learning rate",
                ylabel="factor on the distance" if not charts else "",
                ylim=(0.0, 1.5),
                names=False,
                verticals={f"2/L = {critical:.3g}": critical},
            )
        )
    return panels(path, charts, key="dots: measured near the minimum; line: max |1 - rate · λ|, λ the curvatures")
