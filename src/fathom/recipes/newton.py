"""Newton's method with and without line search, on convex and non-convex functions, and how fast it converges."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.optim.convexity import hessian
from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.recipes.gradient_descent import wave
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.3.3"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "cosh_x_after_10",
        "value": 0.0,
        "split": "cosh(0.5x), from 10",
        "source": "d2l-zh 11.3.3.1, printed",
        "note": "to six digits",
    },
    {
        "metric": "wave_x_after_10",
        "value": 26.834133,
        "split": "x cos(0.15πx), from 10",
        "source": "d2l-zh 11.3.3.1, printed",
        "note": "rate 1: it runs away, as there",
    },
    {
        "metric": "wave_damped_x_after_10",
        "value": 7.26986,
        "split": "x cos(0.15πx), from 10",
        "source": "d2l-zh 11.3.3.1, printed",
        "note": "rate 0.5",
    },
]
FORMULA = "cosh(0.5x); √(1 + x²); x cos(0.15πx)"
REFERENCE = "cosh"


class Newton(torch.optim.Optimizer):
    """x ← x - lr · H⁻¹ g, with two remedies for where that leads uphill or too far.

    Args:
        parameters: one tensor `(dimensions,)`.
        function: what is minimised; its second derivatives are taken.
        lr: the share of Newton's step that is taken, or tried first.
        absolute: takes the absolute values of the Hessian's eigenvalues, so that the step always goes downhill.
        backtrack: halves the step until the value falls by at least a ten-thousandth of what the slope promises.

    Source: Nocedal and Wright 2006, "Numerical Optimization", section 3.4 and algorithm 3.1 (Armijo's condition).
    """

    SLOPE = 1e-4  # Nocedal and Wright, section 3.1
    HALVINGS = 50

    def __init__(
        self,
        parameters: Iterable[Tensor],
        function: descent.Function,
        lr: float = 1.0,
        *,
        absolute: bool = False,
        backtrack: bool = False,
    ) -> None:
        super().__init__(list(parameters), {"lr": lr})
        self.function, self.absolute, self.backtrack = function, absolute, backtrack

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One update; gives the value before it."""
        (group,) = self.param_groups
        (x,) = group["params"]
        value = closure()
        with torch.no_grad():
            gradient = x.grad.clone()
            direction = self.direction(x, gradient)
            share = group["lr"]
            if self.backtrack:
                share = self.shortened(x, value, direction, float(gradient @ direction), share)
            x += share * direction
        return value

    def direction(self, x: Tensor, gradient: Tensor) -> Tensor:
        """Newton's step `-H⁻¹ g`; along an eigenvector without curvature there is none."""
        curvatures, vectors = torch.linalg.eigh(hessian(self.function, x.detach()))
        if self.absolute:
            curvatures = curvatures.abs()
        along = vectors.T @ gradient
        return -vectors @ torch.where(curvatures == 0, 0, along / curvatures)

    def shortened(self, x: Tensor, value: Tensor, direction: Tensor, slope: float, share: float) -> float:
        """The first of `share`, half of it, a quarter, … that satisfies Armijo's condition; 0 if none does."""
        for _ in range(self.HALVINGS):
            if self.function(x + share * direction) <= value + self.SLOPE * share * slope:
                return share
            share /= 2
        return 0.0


def cosh(x: Tensor) -> Tensor:
    """cosh(0.5x), over `(..., 1)`."""
    return (0.5 * x[..., 0]).cosh()


def hyperbola(x: Tensor) -> Tensor:
    """√(1 + x²), over `(..., 1)`: convex, and yet Newton's step maps x to -x³."""
    return (1 + x[..., 0].square()).sqrt()


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """The book's two functions from x = 10, and √(1 + x²) from 1.1; ten updates.

    Args:
        damping: the share of each step that the damped contender takes, the book's 0.5.
        start: where all but those on √(1 + x²) begin.
    """

    damping: float = 0.5
    start: float = 10.0
    epochs: int = 10
    lr: float = 1.0

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("damping", above=0)
        descent.finite_point("start", (self.start,))


def contenders(config: Config) -> dict[str, descent.Contender]:
    """With and without a remedy on each function."""

    def newton(title: str, function: descent.Function, start: float, lr: float, **remedies: Any) -> Any:
        rule = partial(Newton, function=function, lr=lr, **remedies)
        return descent.Contender(title=title, function=function, start=(start,), rule=rule)

    plain, both = "plain", {"absolute": True, "backtrack": True}
    return {
        "cosh": newton(plain, cosh, config.start, config.lr),
        "cosh_search": newton("line search", cosh, config.start, config.lr, backtrack=True),
        "hyperbola": newton(plain, hyperbola, 1.1, config.lr),
        "hyperbola_search": newton("line search", hyperbola, 1.1, config.lr, backtrack=True),
        "wave": newton(plain, wave, config.start, config.lr),
        "wave_damped": newton(f"{config.damping:g} of the step", wave, config.start, config.damping),
        "wave_absolute": newton("|curvature|", wave, config.start, config.lr, absolute=True),
        "wave_search": newton("|curvature| and line search", wave, config.start, config.lr, **both),
    }


def inspect(paths: descent.Paths) -> dict[str, float]:
    """Where each is after ten updates, or at the end if that comes before."""
    return {f"{name}_x_after_10": float(descent.at(way, 10)[0]) for name, way in paths.items()}


def derivatives(function: descent.Function, x: float, count: int) -> list[float]:
    """The first `count` derivatives of a function over `(..., 1)` at x."""
    at = descent.point(x).requires_grad_()
    value = function(at)
    found = []
    for _ in range(count):
        (gradient,) = torch.autograd.grad(value, at, create_graph=True)
        value = gradient.sum()
        found.append(value.item())
    return found


def wave_minimum() -> float:
    """The minimum of the wave near 7.3."""
    rule = partial(Newton, function=wave, absolute=True, backtrack=True)
    start = descent.Contender(title="", function=wave, start=(7.2,), rule=rule)
    return float(descent.walk({"one": start}, 20)["one"][-1, 0])


def order(errors: np.ndarray, power: int) -> float:
    """e' / e^power at the last update whose error is still far above rounding; errors are `(updates + 1,)`."""
    last = int(np.flatnonzero(np.abs(errors[1:]) > 1e-9)[-1])
    return float(errors[last + 1] / errors[last] ** power)


def near_the_minimum(offset: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Errors `(7,)` of Newton's method from `offset` beside each function's minimum, and those that theory foretells.

    Theory's are each from the error before it: e' = e² f‴ / 2f″ in general, and where f‴ is 0, as by symmetry at the
    minimum of cosh, e' = e³ f⁗ / 3f″. Both are the first terms of a series, right for small e.
    """
    found = {}
    for name, function, minimum, power in (("wave", wave, wave_minimum(), 2), ("cosh", cosh, 0.0, 3)):
        rule = partial(Newton, function=function)
        start = descent.Contender(title="", function=function, start=(minimum + offset,), rule=rule)
        errors = descent.walk({"one": start}, 6)["one"][:, 0] - minimum
        found[name] = errors, coefficient(function, minimum, power) * errors[:-1] ** power
    return found


def coefficient(function: descent.Function, minimum: float, power: int) -> float:
    """Theory's e' / e^power: f‴ / 2f″ for power 2, f⁗ / 3f″ for power 3 (where f‴ is 0)."""
    _, second, third, fourth = derivatives(function, minimum, 4)
    return third / (2 * second) if power == 2 else fourth / (3 * second)


def convergence() -> dict[str, float]:
    """The constants of quadratic and cubic convergence, measured and in theory."""
    numbers = {}
    errors = {name: pair[0] for name, pair in near_the_minimum(0.1).items()}
    for name, function, minimum, power in (("wave", wave, wave_minimum(), 2), ("cosh", cosh, 0.0, 3)):
        numbers[f"{name}_order_{power}_constant"] = order(errors[name], power)
        numbers[f"{name}_order_{power}_constant_theory"] = coefficient(function, minimum, power)
    return numbers


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let Newton's method go, plain and mended; `..._constant` is e' / e^power near a minimum, e the error."""
    return descent.run_descent(
        "newton",
        config,
        contenders(config),
        REFERENCE,
        formula=FORMULA,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspect,
        constant=convergence(),
    )


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Where the contenders end that start at the number in `source`; the label is the value on cosh(0.5x)."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The paths on the three functions, and how the number of right digits grows."""
    ways, who = descent.paths(folder), contenders(Config(**folder.config))
    return [draw_paths(folder.path / "paths.png", ways, who), draw_digits(folder.path / "convergence.png")]


def draw_paths(path: Path, ways: descent.Paths, who: dict[str, descent.Contender]) -> Path:
    """Each function with the contenders on it."""
    charts = []
    for title, start, function, reach in (
        ("cosh(0.5x), convex", "cosh", cosh, (-11.0, 11.0)),
        ("√(1 + x²), convex", "hyperbola", hyperbola, (-4.0, 4.0)),
        ("x cos(0.15πx), not convex", "wave", wave, (-2.0, 29.0)),
    ):
        names = [name for name in ways if name.startswith(start)]
        shown = {who[name].title: _seen(ways[name], reach) for name in names}
        charts.append(Terrain(function=descent.height(function), paths=shown, xrange=reach, title=title))
    return terrains(path, charts)


def _seen(way: np.ndarray, reach: tuple[float, float]) -> np.ndarray:
    """The path up to where it first leaves the chart."""
    outside = (way[:, 0] < reach[0]) | (way[:, 0] > reach[1])
    return way[: int(np.argmax(outside))] if outside.any() else way


def draw_digits(path: Path) -> Path:
    """The error by update, with what theory makes of the error before it."""
    series, theory = {}, {}
    titles = {"wave": "x cos(0.15πx), order 2", "cosh": "cosh(0.5x), order 3"}
    for name, (errors, foretold) in near_the_minimum(1.0).items():
        updates = np.arange(len(errors))
        series[titles[name]] = updates, np.abs(errors)
        seen = np.abs(foretold) > 1e-16
        theory[titles[name]] = updates[1:][seen], np.abs(foretold)[seen]
    chart = Panel(
        series=series, theory=theory, title="Error of Newton's method", xlabel="update", logy=True, whole=True
    )
    return panels(path, [chart], key="dots: measured; lines: theory, from the error one update before")
