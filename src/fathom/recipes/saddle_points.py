"""Local minima and saddle points: what the Hessian's eigenvalues say, who stays on the ridge and who leaves it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import curvature, descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.1.2"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "saddle_least_eigenvalue",
        "value": None,
        "split": "x² - y²",
        "source": "d2l-zh 11.1.2.1 and 11.1.2.2, drawn",
        "note": "the book draws the functions and prints no figure",
    },
]
FORMULA = "x² - y²; x³; x cos(πx)"
REFERENCE = "ridge"
OFFSETS = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10)  # from the ridge, for the time that leaving it takes


def saddle(x: Tensor) -> Tensor:
    """x² - y², over `(..., 2)`: a minimum along x, a maximum along y."""
    return x[..., 0].square() - x[..., 1].square()


def cubic(x: Tensor) -> Tensor:
    """x³, over `(..., 1)`: slope and curvature are both 0 at 0, which is no minimum."""
    return x[..., 0] ** 3


def wave(x: Tensor) -> Tensor:
    """x cos(πx), over `(..., 1)`; between -1 and 2 it has a local minimum and a lower one."""
    return x[..., 0] * (math.pi * x[..., 0]).cos()


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Gradient descent at 0.1 from x = 1 on x² - y²: on the ridge, beside it, and on it with noise; 40 updates.

    Args:
        offset: how far beside the ridge the second contender starts.
        noise: standard deviation of normal noise on the third one's gradient.
    """

    offset: float = 1e-3
    noise: float = 0.1
    epochs: int = 40
    lr: float = 0.1

    RANDOM: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("offset", above=0)
        self._check("noise", at_least=0)


def contenders(config: Config) -> dict[str, descent.Contender]:
    """Three on the saddle, two on the cubic's shoulder, two in the wave."""
    rule = descent.by_name("sgd", config.lr, config.rung)
    ridge = descent.Contender(title="on the ridge", function=saddle, start=(1.0, 0.0), rule=rule)
    slow = descent.by_name("sgd", config.lr / 2, config.rung)
    return {
        "ridge": ridge,
        "beside": replace(ridge, title=f"{config.offset:g} beside it", start=(1.0, config.offset)),
        "noisy": replace(ridge, title="on it, noisy gradient", noise=config.noise),
        "cubic": descent.Contender(title="x³ from 1", function=cubic, start=(1.0,), rule=slow),
        "local": descent.Contender(title="from -0.9", function=wave, start=(-0.9,), rule=slow),
        "global": descent.Contender(title="from 0.5", function=wave, start=(0.5,), rule=slow),
    }


def kind(eigenvalues: np.ndarray, tolerance: float = 1e-9) -> str:
    """What a point with gradient 0 is: `minimum`, `maximum`, `saddle`, or `undecided` if the least of them tells not.

    Args:
        eigenvalues: `(dimensions,)` of its Hessian.
        tolerance: below which one counts as 0.
    """
    up, down = bool((eigenvalues > tolerance).any()), bool((eigenvalues < -tolerance).any())
    if up and down:
        return "saddle"
    if bool((np.abs(eigenvalues) <= tolerance).any()):
        return "undecided"
    return "minimum" if up else "maximum"


def steps_to_leave(offset: float, rate: float) -> int:
    """Updates after which descent from `(1, offset)` is farther than 1 from the ridge, walked."""
    rule = descent.by_name("sgd", rate)
    walker = descent.Contender(title="", function=saddle, start=(1.0, offset), rule=rule)
    updates = steps_in_theory(offset, rate) + 10
    return descent.first_below(-np.abs(descent.walk({"one": walker}, updates)["one"][:, 1]), -1.0)


def steps_in_theory(offset: float, rate: float) -> int:
    """The same by the eigenvalue -2: each update multiplies the offset by 1 + 2 rate."""
    return math.ceil(-math.log(offset) / math.log1p(2 * rate))


def inspect(paths: descent.Paths) -> dict[str, float]:
    """How far each is from the ridge, and where the others have come to."""
    off = {f"{name}_distance": float(abs(paths[name][-1, 1])) for name in ("ridge", "beside", "noisy")}
    return {**off, **{f"{name}_x": float(paths[name][-1, 0]) for name in ("cubic", "local", "global")}}


def known(config: Config) -> dict[str, float]:
    """The Hessian's eigenvalues at the critical points, and the time to leave the ridge, in theory and walked."""
    low, high = curvature.eigenvalues(saddle, (0.0, 0.0))
    return {
        "saddle_least_eigenvalue": float(low),
        "saddle_greatest_eigenvalue": float(high),
        "cubic_eigenvalue": float(curvature.eigenvalues(cubic, (0.0,))[0]),
        "steps_to_leave": float(steps_to_leave(config.offset, config.lr)),
        "steps_to_leave_theory": float(steps_in_theory(config.offset, config.lr)),
    }


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend; `..._distance` is from the ridge y = 0, `steps_to_leave` the updates until it is more than 1."""
    return descent.run_descent(
        "saddle-points",
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
    """Where descent on x² - y² goes from the point in `source` (as in `1,0.001`)."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The three functions with their paths, and how long leaving the ridge takes."""
    config = Config(**folder.config)
    return [
        draw_paths(folder.path / "paths.png", descent.paths(folder), contenders(config)),
        draw_leaving(folder.path / "leaving.png", descent.paths(folder), config),
    ]


def draw_paths(path: Path, ways: descent.Paths, who: dict[str, descent.Contender]) -> Path:
    """Paths over the saddle, the cubic and the wave, each critical point called what its eigenvalues say."""
    critical = {saddle: (0.0, 0.0), cubic: (0.0,)}
    called = {function: kind(curvature.eigenvalues(function, origin)) for function, origin in critical.items()}
    minimum = float(ways["local"][-1, 0])
    charts = [
        Terrain(
            function=descent.heights(saddle),
            paths={who[name].title: ways[name] for name in ("ridge", "beside", "noisy")},
            xrange=(-1.2, 1.2),
            yrange=(-1.2, 1.2),
            title="x² - y²",
            ylabel="y",
            marks={f"{called[saddle]} (2, -2)": (0.0, 0.0)},
        ),
        Terrain(
            function=descent.height(cubic),
            paths={who["cubic"].title: ways["cubic"]},
            xrange=(-1.1, 1.1),
            title="x³",
            marks={f"{called[cubic]} (0)": (0.0, 0.0)},
        ),
        Terrain(
            function=descent.height(wave),
            paths={f"x cos(πx) {who[name].title}": ways[name] for name in ("local", "global")},
            xrange=(-1.0, 2.0),
            title="x cos(πx)",
            marks={f"local minimum {minimum:.2f}": (minimum, float(descent.height(wave)(np.array(minimum))))},
        ),
    ]
    return terrains(path, charts, key="in brackets: eigenvalues of the Hessian, which say what the point is")


def draw_leaving(path: Path, ways: descent.Paths, config: Config) -> Path:
    """Distance from the ridge by update with the eigenvalue's growth, and updates until it is 1, by the offset."""
    updates = np.arange(len(ways["beside"]))
    titles = {name: each.title for name, each in contenders(config).items() if name in ("ridge", "beside", "noisy")}
    growth = config.offset * (1 + 2 * config.lr) ** updates
    walked = [steps_to_leave(offset, config.lr) for offset in OFFSETS]
    digits = -np.log10(OFFSETS)
    fine = np.linspace(0, 10, 101)
    charts = [
        Panel(
            series={title: (updates, np.abs(ways[name][:, 1])) for name, title in titles.items()},
            theory={titles["beside"]: (updates, growth)},
            title="Distance from the ridge",
            xlabel="update",
            logy=True,
        ),
        Panel(
            series={"updates": (digits, np.array(walked))},
            theory={"updates": (fine, fine * math.log(10) / math.log1p(2 * config.lr))},
            title="Updates until the distance is 1",
            xlabel="-log₁₀ of the distance at the start",
            names=False,
        ),
    ]
    return panels(path, charts, key=f"dots: walked; lines: growth by 1 + 2 · {config.lr:g} an update, from the -2")
