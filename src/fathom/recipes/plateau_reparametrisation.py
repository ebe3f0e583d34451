"""A plateau on which descent stalls, and the change of variable that leaves it: no other step is as cheap."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.plot.descents import Terrain, terrains
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 11.1.2.3"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "slope_of_tanh_at_4",
        "value": 0.0013,
        "split": "tanh(x) at x = 4",
        "source": "d2l-zh 11.1.2.3, in the text",
        "note": "the book says that reparametrisation often helps, and shows none",
    },
]
FORMULA = "(tanh(x) + 0.5)² / 2; x⁴"
REFERENCE = "output"
TARGET = -0.5
QUARTIC_START = 1.0


def saturated(x: Tensor) -> Tensor:
    """(tanh(x) + 0.5)² / 2, over `(..., 1)`: flat far out on both sides."""
    return 0.5 * (x[..., 0].tanh() - TARGET).square()


def straightened(u: Tensor) -> Tensor:
    """The same by u = tanh(x): (u + 0.5)² / 2, a parabola."""
    return 0.5 * (u[..., 0] - TARGET).square()


def quartic(x: Tensor) -> Tensor:
    """x⁴, over `(..., 1)`: without curvature at its minimum."""
    return x[..., 0] ** 4


def squared(z: Tensor) -> Tensor:
    """The same by z = x |x|: z², which has curvature."""
    return z[..., 0].square()


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Descent at 0.5 on a squared error through tanh, from x = 4, in x and in u = tanh(x); at 0.1 on x⁴; 600 updates.

    Args:
        epochs: of 10 updates each.
        start: x where those on the plateau begin.
    """

    start: float = 4.0
    epochs: int = 60
    lr: float = 0.5

    UPDATES: ClassVar[int] = 10

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not 0 < self.start <= 8:
            raise InputError(f"--start: expected a number above 0 and at most 8, got {self.start}")


def contenders(config: Config) -> dict[str, descent.Contender]:
    """On the plateau in u, in x, and in x by Adam; on the quartic in z and in x."""
    sgd, slow = descent.by_name("sgd", config.lr, config.rung), descent.by_name("sgd", config.lr / 5, config.rung)
    adam = descent.by_name("adam", config.lr / 5, config.rung)
    u = float(np.tanh(config.start))
    return {
        "output": descent.Contender(title="SGD in u = tanh x", function=straightened, start=(u,), rule=sgd),
        "plain": descent.Contender(title="SGD in x", function=saturated, start=(config.start,), rule=sgd),
        "adam": descent.Contender(title="Adam in x", function=saturated, start=(config.start,), rule=adam),
        "quartic": descent.Contender(title="x⁴: SGD in x", function=quartic, start=(QUARTIC_START,), rule=slow),
        "squared": descent.Contender(title="x⁴: SGD in z = x|x|", function=squared, start=(QUARTIC_START,), rule=slow),
    }


def updates_until_left(config: Config, way: np.ndarray, function: descent.Function) -> float:
    """Updates until the value is below half of the first; how many there are if it never is."""
    values = descent.values(function, way)
    return float(descent.first_below(values, values[0] / 2))


def updates_in_theory(start: float, rate: float, pieces: int = 20_000) -> float:
    """The same for plain descent, which on a plateau moves as slowly as the flow dx/dt = -f'(x), t = rate · updates.

    The time from x = `start` to where the value is halved is the integral of 1 / f', by Simpson's rule.
    """
    half = TARGET + np.sqrt(0.5) * (np.tanh(start) - TARGET)
    x = np.linspace(np.arctanh(half), start, 2 * pieces + 1)
    slopes = (np.tanh(x) - TARGET) * (1 - np.tanh(x) ** 2)
    weights = np.ones(len(x))
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return float((weights / slopes).sum() * (x[1] - x[0]) / 3 / rate)


@cache
def exponent(rate: float, updates: int = 1000) -> float:
    """The power of the number of updates with which descent on x⁴ in x approaches 0, over the last half."""
    rule = descent.by_name("sgd", rate)
    who = descent.Contender(title="", function=quartic, start=(QUARTIC_START,), rule=rule)
    x = descent.walk({"one": who}, updates)["one"][updates // 2 :, 0]
    return float(np.polyfit(np.log(np.arange(updates // 2, updates + 1)), np.log(x), 1)[0])


def inspect(config: Config, paths: descent.Paths) -> dict[str, float]:
    """Updates until each has left the plateau, and what is left of the quartic's error in x."""
    who = contenders(config)
    left = {
        f"{name}_updates_until_left": updates_until_left(config, paths[name], who[name].function)
        for name in ("output", "plain", "adam")
    }
    errors = {"quartic_x": float(paths["quartic"][-1, 0]), "squared_x": float(abs(paths["squared"][-1, 0]) ** 0.5)}
    return {**left, **errors}


def known(config: Config) -> dict[str, float]:
    """The slope that the book cites, how long the plateau lasts in theory, and the quartic's power law."""
    at = descent.point(4.0).requires_grad_()
    (slope,) = torch.autograd.grad(at.tanh().sum(), at)
    return {
        "slope_of_tanh_at_4": slope.item(),
        "plain_updates_until_left_theory": updates_in_theory(config.start, config.lr),
        "quartic_power": exponent(config.lr / 5),
        "quartic_power_theory": -0.5,  # dx/dt = -4x³ gives x = 1 / √(8t + 1)
    }


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend in the given and in the new variable; `..._updates_until_left`: until the value is halved."""
    return descent.run_descent(
        "plateau-reparametrisation",
        config,
        contenders(config),
        REFERENCE,
        formula=FORMULA,
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
    """Where each ends that starts at the number in `source`, each in its own variable; the label is of u = tanh x."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The function in both variables with the paths, and the values by update."""
    config, ways = Config(**folder.config), descent.paths(folder)
    who = contenders(config)
    return [
        draw_paths(folder.path / "paths.png", config, ways, who),
        draw_values(folder.path / "values.png", config, ways, who),
    ]


def draw_paths(path: Path, config: Config, ways: descent.Paths, who: dict[str, descent.Contender]) -> Path:
    """The plateau in x, and the parabola that it is in u."""
    charts = [
        Terrain(
            function=descent.height(saturated),
            paths={who[name].title: ways[name][:101] for name in ("plain", "adam")},
            xrange=(-config.start, config.start + 0.3),
            title="In x: a plateau",
        ),
        Terrain(
            function=descent.height(straightened),
            paths={who["output"].title: ways["output"][:21]},
            xrange=(-1.0, 1.02),
            title="In u = tanh x: a parabola",
            xlabel="u",
        ),
    ]
    return terrains(path, charts, key="the first 100 updates in x, the first 20 in u")


def draw_values(path: Path, config: Config, ways: descent.Paths, who: dict[str, descent.Contender]) -> Path:
    """The values by update, on the plateau and on the quartic."""
    charts = []
    for title, names in (("(tanh x + 0.5)² / 2", ("output", "plain", "adam")), ("x⁴", ("quartic", "squared"))):
        series = {who[name].title: descent.values(who[name].function, ways[name]) for name in names}
        wait = updates_in_theory(config.start, config.lr)
        charts.append(
            Panel(
                series=series,
                title=title,
                xlabel="update",
                ylabel="value",
                logy=True,
                ylim=(1e-12, 4.0),
                verticals={"theory": wait} if "plain" in names and wait < len(ways["plain"]) else {},
            )
        )
    return panels(path, charts, key="broken line: updates until SGD in x has halved the value, by theory")
