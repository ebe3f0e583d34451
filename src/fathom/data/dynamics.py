"""Series made by equations: a chaotic delay equation, a moving average with feedback, slow waves under fast ones.

- `mackey-glass` is a series to be continued: `y` is the number after each `x`.
- `narma-10` is a system to be copied: `x` is what drives it, evenly between 0 and 0.5, and `y` what it answers.
- `slow-waves` are many short series, `x` `(examples, length)`: a slow wave, as loud a fast one, and noise; the class
  `y` is the slow one's period.
"""

from __future__ import annotations

from typing import Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer, number
from fathom.data.series import series
from fathom.records import DataUsed

MACKEY_GLASS = Card(
    name="mackey-glass",
    title="The delay equation of Mackey and Glass",
    example="a number, and the number one unit of time later",
    splits={"train": 2999, "test": 4999},
    licence="generated; Apache-2.0 as this package",
    task="forecasting",
)
NARMA = Card(
    name="narma-10",
    title="A nonlinear moving average of ten steps, with feedback",
    example="a number that drives the system, and its answer one step later",
    splits={"train": 2400, "test": 3600},
    licence="generated; Apache-2.0 as this package",
    task="regression",
)
PERIODS = (12, 24, 48, 96)  # of the slow wave in steps, up to a quarter more or less
WAVES = Card(
    name="slow-waves",
    title="Slow waves under fast ones",
    example="a series, and about how many steps its slow wave takes",
    splits={"train": 2000, "test": 500},
    licence="generated; Apache-2.0 as this package",
    classes=tuple(str(period) for period in PERIODS),
)
CARDS = (MACKEY_GLASS, NARMA, WAVES)
OPTIONS = {
    "steps": integer(100),  # of both splits together
    "length": integer(10),  # slow-waves: of each series
    "examples": integer(1),  # slow-waves: in this split
    "noise": number(),  # slow-waves: standard deviation
    "tau": number(1),  # mackey-glass: the delay, in units of time; chaotic from about 16.8
    "test": number(0, below=1),  # share of the steps, at the end
    "seed": integer(0),
}
STEPS = {"mackey-glass": (8000, 0.625), "narma-10": (6000, 0.6)}
SUBSTEPS = 10  # of the integration in a unit of time
SETTLING = 1000  # steps that are made and left out, so that the start is forgotten
ORDER = 10
ANSWERS_BELOW = 1.0  # narma-10 runs away from about one drive in a thousand; those are drawn again


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split; `mackey-glass` is standardised by its training part."""
    if card is WAVES:
        return slow_waves(split, options)
    steps, share = STEPS[card.name]
    steps, share, seed = options.get("steps", steps), options.get("test", share), options.get("seed", 0)
    used = DataUsed(name=card.name, origin="generated")
    if card is MACKEY_GLASS:
        return series(card, split, mackey_glass(steps, options.get("tau", 17.0), seed), used, share, standardise=True)
    return _driven(card, split, *narma(steps, seed), used, share)


def mackey_glass(steps: int, tau: float = 17.0, seed: int = 0) -> Any:
    """`(steps,)` float64 at units of time of x' = 0.2 x(t - τ) / (1 + x(t - τ)¹⁰) - 0.1 x.

    Runge and Kutta's fourth-order rule in steps of 0.1, the delayed value between two steps by a cubic through its
    neighbours; the history before time 0 is 1.2 with a little noise of the seed.

    Source: Mackey and Glass 1977, "Oscillation and chaos in physiological control systems".
    """
    import numpy as np

    h, lag = 1 / SUBSTEPS, round(tau * SUBSTEPS)
    x = list(1.2 + 0.1 * (np.random.default_rng(seed).random(lag + 2) - 0.5))

    def slope(now: float, delayed: float) -> float:
        return 0.2 * delayed / (1 + delayed**10) - 0.1 * now

    for _ in range((steps + SETTLING) * SUBSTEPS):
        now, before, start, end, after = x[-1], x[-lag - 2], x[-lag - 1], x[-lag], x[min(-lag + 1, -1)]
        middle = (9 * (start + end) - before - after) / 16
        k1 = slope(now, start)
        k2 = slope(now + h / 2 * k1, middle)
        k3 = slope(now + h / 2 * k2, middle)
        k4 = slope(now + h * k3, end)
        x.append(now + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return np.array(x[-steps * SUBSTEPS :: SUBSTEPS])


def narma(steps: int, seed: int = 0) -> tuple[Any, Any]:
    """Drive u and answer y, each `(steps,)` float64.

    y(t + 1) = 0.3 y(t) + 0.05 y(t) Σ y(t - i) + 1.5 u(t - 9) u(t) + 0.1, the sum over i from 0 to 9; row t holds u(t)
    and y(t + 1).

    Source: Atiya and Parlos 2000, "New results on recurrent network training".
    """
    import numpy as np

    for draw in range(1000):
        u = np.random.default_rng((seed, draw)).random(steps + ORDER) * 0.5
        y = np.zeros(steps + ORDER + 1)
        for t in range(ORDER, steps + ORDER):
            y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * y[t - 9 : t + 1].sum() + 1.5 * u[t - 9] * u[t] + 0.1
            if not y[t + 1] < ANSWERS_BELOW:
                break
        else:
            break
    return u[ORDER:], y[ORDER + 1 :]


def slow_waves(split: str, options: dict[str, Any]) -> Dataset:
    """Series `(examples, length)` float and their classes `(examples,)`: 100 steps and a noise of 0.5 unless given."""
    import math

    import torch

    from fathom import seeding

    count, length = options.get("examples", WAVES.splits[split]), options.get("length", 100)
    random = seeding.generator(options.get("seed", 0), list(WAVES.splits).index(split), length)
    y = torch.randint(len(PERIODS), (count,), generator=random)
    detune, fast, *phases = torch.rand(4, count, 1, generator=random)
    slow = torch.tensor(PERIODS)[y, None] * 1.25 ** (2 * detune - 1)
    time = torch.arange(length)
    waves = [
        torch.sin(2 * math.pi * (time / period + phase))
        for period, phase in zip((slow, 3 + 5 * fast), phases, strict=True)
    ]
    x = waves[0] + waves[1] + options.get("noise", 0.5) * torch.randn(count, length, generator=random)
    used = DataUsed(name=WAVES.name, origin="generated", sizes={split: count})
    return Dataset(WAVES, split, {"x": x, "y": y}, used, {"kind": "waves", "classes": list(WAVES.classes)})


def _driven(card: Card, split: str, drive: Any, answer: Any, used: DataUsed, share: float) -> Dataset:
    import dataclasses

    import torch

    first = len(drive) - round(len(drive) * share)
    part = slice(first) if split == "train" else slice(first, None)
    tensors = {"x": torch.from_numpy(drive[part].copy()).float(), "y": torch.from_numpy(answer[part].copy()).float()}
    used = dataclasses.replace(used, sizes={split: len(tensors["x"])})
    return Dataset(card, split, tensors, used, {"kind": "driven", "classes": [], "mean": 0.0, "std": 1.0})
