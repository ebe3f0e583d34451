"""Preconditioning: dividing by the curvatures' diagonal brings the condition number down and the rate up."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.3.3.3"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "plain_factor",
        "value": None,
        "split": "an ill-conditioned quadratic",
        "source": "d2l-zh 11.3.3.3",
        "note": "the book describes it and prints no figure; the factor (κ - 1) / (κ + 1) is plain_factor_theory",
    },
]
REFERENCE = "scaled"
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # for the picture of factors by scale


class Scaled(torch.optim.Optimizer):
    """x ← x - lr · g / d: gradient descent in units in which every coordinate has curvature 1.

    Args:
        parameters: one tensor `(dimensions,)`.
        divisors: `(dimensions,)` above 0, the diagonal of the Hessian.
        lr: learning rate.
    """

    def __init__(self, parameters: Iterable[Tensor], divisors: Tensor, lr: float) -> None:
        super().__init__(list(parameters), {"lr": lr})
        self.divisors = divisors

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One update; gives the value before it."""
        (group,) = self.param_groups
        (x,) = group["params"]
        value = closure()
        with torch.no_grad():
            x -= group["lr"] * x.grad / self.divisors
        return value


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Gradient descent on ½ xᵀHx, plain and divided by H's diagonal, each at `lr` times its own best rate.

    Args:
        scale: by how much the second coordinate's unit differs from the first's; the curvature grows by its square.
        correlation: of the two coordinates, between -1 and 1; what a diagonal can't take away.
        lr: in units of the best rate, 2 / (least + greatest eigenvalue).
    """

    scale: float = 5.0
    correlation: float = 0.5
    epochs: int = 40
    lr: float = 1.0

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("scale", above=0)
        if not -1 < self.correlation < 1:
            raise InputError(f"--correlation: expected a number between -1 and 1, got {self.correlation}")


def curvature(scale: float, correlation: float) -> Tensor:
    """H = D C D with D = diag(1, scale) and C the correlations: `(2, 2)`, float64."""
    return descent.point(1.0, correlation * scale, correlation * scale, scale**2).reshape(2, 2)


def quadratic(hessian: Tensor) -> descent.Function:
    """½ xᵀHx, over `(..., dimensions)`."""
    return lambda x: 0.5 * torch.einsum("...i,ij,...j", x, hessian, x)


def in_own_units(hessian: Tensor) -> Tensor:
    """D⁻¹ᐟ² H D⁻¹ᐟ², D the diagonal of H: what H is where every coordinate has curvature 1."""
    root = hessian.diagonal().sqrt()
    return hessian / torch.outer(root, root)


def condition(hessian: Tensor) -> float:
    """κ, the greatest eigenvalue over the least."""
    eigenvalues = torch.linalg.eigvalsh(hessian)
    return float(eigenvalues[-1] / eigenvalues[0])


def best_rate(hessian: Tensor) -> float:
    """2 / (least + greatest eigenvalue): it shrinks the errors along both eigenvectors equally fast."""
    eigenvalues = torch.linalg.eigvalsh(hessian)
    return 2 / float(eigenvalues[0] + eigenvalues[-1])


def slowest_start(hessian: Tensor, divisors: Tensor) -> tuple[float, ...]:
    """A start whose error has the same share of the slowest eigenvectors at both ends, in the given units.

    From there the error shrinks by exactly (κ - 1) / (κ + 1) in each update at the best rate.
    """
    root = divisors.sqrt()
    _, vectors = torch.linalg.eigh(hessian / torch.outer(root, root))
    start = (vectors[:, 0] + vectors[:, -1]) / root
    return tuple((start / start.abs().max() * 5).tolist())


def contenders(config: Config) -> dict[str, descent.Contender]:
    """The preconditioned one first; all on one function, each from the start that is worst for it."""
    hessian = curvature(config.scale, config.correlation)
    function, diagonal, ones = quadratic(hessian), hessian.diagonal(), torch.ones(2, dtype=torch.float64)
    scaled = partial(Scaled, divisors=diagonal, lr=config.lr * best_rate(in_own_units(hessian)))
    plain = descent.by_name("sgd", config.lr * best_rate(hessian), config.rung)
    return {
        "scaled": descent.Contender(
            title="divided by the diagonal", function=function, start=slowest_start(hessian, diagonal), rule=scaled
        ),
        "plain": descent.Contender(title="plain", function=function, start=slowest_start(hessian, ones), rule=plain),
    }


def lengths(config: Config, name: str, way: np.ndarray) -> np.ndarray:
    """The error along a path, `(updates + 1,)`, in the units in which the contender's rule is plain descent."""
    hessian = curvature(config.scale, config.correlation)
    units = hessian.diagonal().sqrt().numpy() if name == "scaled" else np.ones(2)
    return np.asarray(np.linalg.norm(way * units, axis=1))


def factor(errors: np.ndarray) -> float:
    """By what an update multiplies the error, on average over the path as long as rounding doesn't blur it."""
    seen = errors[: max(2, descent.first_below(errors, 1e-12 * errors[0]))]
    return math.exp(float(np.log(seen[-1] / seen[0])) / (len(seen) - 1)) if seen[-1] > 0 else 0.0


def inspect(config: Config, paths: descent.Paths) -> dict[str, float]:
    """Measured factors on the error."""
    return {f"{name}_factor": factor(lengths(config, name, way)) for name, way in paths.items()}


def known(config: Config) -> dict[str, float]:
    """Condition numbers before and after, and (κ - 1) / (κ + 1)."""
    hessian = curvature(config.scale, config.correlation)
    kappas = {"plain": condition(hessian), "scaled": condition(in_own_units(hessian))}
    return {
        **{f"{name}_condition_number": kappa for name, kappa in kappas.items()},
        **{f"{name}_factor_theory": (kappa - 1) / (kappa + 1) for name, kappa in kappas.items()},
    }


def formula(config: Config) -> str:
    """The function in words."""
    (one, mixed), (_, two) = curvature(config.scale, config.correlation).tolist()
    return f"({one:g} x₁² + {2 * mixed:g} x₁x₂ + {two:g} x₂²) / 2"


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend with and without the preconditioner; `..._factor` is by what an update multiplies the error."""
    return descent.run_descent(
        "preconditioning",
        config,
        contenders(config),
        REFERENCE,
        formula=formula(config),
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=partial(inspect, config),
        constant=known(config),
    )


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's paths again."""
    config = Config(**folder.config)
    return descent.measure_descent(folder, config, partial(inspect, config), PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Where both go from the point in `source` (as in `0.5,2`); the label is the preconditioned one's value."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The paths in the given units and in their own, and the factors by scale."""
    config = Config(**folder.config)
    return [
        draw_paths(folder.path / "paths.png", config),
        draw_factors(folder.path / "factors.png", config, descent.paths(folder)),
    ]


def draw_paths(path: Path, config: Config) -> Path:
    """Both from one point, in the given coordinates, and in those in which each has curvature 1."""
    hessian = curvature(config.scale, config.correlation)
    known_as = contenders(config)
    start = (-4.0, 6.0 / config.scale)
    both = {name: replace(each, start=start) for name, each in known_as.items()}
    ways = {both[name].title: way for name, way in descent.walk(both, config.epochs).items()}
    root = hessian.diagonal().sqrt().numpy()
    own = {title: way * root for title, way in ways.items()}
    reach = 1.15 * max(float(np.abs(way).max()) for way in ways.values())
    wide = 1.15 * max(float(np.abs(way).max()) for way in own.values())
    charts = [
        Terrain(
            function=descent.heights(quadratic(hessian)),
            paths=ways,
            xrange=(-reach, reach),
            yrange=(-reach, reach),
            title=f"as given: κ = {condition(hessian):.3g}",
            xlabel="x₁",
            ylabel="x₂",
            logarithmic=True,
            marks={"": (0.0, 0.0)},
        ),
        Terrain(
            function=descent.heights(quadratic(in_own_units(hessian))),
            paths=own,
            xrange=(-wide, wide),
            yrange=(-wide, wide),
            title=f"in units of √curvature: κ = {condition(in_own_units(hessian)):.3g}",
            xlabel="√H₁₁ x₁",
            ylabel="√H₂₂ x₂",
            logarithmic=True,
            marks={"": (0.0, 0.0)},
        ),
    ]
    return terrains(path, charts, key="both axes of a chart have one scale")


def draw_factors(path: Path, config: Config, ways: descent.Paths) -> Path:
    """The error by update, and the measured factor by the scale of the second coordinate, both over the theory."""
    who, told = contenders(config), known(config)
    updates = np.arange(config.epochs * config.updates_an_epoch + 1)[: len(ways["plain"])]
    errors = {name: lengths(config, name, way) for name, way in ways.items()}
    scales = np.array(SCALES)
    found: dict[str, list[float]] = {name: [] for name in who}
    for scale in SCALES:
        changed = replace(config, scale=scale)
        for name, way in descent.walk(contenders(changed), 40).items():
            found[name].append(factor(lengths(changed, name, way)))
    fine = np.geomspace(SCALES[0], SCALES[-1], 100)
    theory = {name: [known(replace(config, scale=float(s)))[f"{name}_factor_theory"] for s in fine] for name in who}
    charts = [
        Panel(
            series={who[name].title: (updates, errors[name] / errors[name][0]) for name in who},
            theory={who[name].title: (updates, told[f"{name}_factor_theory"] ** updates) for name in who},
            title="Error, as a share of the first",
            xlabel="update",
            logy=True,
            ylim=(1e-14, 2.0),
            names=False,
        ),
        Panel(
            series={who[name].title: (scales, np.array(found[name])) for name in who},
            theory={who[name].title: (fine, np.array(theory[name])) for name in who},
            title="Factor on the error by an update",
            xlabel="scale of the second coordinate",
            ylim=(0.0, 1.05),
        ),
    ]
    return panels(path, charts, key="dots: measured; lines: (κ - 1) / (κ + 1)")
