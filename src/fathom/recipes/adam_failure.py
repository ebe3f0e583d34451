"""Where Adam goes the wrong way: rare large gradients that it forgets, and what AMSGrad and Yogi do about them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fathom import optim
from fathom.data import Batches
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.recipes.common.inputs import numbers
from fathom.records import DataUsed, Prediction, Result, RunFolder
from fathom.train import Listener, load_checkpoint
from fathom.train.experiment import conduct, measured_again, prepare

SECTION = "Reddi, Kale and Kumar 2018"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "adam_online_x",
        "value": 1.0,
        "split": "1010 x once in 101 steps, -10 x else",
        "source": "Reddi et al. 2018, arXiv 1904.09237, section 5: Adam's iterates converge to 1",
        "note": "the paper states where they tend to and draws the way; it does not state the rate",
    },
    {
        "metric": "amsgrad_online_x",
        "value": -1.0,
        "split": "1010 x once in 101 steps, -10 x else",
        "source": "Reddi et al. 2018, arXiv 1904.09237, section 5: AMSGrad's converge to the optimum, -1",
        "note": "the paper states where they tend to and draws the way; it does not state the rate",
    },
    {
        "metric": "adam_theorem_regret",
        "value": 0.6667,
        "split": "3 x once in 3 steps, -x else",
        "source": "Reddi et al. 2018, arXiv 1904.09237, proof of theorem 1: at least 2C - 4 in every three steps",
        "note": "a lower bound for C = 3, from which on Adam's regret never falls",
    },
    {
        "metric": "yogi_online_x",
        "value": None,
        "split": "1010 x once in 101 steps, -10 x else",
        "source": "Zaheer et al. 2018, Adaptive Methods for Nonconvex Optimization",
        "note": "the paper does not try Yogi on this problem",
    },
]
FORMULA = "f_t(x) on [-1, 1], linear in x with a slope that changes with t"
BLOCK = 101  # losses an update of the log: one period of the longest problem
REFERENCE = "amsgrad"
ONLINE_BETAS = (0.9, 0.99)  # Reddi et al. 2018, section 5


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Adam's failure on [-1, 1]; the rate is lr / √t, and each update of the log stands for 101 steps.

    Args:
        lr: the rate at t = 1.
        steep: C in theorem 1's problem, C x once in three steps and -x else; above 2, so that -1 is the best x.
        start: where x begins, from -1 to 1.
        runs: of the stochastic problem, whose mean is shown.
    """

    epochs: int = 30
    lr: float = 0.5
    steep: float = 3.0
    start: float = 0.0
    runs: int = 20

    UPDATES: ClassVar[int] = 10

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steep", above=2)
        self._check("start", at_least=-1, at_most=1)
        self._check("runs", at_least=1)


@dataclass(frozen=True)
class Problem:
    """A sequence of linear losses, each on an x of its own.

    Args:
        title: in pictures.
        count: columns: repetitions side by side.
        slopes: step numbers from 1, `(steps,)`, to slopes `(steps, count)`; may draw from torch's global generator.
        mean: the slope on average, above 0, so that -1 is best.
        drawn: whether the slopes are drawn; the regret then counts by their mean.
    """

    title: str
    count: int
    slopes: Callable[[Tensor], Tensor]
    mean: float
    drawn: bool = False


def problems(config: Config) -> dict[str, Problem]:
    """That of theorem 1, the online and the stochastic one of the paper's experiments."""

    def every(period: int, once: float, else_: float) -> Callable[[Tensor], Tensor]:
        return lambda t: torch.where(t % period == 1, once, else_).double()[:, None]

    def sometimes(t: Tensor) -> Tensor:
        return torch.where(torch.rand(len(t), config.runs) < 0.01, 1010.0, -10.0).double()

    c = config.steep
    return {
        "theorem": Problem(f"{c:g}x once in 3 steps, -x else", 1, every(3, c, -1.0), (c - 2) / 3),
        "online": Problem("1010x once in 101 steps, -10x else", 1, every(101, 1010.0, -10.0), 10 / 101),
        "stochastic": Problem(
            f"1010x with probability 0.01, -10x else ({config.runs} runs)", config.runs, sometimes, 0.2, drawn=True
        ),
    }


TITLES = {"adam": "Adam", "amsgrad": "AMSGrad", "yogi": "Yogi"}  # the names are those of the update rules


class Online:
    """A step in which every contender sees the same next 101 losses of every problem; it is `Stateful`.

    After each loss x moves and is projected on [-1, 1]. What is kept of a block is the mean x of each problem's
    columns, `(blocks, problems)`, and the regret so far, of x against -1, `(blocks, problems)`.

    Args:
        config: rate, start and rung.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.problems, self.done = config, problems(config), 0
        counts = [problem.count for problem in self.problems.values()]
        self.owners = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        self.counts = torch.tensor(counts, dtype=torch.float64)
        starts = [torch.full((count,), config.start, dtype=torch.float64) for count in (counts[0], sum(counts[1:]))]
        self.points = nn.ParameterDict(
            {f"{name}_{part}": nn.Parameter(start.clone()) for name in TITLES for part, start in enumerate(starts)}
        )
        theorem = (0.0, 1 / (1 + config.steep**2))  # theorem 1's choice of both betas
        self.rules = {
            name: optim.create(
                name,
                [
                    {"params": [self.points[f"{name}_0"]], "betas": theorem},
                    {"params": [self.points[f"{name}_1"]], "betas": ONLINE_BETAS},
                ],
                config.lr,
                rung=config.rung,
            )
            for name in TITLES
        }
        self.x: dict[str, list[Tensor]] = {name: [] for name in TITLES}
        self.regret: dict[str, list[Tensor]] = {name: [] for name in TITLES}

    def __call__(self, batch: object = None) -> dict[str, float | Tensor]:
        """Go on by 101 losses; gives the mean regret of a loss in the online problem, as `NAME_loss`."""
        t = torch.arange(self.done + 1, self.done + BLOCK + 1)
        each = [(problem, problem.slopes(t)) for problem in self.problems.values()]
        slopes = torch.cat([part for _, part in each], dim=1)
        costs = torch.cat([torch.full_like(part, one.mean) if one.drawn else part for one, part in each], dim=1)
        values: dict[str, float | Tensor] = {}
        for name in TITLES:
            seen = self.follow(name, slopes)
            regret = self.by_problem((costs * (seen + 1)).sum(dim=0))
            before = self.regret[name][-1] if self.regret[name] else torch.zeros_like(regret)
            self.x[name].append(self.by_problem(seen.mean(dim=0)))
            self.regret[name].append(before + regret)
            values[f"{name}_loss"] = regret[1].item() / BLOCK
        self.done += BLOCK
        return {"loss": values[f"{REFERENCE}_loss"], **values}

    def follow(self, name: str, slopes: Tensor) -> Tensor:
        """Move one contender through the losses, `(steps, columns)`; gives x before each, of that shape."""
        rule, points = self.rules[name], [self.points[f"{name}_{part}"] for part in (0, 1)]
        parts = slopes.split([len(point) for point in points], dim=1)
        seen = [torch.empty_like(part) for part in parts]
        for t in range(len(slopes)):
            for point, part, kept, group in zip(points, parts, seen, rule.param_groups, strict=True):
                kept[t] = point.detach()
                point.grad = part[t]
                group["lr"] = self.config.lr / math.sqrt(self.done + t + 1)
            rule.step()
            for point in points:
                point.data.clamp_(-1, 1)  # the projection on [-1, 1]
        return torch.cat(seen, dim=1)

    def by_problem(self, columns: Tensor) -> Tensor:
        """`(columns,)` to the mean of each problem's, `(problems,)`."""
        return torch.zeros_like(self.counts).index_add_(0, self.owners, columns) / self.counts

    def history(self) -> dict[str, dict[str, np.ndarray]]:
        """`x` and average `regret` of each contender, `(blocks, problems)`."""
        found = {}
        for name in TITLES:
            regret = torch.stack(self.regret[name]).numpy()
            steps = BLOCK * np.arange(1, len(regret) + 1)
            found[name] = {"x": torch.stack(self.x[name]).numpy(), "regret": regret / steps[:, None]}
        return found

    def state_dict(self) -> dict[str, Any]:
        """The rules' states, the steps done and what was seen."""
        rules = {name: rule.state_dict() for name, rule in self.rules.items()}
        seen = {
            name: {"x": torch.stack(self.x[name]), "regret": torch.stack(self.regret[name])}
            for name in TITLES
            if self.done
        }
        return {"rules": rules, "done": self.done, "seen": seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave; the points themselves are the model's state."""
        self.done = int(state["done"])
        for name, rule in self.rules.items():
            rule.load_state_dict(state["rules"][name])
            if name in state["seen"]:
                self.x[name] = list(state["seen"][name]["x"].unbind())
                self.regret[name] = list(state["seen"][name]["regret"].unbind())


def inspect(config: Config, seen: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, float]:
    """Where each contender's x is by now, and its average regret, for each problem."""
    return {
        f"{name}_{problem}_{what}": float(values[-1, column])
        for name, both in seen.items()
        for what, values in both.items()
        for column, problem in enumerate(problems(config))
    }


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let all contenders move through the same losses.

    `NAME_PROBLEM_x` is the mean of x over the last 101 steps, `NAME_PROBLEM_regret` the regret by step so far.
    """
    prepare(config)
    step = Online(config)
    given = descent.Given(FORMULA, 1, config.updates_an_epoch)
    return conduct(
        "adam-failure",
        config,
        step,
        Batches(given.tensors["x"], batch_size=1),
        {"model": step.points, "step": step},
        given,
        evaluate=lambda: inspect(config, step.history()),
        monitor="",  # the last x is where it went
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
    )


def recorded(folder: RunFolder, config: Config) -> dict[str, dict[str, np.ndarray]]:
    """A run's `Online.history`, up to its last checkpoint."""
    step = Online(config)
    step.load_state_dict(load_checkpoint(folder.last)["step"])
    return step.history()


def measure(folder: RunFolder) -> Result:
    """Read the figures from a run's last checkpoint again."""
    config = Config(**folder.config)
    used = DataUsed(name=FORMULA, origin="function")
    found = inspect(config, recorded(folder, config))
    return measured_again(folder, config, found, used, PUBLISHED, "the last checkpoint")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What it costs on average to stand at the x in `source`, more than at -1, in a step of the online problem.

    `extra` has the cost in the other problems, and where each contender of the run ended.
    """
    config = Config(**folder.config)
    (x,) = numbers(source, 1)
    costs = {f"{name}_cost": problem.mean * (x + 1) for name, problem in problems(config).items()}
    ends = {name: value for name, value in inspect(config, recorded(folder, config)).items() if name.endswith("_x")}
    return Prediction(input=str(source)[:200], label=costs["online_cost"], extra={**costs, **ends})


# --- pictures -------------------------------------------------------------------------------------------------------


LIMITS = {("x", False): (-1.1, 1.1), ("x", True): (-1.1, 1.1), ("regret", True): (0.0, 0.42)}  # 0.4 is x = 1's


def draw(folder: RunFolder) -> list[Path]:
    """x and the average regret by step, for each problem, as in the paper's figure 1."""
    config = Config(**folder.config)
    seen = recorded(folder, config)
    charts = []
    for what, heading in (("x", "x"), ("regret", "average regret")):
        for column, problem in enumerate(problems(config).values()):
            steps = BLOCK * np.arange(1, len(seen[REFERENCE][what]) + 1)
            charts.append(
                Panel(
                    series={title: (steps, seen[name][what][:, column]) for name, title in TITLES.items()},
                    title=problem.title if what == "x" else "",
                    xlabel="" if what == "x" else "step",
                    ylabel=heading if column == 0 else "",
                    logx=True,
                    logy=what == "regret" and not problem.drawn,
                    ylim=LIMITS.get((what, problem.drawn)),
                    names=column == 2,
                )
            )
    return [panels(folder.path / "adam-failure.png", charts, columns=3)]
