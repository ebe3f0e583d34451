"""What the recipes share in which update rules walk over a given function: settings, contenders, their paths."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fathom import optim
from fathom.data import Batches
from fathom.errors import InputError, RunFolderError
from fathom.optim import Schedule
from fathom.recipes.common.inputs import numbers
from fathom.records import DataUsed, Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, load_checkpoint
from fathom.train.config import STEP_FIELDS
from fathom.train.experiment import conduct, measured_again, prepare

Function = Callable[[Tensor], Tensor]
"""`(..., dimensions)` to `(...)`, differentiable; each point's value depends on that point alone."""

Paths = Mapping[str, np.ndarray]
"""Contenders' names to `(updates + 1, dimensions)` float64, the start first."""

NO_DATA = ("batch_size", "accumulate", "patience", "precision", "compile", "channels_last", "data")
PLAIN = ("optimizer", *STEP_FIELDS)


@dataclass(frozen=True, kw_only=True)
class DescentConfig(TrainConfig):
    """Settings of a recipe without data; its literal `DATA` is "none".

    A subclass may set `UPDATES`, how many updates make an epoch (what one record of the log stands for; `--limit`
    brings it down); `UNUSED`, the fields that it refuses besides those that only examples give a meaning; and `RANDOM`,
    that it draws random numbers, without which `seed` is refused too.

    Args:
        epochs: how often progress is recorded; each epoch is one update or, where the recipe says so, several.
        device: auto or cpu: a single point has nothing to gain elsewhere.
        data: none; the function is given.
    """

    epochs: int = 20
    batch_size: int = 1
    data: str = "none"

    UPDATES: ClassVar[int] = 1
    UNUSED: ClassVar[tuple[str, ...]] = PLAIN
    RANDOM: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self.keep(NO_DATA, "there are no examples: points move over a given function")
        self.keep(self.UNUSED, "each contender moves by the plain rule that it is named for")
        if not self.RANDOM:
            self.keep(("seed",), "nothing is drawn at random")
        if self.device not in ("auto", "cpu"):
            raise InputError(f"--device: expected auto or cpu, since one point moves, got {self.device}; leave it out")

    @property
    def updates_an_epoch(self) -> int:
        """`UPDATES`, or `limit` if that is less."""
        return min(self.UPDATES, self.limit or self.UPDATES)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One point and the rule by which it moves.

    Args:
        title: in pictures.
        function: what it minimises.
        start: `(dimensions,)`.
        rule: the list of the one parameter `(dimensions,)`, float64, to an optimiser over it
            (`by_name("sgd", 0.1)`). Its `step` is given the closure that torch's optimisers take.
        schedule: updates done to the factor on the rule's learning rate; None leaves it alone.
        noise: standard deviation of normal noise on each partial derivative, from torch's global generator.
    """

    title: str
    function: Function
    start: tuple[float, ...]
    rule: Callable[[list[nn.Parameter]], torch.optim.Optimizer]
    schedule: Schedule | None = None
    noise: float = 0.0


class Descent:
    """A step in which each contender makes one update by itself; it is `Stateful` and keeps the paths.

    One whose gradient is not finite stays where it is from then on, and its value counts as infinite; only the
    reference must stay finite.

    Args:
        contenders: by name; names may not have a dot.
        reference: whose value also goes by the plain name `loss`.
    """

    def __init__(self, contenders: Mapping[str, Contender], reference: str) -> None:
        self.contenders, self.reference = dict(contenders), reference
        starts = {name: torch.tensor(each.start, dtype=torch.float64) for name, each in contenders.items()}
        self.points = nn.ParameterDict({name: nn.Parameter(start) for name, start in starts.items()})
        self.rules = {name: each.rule([self.points[name]]) for name, each in contenders.items()}
        self.rates = {name: [float(group["lr"]) for group in rule.param_groups] for name, rule in self.rules.items()}
        self.trail = {name: [start.clone()] for name, start in starts.items()}

    def __call__(self, batch: object = None) -> dict[str, float | Tensor]:
        """Move each once; gives the values of the function before the move, as `NAME_loss`."""
        values: dict[str, float | Tensor] = {f"{name}_loss": self.move(name) for name in self.contenders}
        return {"loss": values[f"{self.reference}_loss"], **values}

    def move(self, name: str) -> float:
        """One update of one contender, if its gradient is finite; the value before it."""
        each, point, rule = self.contenders[name], self.points[name], self.rules[name]
        if each.schedule is not None:
            factor = each.schedule(len(self.trail[name]) - 1)
            for group, rate in zip(rule.param_groups, self.rates[name], strict=True):
                group["lr"] = rate * factor

        def evaluate() -> Tensor:
            rule.zero_grad()
            value = each.function(point)
            value.backward()
            if each.noise:
                assert point.grad is not None
                point.grad += each.noise * torch.randn_like(point)
            return value.detach()

        before = point.detach().clone()
        with torch.enable_grad():
            value = float(rule.step(evaluate))  # type: ignore[arg-type]
        if not (math.isfinite(value) and bool(point.isfinite().all())):
            point.data.copy_(before)
            value = math.inf
        self.trail[name].append(point.detach().clone())
        return value

    @property
    def paths(self) -> Paths:
        """Where each has been."""
        return {name: torch.stack(trail).numpy() for name, trail in self.trail.items()}

    def state_dict(self) -> dict[str, Any]:
        """The states of the rules, and the paths."""
        return {"rules": {name: rule.state_dict() for name, rule in self.rules.items()}, "paths": self.paths}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave; the points themselves are the model's state."""
        for name, rule in self.rules.items():
            rule.load_state_dict(state["rules"][name])
            self.trail[name] = list(torch.from_numpy(state["paths"][name]).unbind())


def by_name(name: str, lr: float, rung: str = "torch", **options: Any) -> Callable[..., torch.optim.Optimizer]:
    """The rule called `name`, as `Contender` takes it; arguments as of `fathom.optim.create`."""
    return partial(optim.create, name, lr=lr, rung=rung, **options)


def walk(contenders: Mapping[str, Contender], updates: int) -> Paths:
    """Where the contenders go in so many updates, without a record or a folder."""
    descent = Descent(contenders, next(iter(contenders)))
    for _ in range(updates):
        descent()
    return descent.paths


class Given:
    """Stands where `conduct` asks for examples: the function in words, and one empty row an update."""

    def __init__(self, formula: str, dimensions: int, updates: int) -> None:
        self.tensors = {"x": torch.zeros(updates, dimensions)}
        self.used = DataUsed(name=formula, origin="function")
        self.about: dict[str, Any] = {"kind": "function", "classes": [], "formula": formula}

    def __len__(self) -> int:
        """Updates an epoch."""
        return len(self.tensors["x"])


Inspect = Callable[[Paths], Mapping[str, float]]
"""Numbers read from the paths so far; none may be NaN, which is not equal to itself."""


def run_descent(
    recipe: str,
    config: DescentConfig,
    contenders: Mapping[str, Contender],
    reference: str,
    *,
    formula: str,
    published: Sequence[Mapping[str, Any]],
    folder: RunFolder | None,
    listeners: Sequence[Listener],
    inspect: Inspect | None = None,
    constant: Mapping[str, float] | None = None,
) -> Result:
    """Let all contenders move side by side, recorded, saved and resumed like any training.

    Args:
        reference: the contender that `loss` and `predict` are of; only it must stay finite.
        formula: the function in words, for the result.
        inspect: numbers that join each epoch's record.
        constant: numbers that stand in every record (what theory says, what was measured beforehand).
    """
    prepare(config)
    step = Descent(contenders, reference)
    given = Given(formula, len(contenders[reference].start), config.updates_an_epoch)
    return conduct(
        recipe,
        config,
        step,
        Batches(given.tensors["x"], batch_size=1),
        {"model": step.points, "step": step},
        given,
        evaluate=lambda: {**(inspect(step.paths) if inspect else {}), **(constant or {})},
        monitor="",  # the last point is where it went
        published=published,
        folder=folder,
        listeners=listeners,
    )


def paths(folder: RunFolder) -> dict[str, np.ndarray]:
    """The paths of a run, up to its last checkpoint.

    Raises:
        RunFolderError: the run never saved anything.
    """
    if not folder.last.is_file():
        raise RunFolderError(
            f"{folder.path} has no checkpoint yet; train it with fathom train {folder.recipe} --resume {folder.path}"
        )
    return dict(load_checkpoint(folder.last)["step"]["paths"])


def measure_descent(
    folder: RunFolder, config: DescentConfig, inspect: Inspect, published: Sequence[Mapping[str, Any]]
) -> Result:
    """Read the numbers from a run's paths again."""
    used = DataUsed(name=str(folder.data["formula"]), origin="function")
    return measured_again(folder, config, inspect(paths(folder)), used, published, "the last checkpoint")


def predict_descent(
    folder: RunFolder, source: str | Path, config: DescentConfig, contenders: Mapping[str, Contender]
) -> Prediction:
    """Where the contenders end that start at the point in `source` (as in `0.5,2`), after as many updates as the run.

    `label` is the first contender's last value, `extra` has where each of them ended and the first one's path: all of
    it, or about twenty points. Contenders over another number of dimensions than the point's are left out.

    Raises:
        InputError: the numbers are not as many as a contender has dimensions, or no numbers.
    """
    (dimensions,) = folder.data["example_shape"]
    start = tuple(numbers(source, dimensions))
    moved = {name: replace(each, start=start) for name, each in contenders.items() if len(each.start) == dimensions}
    prepare(config)
    ways = walk(moved, config.epochs * config.updates_an_epoch)
    first = next(iter(moved))
    value = float(moved[first].function(torch.from_numpy(ways[first][-1])))
    ends = {f"{name}_end": way[-1].tolist() for name, way in ways.items()}
    spread = ways[first][:: -(-len(ways[first]) // 21)]
    return Prediction(input=str(source)[:200], label=value, extra={**ends, "path": spread.tolist()})


def point(*coordinates: float) -> Tensor:
    """`(dimensions,)` float64."""
    return torch.tensor(coordinates, dtype=torch.float64)


def finite_point(flag: str, coordinates: Sequence[float]) -> None:
    """InputError, naming the flag, unless all coordinates are finite."""
    if not all(math.isfinite(each) for each in coordinates):
        raise InputError(f"--{flag}: expected {len(coordinates)} finite numbers, got {tuple(coordinates)}")


def first_below(values: np.ndarray, bound: float) -> int:
    """The number of updates after which `(updates + 1,)` values are first below `bound`; their number if never."""
    below = values < bound
    return int(np.argmax(below)) if below.any() else len(values)


def values(function: Function, way: np.ndarray) -> np.ndarray:
    """The function along a path `(updates + 1, dimensions)`."""
    return function(torch.from_numpy(way)).numpy()


def at(way: np.ndarray, update: int) -> np.ndarray:
    """The point after so many updates, or the last one if the path is shorter."""
    return np.asarray(way[min(update, len(way) - 1)])


def height(function: Function) -> Callable[[np.ndarray], np.ndarray]:
    """A function over `(..., 1)` as `fathom.plot` takes it: of one array of coordinates."""
    return lambda x: function(torch.from_numpy(np.asarray(x, dtype=np.float64))[..., None]).numpy()


def heights(function: Function) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function of points in the plane as `fathom.plot` takes it: of two arrays of coordinates."""
    return lambda x, y: function(torch.from_numpy(np.stack([x, y], axis=-1))).numpy()
