"""Momentum on an ill-conditioned quadratic: the rate that theory foretells, and how many gradients it remembers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import optim
from fathom.errors import InputError
from fathom.plot.charts import heatmap
from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.6"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "plain_x1_after_20",
        "value": -0.943467,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.2, printed",
        "note": "no momentum, rate 0.4",
    },
    {
        "metric": "plain_x2_after_20",
        "value": -7.3e-05,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.2, printed",
        "note": "no momentum, rate 0.4",
    },
    {
        "metric": "plain_fast_x1_after_20",
        "value": -0.387814,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.2, printed",
        "note": "no momentum, rate 0.6: it diverges",
    },
    {
        "metric": "plain_fast_x2_after_20",
        "value": -1673.365109,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.2, printed",
        "note": "no momentum, rate 0.6: it diverges",
    },
    {
        "metric": "momentum_x1_after_20",
        "value": 0.007188,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.3, printed",
        "note": "momentum 0.5, rate 0.6",
    },
    {
        "metric": "momentum_x2_after_20",
        "value": 0.002553,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.3, printed",
        "note": "momentum 0.5, rate 0.6",
    },
    {
        "metric": "momentum_half_x1_after_20",
        "value": -0.12634,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.3, printed",
        "note": "momentum 0.25, rate 0.6",
    },
    {
        "metric": "momentum_half_x2_after_20",
        "value": -0.186632,
        "split": "0.1x₁² + 2x₂², from (-5, -2)",
        "source": "d2l-zh 11.6.1.3, printed",
        "note": "momentum 0.25, rate 0.6",
    },
    {
        "metric": "gradients_remembered_0.9",
        "value": 10.0,
        "split": "momentum 0.9",
        "source": "d2l-zh 11.6.2.1: 1 / (1 - β)",
        "note": "a formula of the source's; theirs is a picture of the weights",
    },
]
FORMULA = "0.1x₁² + 2x₂²"
REFERENCE = "momentum"
CURVATURES = (0.2, 4.0)  # the Hessian's eigenvalues
PLAIN_RATE = 0.4  # the book's, just below the critical 0.5
REMEMBERED = (0.95, 0.9, 0.6, 0.0)  # d2l-zh 11.6.2.1
RATES = tuple(round(0.1 * number, 1) for number in range(1, 10))
MOMENTA = tuple(round(0.1 * number, 1) for number in range(10))


def bowl(x: Tensor) -> Tensor:
    """0.1x₁² + 2x₂², over `(..., 2)`."""
    return 0.1 * x[..., 0].square() + 2 * x[..., 1].square()


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """The book's quadratic from (-5, -2): 20 updates with momentum, with half of it, and without.

    Args:
        momentum: β, from 0 to below 1.
        start: where all begin.
    """

    momentum: float = 0.5
    start: tuple[float, float] = (-5.0, -2.0)
    lr: float = 0.6

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not 0 <= self.momentum < 1:
            raise InputError(f"--momentum: expected a number from 0 to below 1, got {self.momentum}")
        descent.finite_point("start", self.start)


def settings(config: Config) -> dict[str, tuple[float, float]]:
    """Rate and momentum of each contender."""
    return {
        "momentum": (config.lr, config.momentum),
        "momentum_half": (config.lr, config.momentum / 2),
        "plain": (PLAIN_RATE, 0.0),
        "plain_fast": (config.lr, 0.0),
    }


def contenders(config: Config) -> dict[str, descent.Contender]:
    """SGD at the given settings."""
    return {
        name: descent.Contender(
            title=f"rate {rate:g}, momentum {beta:g}",
            function=bowl,
            start=config.start,
            rule=descent.by_name("sgd", rate, config.rung, momentum=beta),
        )
        for name, (rate, beta) in settings(config).items()
    }


# --- what theory says, and what is measured ---------------------------------------------------------------------------


def rate_in_theory(rate: float, momentum: float, curvatures: Sequence[float] = CURVATURES) -> float:
    """By what an update multiplies the error in the long run: the spectral radius of the update's matrix.

    Along an eigenvector with curvature λ the velocity and the error go from (v, x) to (βv + λx, x - η(βv + λx)).

    Source: d2l-zh 11.6.3; Goh 2017, "Why Momentum Really Works", Distill.
    """
    radii = []
    for curvature in curvatures:
        matrix = np.array([[momentum, curvature], [-rate * momentum, 1 - rate * curvature]])
        radii.append(np.abs(np.linalg.eigvals(matrix)).max())
    return float(max(radii))


def best_settings(curvatures: Sequence[float] = CURVATURES) -> tuple[float, float]:
    """The rate and the momentum at which the error shrinks fastest: by √β = (√κ - 1) / (√κ + 1).

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods".
    """
    low, high = np.sqrt(min(curvatures)), np.sqrt(max(curvatures))
    return float(4 / (low + high) ** 2), float(((high - low) / (high + low)) ** 2)


@cache
def measured_rates(rates: tuple[float, ...], momentum: float, updates: int = 200) -> np.ndarray:
    """By what an update multiplies the error, for each rate `(rates,)`: the slope of its logarithm at the end.

    One optimiser at rate 1 moves a point for each rate, whose function is multiplied by that rate: the same updates.
    """
    points = nn.Parameter(torch.tensor([[-5.0, -2.0]], dtype=torch.float64).repeat(len(rates), 1))
    optimizer = optim.create("sgd", [points], lr=1.0, momentum=momentum)
    errors = []
    for _ in range(updates):
        optimizer.zero_grad()
        (torch.tensor(rates, dtype=torch.float64) * bowl(points)).sum().backward()
        optimizer.step()
        errors.append(points.detach().norm(dim=1).clamp_min(1e-300).log())
    half = torch.stack(errors[updates // 2 :]).numpy()
    return np.asarray(np.exp(np.polyfit(np.arange(len(half)), half, 1)[0]))


@cache
def weights_of_gradients(momentum: float, updates: int = 400) -> np.ndarray:
    """How far each update moves because of one gradient of 1 in the first, `(updates,)`: β to the power of its age."""
    point = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = optim.create("sgd", [point], lr=1.0, momentum=momentum)
    positions = [0.0]
    for update in range(updates):
        point.grad = torch.full_like(point, float(update == 0))
        optimizer.step()
        positions.append(-point.item())
    return np.diff(positions)


def known(config: Config) -> dict[str, float]:
    """Rates of convergence, and gradients remembered, measured and in theory."""
    numbers = {}
    for name, (rate, beta) in settings(config).items():
        numbers[f"{name}_rate"] = float(measured_rates((rate,), beta)[0])
        numbers[f"{name}_rate_theory"] = rate_in_theory(rate, beta)
    for beta in REMEMBERED:
        numbers[f"gradients_remembered_{beta:g}"] = float(weights_of_gradients(beta).sum())
    return numbers


# --- the recipe -------------------------------------------------------------------------------------------------------


def inspect(paths: descent.Paths) -> dict[str, float]:
    """Where each is after 20 updates, or at the end if that comes before."""
    return {
        f"{name}_x{number + 1}_after_20": float(descent.at(way, 20)[number])
        for name, way in paths.items()
        for number in (0, 1)
    }


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend with and without momentum; `..._rate` is by what an update multiplies the error in the long run."""
    return descent.run_descent(
        "momentum",
        config,
        contenders(config),
        REFERENCE,
        formula=FORMULA,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspect,
        constant=known(config),
    )


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Where the contenders go from the point in `source` (as in `0.5,2`); the label is the one's with momentum."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures ---------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The paths, the rates of convergence by setting, and the weights of old gradients."""
    config = Config(**folder.config)
    return [
        draw_paths(folder.path / "paths.png", descent.paths(folder), contenders(config)),
        draw_grid(folder.path / "rates.png"),
        draw_slices(folder.path / "rates-and-theory.png"),
        draw_weights(folder.path / "weights.png"),
    ]


def draw_paths(path: Path, ways: descent.Paths, who: dict[str, descent.Contender]) -> Path:
    """Each contender on the quadratic."""
    charts = [
        Terrain(
            function=descent.heights(bowl),
            paths={"": ways[name]},
            xrange=(-5.5, 1.5),
            yrange=(-3.2, 3.2),
            title=who[name].title,
            xlabel="x₁",
            ylabel="x₂",
            marks={"": (0.0, 0.0)},
        )
        for name in ("plain", "plain_fast", "momentum_half", "momentum")
    ]
    return terrains(path, charts, columns=2)


def draw_grid(path: Path) -> Path:
    """Measured factors on the error, momentum by rate; what grows stays blank."""
    grid = np.array([measured_rates(RATES, beta) for beta in MOMENTA])
    grid[grid >= 1 - 1e-9] = np.nan
    rate, momentum = best_settings()
    return heatmap(
        path,
        grid[::-1],
        rows=[f"{beta:g}" for beta in MOMENTA[::-1]],
        columns=[f"{each:g}" for each in RATES],
        xlabel="learning rate",
        ylabel="momentum",
        title=f"Factor on the error by an update (blank: diverges)\nbest in theory: {momentum**0.5:.3f} "
        f"at rate {rate:.3f}, momentum {momentum:.3f}",
        form=".2f",
    )


def draw_slices(path: Path) -> Path:
    """The same for four momenta over the rate, up to 3 % beyond what theory allows, on the theory's lines."""
    series, theory = {}, {}
    for beta in (0.0, 0.25, 0.5, 0.8):
        name, critical = f"momentum {beta:g}", 2 * (1 + beta) / max(CURVATURES)
        fine = np.linspace(0.0, 1.03, 400) * critical
        rates = tuple((np.linspace(0.04, 1.03, 16) * critical).tolist())
        series[name] = np.array(rates), measured_rates(rates, beta)
        theory[name] = fine, np.array([rate_in_theory(float(rate), beta) for rate in fine])
    theory["1"] = np.array([0.0, 0.95]), np.ones(2)
    chart = Panel(
        series=series,
        theory=theory,
        title="Factor on the error by an update",
        xlabel="learning rate; each line passes 1 at 2(1 + β)/L",
        ylim=(0.6, 1.2),
    )
    return panels(path, [chart], key="dots: measured; lines: spectral radius")


def draw_weights(path: Path) -> Path:
    """What is left of a gradient by its age, and the sum over all ages."""
    ages = np.arange(41)
    chart = Panel(
        series={
            f"momentum {beta:g}: sum {weights.sum():.3g}": (ages, weights[:41])
            for beta, weights in ((beta, weights_of_gradients(beta)) for beta in REMEMBERED)
        },
        title="Weight of a gradient in later updates",
        xlabel="updates since",
        ylim=(0.0, 1.05),
    )
    return panels(path, [chart], key="measured; in theory the sum is 1 / (1 - momentum)")
