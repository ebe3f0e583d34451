"""Convexity, checked: sets, functions, Jensen's gap, projections, and five ways to a minimum under constraints."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fathom import optim, seeding
from fathom.optim import constraints, convexity, projections
from fathom.plot.regions import Region, regions
from fathom.recipes.common import descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.2"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "log_sum_exp_least_curvature",
        "value": None,
        "split": "sampled points",
        "source": "d2l-zh 11.2; Boyd and Vandenberghe 2004, section 3.1.5",
        "note": "proven there to be at least 0; the book draws sets and functions and prints no figure",
    },
]
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log_sum_exp": lambda x: x.logsumexp(-1),
    "norm": lambda x: (x * x).sum(-1).sqrt(),
    "quadratic": lambda x: (x * x).sum(-1) + x[..., 0] * x[..., 1],
    "cube": lambda x: (x * x * x).sum(-1),
    "sine": lambda x: x.sin().sum(-1),
}
RADIUS, NORMAL, OFFSET = 1.5, (1.0, 0.4), 1.0  # of the disc; of the half-plane n·x <= 1
CENTRE, MATRIX = (2.2, 1.9), ((1.0, 0.4), (0.4, 2.0))  # of the objective's ellipses
PENALTIES = (1.0, 10.0, 100.0)
PATH = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)
REFERENCE = "projected"


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """An ellipse's centre that lies outside a disc cut by a line: five ways to the best point inside.

    Args:
        lr: the rate; descent under a penalty ρ takes lr / (1 + ρ), for its curvature is so many times larger.
        start: where all begin.
        samples: points in which each inequality is tried.
    """

    epochs: int = 200
    lr: float = 0.2
    start: tuple[float, float] = (-1.2, 0.3)
    samples: int = 1000

    UNUSED: ClassVar[tuple[str, ...]] = descent.PLAIN

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        descent.finite_point("start", self.start)
        self._check("samples", at_least=1)


# --- the problem ----------------------------------------------------------------------------------------------------


def objective(x: Tensor) -> Tensor:
    """Half of (x - c)ᵀ A (x - c), over `(..., 2)`."""
    away = x - torch.tensor(CENTRE, dtype=x.dtype)
    return 0.5 * ((away @ torch.tensor(MATRIX, dtype=x.dtype)) * away).sum(dim=-1)


def limits(x: Tensor) -> Tensor:
    """Both constraints, `(..., 2)`: (|x|² - r²) / 2 and n·x - b, at most 0 inside."""
    disc = (x.square().sum(dim=-1) - RADIUS**2) / 2
    return torch.stack([disc, x @ torch.tensor(NORMAL, dtype=x.dtype) - OFFSET], dim=-1)


def nearest(x: Tensor) -> Tensor:
    """The nearest point of the disc that the line cuts, by Dykstra's algorithm."""
    disc = partial(projections.project_ball, radius=RADIUS)
    half = partial(projections.project_halfspace, normal=torch.tensor(NORMAL, dtype=x.dtype), offset=OFFSET)
    return projections.project_intersection(x, [disc, half], rounds=50)


@cache
def solution() -> constraints.Solution:
    """The constrained minimum and its multipliers, by the augmented Lagrangian."""
    return constraints.augmented_lagrangian(objective, limits, torch.zeros(2, dtype=torch.float64))


# --- ways to its minimum --------------------------------------------------------------------------------------------


def penalised(penalty: float, x: Tensor) -> Tensor:
    """The objective and ρ/2 Σ max(0, c)²."""
    return objective(x) + penalty / 2 * limits(x).clamp(min=0).square().sum(dim=-1)


def saddle(both: Tensor) -> Tensor:
    """The Lagrangian as a function of `(..., 4)`, x and then λ, whose gradient by λ is turned round.

    So a descent in it goes down in x and up in λ.
    """
    x, prices = both[..., :2], both[..., 2:]
    return objective(x) + (prices.detach() * limits(x) - prices * limits(x).detach()).sum(dim=-1)


def followed_by(change: Callable[[Tensor], Tensor], rung: str, lr: float) -> Callable[..., torch.optim.Optimizer]:
    """Gradient descent each of whose steps is followed by a change of the point."""

    def rule(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        made = optim.create("sgd", parameters, lr, rung=rung)
        (point,) = parameters

        def after(*_: object) -> None:
            point.data.copy_(change(point.data))

        made.register_step_post_hook(after)
        return made

    return rule


def prices_not_below_zero(both: Tensor) -> Tensor:
    """`(4,)` with what is below 0 in λ set to 0."""
    return torch.cat([both[:2], both[2:].clamp(min=0)])


def contenders(config: Config) -> dict[str, descent.Contender]:
    """Projected descent, descent on both variables of the Lagrangian, and descent under three penalties."""
    plain = {
        f"penalty_{penalty:g}": descent.Contender(
            title=f"penalty {penalty:g}",
            function=partial(penalised, penalty),
            start=config.start,
            rule=partial(optim.create, "sgd", lr=config.lr / (1 + penalty), rung=config.rung),
        )
        for penalty in PENALTIES
    }
    projected = descent.Contender(
        title="projected",
        function=objective,
        start=config.start,
        rule=followed_by(nearest, config.rung, config.lr),
    )
    dual = descent.Contender(
        title="Lagrangian, down in x and up in λ",
        function=saddle,
        start=(*config.start, 0.0, 0.0),
        rule=followed_by(prices_not_below_zero, config.rung, config.lr),
    )
    return {REFERENCE: projected, "lagrangian": dual, **plain}


def inspect(paths: descent.Paths) -> dict[str, float]:
    """How far from the constrained minimum each is, and by how much it breaks a constraint."""
    best, numbers = solution().x, {}
    for name, way in paths.items():
        x = torch.from_numpy(way[-1, :2])
        numbers[f"{name}_distance"] = (x - best).norm().item()
        numbers[f"{name}_outside"] = limits(x).clamp(min=0).max().item()
    return numbers


def checks(config: Config) -> dict[str, float]:
    """The least Jensen gap, first-order gap and curvature of each function, and the two engines' Hessians compared."""
    random = seeding.generator(config.seed, 7)
    x, y = 2 * torch.randn(2, config.samples, 2, generator=random, dtype=torch.float64)
    numbers: dict[str, float] = {}
    for name, function in FUNCTIONS.items():
        few = x[:20]
        ours, theirs = (convexity.hessian(function, few, rung) for rung in ("numpy", "torch"))
        numbers |= {
            f"{name}_least_jensen_gap": convexity.jensen_gap(function, torch.stack([x, y], dim=1)).min().item(),
            f"{name}_least_first_order_gap": convexity.first_order_gap(function, x, y).min().item(),
            f"{name}_least_curvature": convexity.curvatures(function, x).min().item(),
            f"{name}_hessian_difference": (ours - theirs).abs().max().item(),
        }
    found = solution()
    numbers |= {f"solution_{name}": gap for name, gap in constraints.kkt_gaps(objective, limits, found).items()}
    numbers |= {f"price_{number}": price for number, price in enumerate(found.multipliers.tolist(), 1)}
    for penalty, step in zip(PATH, penalty_path(), strict=True):
        numbers[f"penalty_path_{penalty:g}_distance"] = (step.x - found.x).norm().item()
    return numbers


def penalty_path() -> list[constraints.Solution]:
    """The minima under growing penalties."""
    return constraints.penalty_path(objective, limits, torch.zeros(2, dtype=torch.float64), PATH)


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Go all five ways; `NAME_distance` is from the constrained minimum, `FUNCTION_least_…` is of sampled points."""
    return descent.run_descent(
        "convexity",
        config,
        contenders(config),
        REFERENCE,
        formula="half of (x - c)ᵀA(x - c) in a disc that a line cuts",
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspect,
        constant=checks(config),
    )


def measure(folder: RunFolder) -> Result:
    """Read the distances from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The objective where projected descent ends that starts at the point in `source` (as in `0.5,2`)."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Sets and functions, convex and not, with segments; nearest points; the ways to the constrained minimum."""
    charts = [*draw_sets(), *draw_functions(), draw_projections(), draw_minimum(descent.paths(folder))]
    return [regions(folder.path / "convexity.png", charts)]


def inside(points: np.ndarray) -> np.ndarray:
    """Which of `(points, 2)` are in the disc that the line cuts."""
    return (limits(torch.from_numpy(points)) <= 1e-9).all(dim=-1).numpy()


def ring(points: np.ndarray) -> np.ndarray:
    """Which of `(points, 2)` are between two circles."""
    lengths = np.linalg.norm(points, axis=1)
    return (lengths >= 0.8) & (lengths <= RADIUS)


def on_circle(radius: float, angles: Any) -> np.ndarray:
    """`(angles, 2)`; angles in turns, `(angles,)`."""
    turns = 2 * math.pi * np.asarray(angles)
    return radius * np.stack([np.cos(turns), np.sin(turns)], axis=-1)


def draw_sets() -> list[Region]:
    """The cut disc and a ring, each with segments between points of it."""
    ends = np.stack(
        [on_circle(1.4, [0.22, 0.3, 0.42, 0.55, 0.7]), on_circle(1.3, [0.6, 0.78, 0.77, 0.36, 0.3])], axis=1
    )
    around = np.stack([on_circle(1.3, [0.05, 0.3, 0.55, 0.8]), on_circle(1.1, [0.17, 0.42, 0.95, 0.4])], axis=1)
    frame: Mapping[str, Any] = {"xrange": (-1.8, 1.8), "yrange": (-1.8, 1.8)}
    return [
        Region(contains=inside, segments=ends, title="Convex: no segment leaves", **frame),
        Region(contains=ring, segments=around, title="Not convex", **frame),
    ]


def draw_functions() -> list[Region]:
    """What lies above x²/2 and above the sine, with chords, and Jensen's gap under one of them."""
    chord = np.array([[[-1.5, 1.125], [2.5, 3.125]]])
    gap = np.array([[[0.5, 0.125], [0.5, 2.125]]])
    waves = np.array([[[-2.6, np.sin(-2.6)], [-0.3, np.sin(-0.3)]], [[0.4, np.sin(0.4)], [2.6, np.sin(2.6)]]])
    return [
        Region(
            contains=lambda points: points[:, 1] >= points[:, 0] ** 2 / 2 - 1e-9,
            segments=chord,
            arrows=gap,
            xrange=(-3, 3),
            yrange=(-0.5, 4),
            title="Above x²/2; the arrow is Jensen's gap",
            equal=False,
        ),
        Region(
            contains=lambda points: points[:, 1] >= np.sin(points[:, 0]) - 1e-9,
            segments=waves,
            xrange=(-3.3, 3.3),
            yrange=(-1.5, 2),
            title="Above sin x: one chord leaves",
            equal=False,
        ),
    ]


def draw_projections() -> Region:
    """Points around the cut disc, each with the nearest point of it."""
    points = np.concatenate([on_circle(2.4, np.arange(12) / 12), on_circle(1.5, [0.98, 0.06])])
    ends = nearest(torch.from_numpy(points)).numpy()
    return Region(
        contains=inside,
        arrows=np.stack([points, ends], axis=1),
        xrange=(-2.6, 2.6),
        yrange=(-2.6, 2.6),
        title="Nearest points",
    )


def draw_minimum(ways: descent.Paths) -> Region:
    """Projected descent, the descent in the Lagrangian, and the minima under growing penalties."""
    best = solution().x
    path = torch.stack([torch.tensor(CENTRE, dtype=torch.float64), *(step.x for step in penalty_path())])
    return Region(
        contains=inside,
        function=lambda points: objective(torch.from_numpy(points)),
        paths={
            "minima under growing penalties": path,
            "projected descent": ways[REFERENCE],
            "Lagrangian": ways["lagrangian"][:, :2],
        },
        marks={"": (best[0].item(), best[1].item())},
        xrange=(-2.1, 2.9),
        yrange=(-2.7, 2.3),
        title="Ways to the minimum inside",
    )
