"""The pairs of schedules, of clipping and of averages of weights; rows of the ladder as in `twins`."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler, swa_utils

from fathom import autograd, optim
from fathom.autograd import nn as engine
from fathom.optim.twins import STEPS, Pair, Side, Start, Trace, quadratic

LONG = 120  # updates, so that restarts, floors and milestones all come
WARMUP = 11
BASE = 0.17  # rate of the twin: its schedules give rates, ours factors; below 0.2, from which the quadratic diverges

Scheduler = Callable[[torch.optim.Optimizer], Any]


def title(name: str, special: str) -> str:
    """A row's name: that of the thing, then what is special about the row."""
    return f"{name}: {special}" if special else name


def course(name: str, warmup: int, start: Start) -> Side:
    """Our side: 120 updates of SGD at the base rate times our factor."""

    def run(dtype: torch.dtype) -> Trace:
        schedule = optim.create_schedule(name, LONG, warmup)

        def before(optimizer: torch.optim.Optimizer, step: int) -> None:
            optimizer.param_groups[0]["lr"] = BASE * schedule(step)

        return train(start, dtype, lambda optimizer: None, before)

    return run


def rates(build: Scheduler, start: Start) -> Side:
    """Their side: the same with the scheduler's rates."""

    def run(dtype: torch.dtype) -> Trace:
        return train(start, dtype, build, lambda optimizer, step: None)

    return run


def train(
    start: Start, dtype: torch.dtype, build: Scheduler, before: Callable[[torch.optim.Optimizer, int], None]
) -> Trace:
    """The factors on the base rate, then the parameters at ten moments.

    Args:
        start: begins the problem.
        build: gives a scheduler of the framework's, or None.
        before: called before each update with the optimiser and the updates done.
    """
    parameters, set_gradients = start(dtype)
    optimizer = torch.optim.SGD(parameters, lr=BASE)
    scheduler = build(optimizer)
    factors, values = [], []
    for step in range(LONG):
        before(optimizer, step)
        factors.append(optimizer.param_groups[0]["lr"] / BASE)
        set_gradients()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        if (step + 1) % (LONG // 10) == 0:
            values += [parameter.detach().clone() for parameter in parameters]
    return [torch.tensor(factors, dtype=torch.float64).to(dtype), *values], []


@dataclass(frozen=True)
class Setting:
    """A schedule's name with its options, what is special about them, and the framework's schedule."""

    name: str
    special: str
    build: Scheduler
    warmup: int = 0


def after_warmup(build: Scheduler) -> Scheduler:
    """The framework's schedule behind its linear warm-up."""

    def sequence(optimizer: torch.optim.Optimizer) -> Any:
        rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / WARMUP, total_iters=WARMUP - 1)
        return lr_scheduler.SequentialLR(optimizer, [rise, build(optimizer)], milestones=[WARMUP])

    return sequence


def losses() -> list[float]:
    """A loss that falls, stops, falls by less than counts, gets worse, and falls again; 60 values."""
    falling = [1 / (1 + epoch) for epoch in range(17)]
    flat = [falling[-1] * (1 - 1e-6 * epoch) for epoch in range(19)]
    worse = [falling[-1] + 0.01 * math.sin(epoch) ** 2 for epoch in range(11)]
    return falling + flat + worse + [math.nan] + [falling[-1] * 0.9**epoch for epoch in range(12)]


def plateau(special: str, ours: str, **theirs: Any) -> Pair:
    """A row for the schedule with a memory: the factor after each observed loss."""

    def run_ours(dtype: torch.dtype) -> Trace:
        schedule = optim.create_schedule(ours, LONG)
        assert isinstance(schedule, optim.Plateau)
        factors = []
        for step, loss in enumerate(losses()):
            schedule.observe(loss)
            factors.append(schedule(step))
        return [torch.tensor(factors, dtype=torch.float64).to(dtype)], []

    def run_theirs(dtype: torch.dtype) -> Trace:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=BASE)
        scheduler, factors = lr_scheduler.ReduceLROnPlateau(optimizer, **theirs, eps=0.0), []
        for loss in losses():
            scheduler.step(loss)
            factors.append(optimizer.param_groups[0]["lr"] / BASE)
        return [torch.tensor(factors, dtype=torch.float64).to(dtype)], []

    return Pair(name=title("plateau", special), scratch=run_ours, twin=run_theirs, timed=False)


def noam_rates(optimizer: torch.optim.Optimizer) -> Any:
    """The paper's formula, written as it stands there, over its peak."""
    d_model, w = 512, WARMUP
    peak = d_model**-0.5 * w**-0.5
    return lr_scheduler.LambdaLR(
        optimizer, lambda step: d_model**-0.5 * min((step + 1) ** -0.5, (step + 1) * w**-1.5) / peak
    )


SETTINGS = (
    Setting("constant", "", lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    Setting("constant", "warm-up", after_warmup(lambda o: lr_scheduler.ConstantLR(o, factor=1.0)), WARMUP),
    Setting("factor,factor=0.8,every=7", "every 7", lambda o: lr_scheduler.StepLR(o, step_size=7, gamma=0.8)),
    Setting("factor,every=0.1", "every tenth", lambda o: lr_scheduler.StepLR(o, step_size=12, gamma=0.5)),
    Setting(
        "factor,factor=0.9,every=1,stop=0.05",
        "with a floor",
        lambda o: lr_scheduler.LambdaLR(o, lambda step: max(0.05, 0.9**step)),
    ),
    Setting("multi-factor", "", lambda o: lr_scheduler.MultiStepLR(o, [60, 90], gamma=0.1)),
    Setting(
        "multi-factor,milestones=5/31/31/97,factor=0.5",
        "one counts twice",
        lambda o: lr_scheduler.MultiStepLR(o, [5, 31, 31, 97], gamma=0.5),
    ),
    Setting("polynomial,power=3", "power 3", lambda o: lr_scheduler.PolynomialLR(o, LONG, power=3.0)),
    Setting(
        "polynomial",
        "warm-up",
        after_warmup(lambda o: lr_scheduler.PolynomialLR(o, LONG - WARMUP, power=2.0)),
        WARMUP,
    ),
    Setting(
        "linear,end=0.25",
        "to a quarter",
        lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.25, total_iters=LONG),
    ),
    Setting("exponential,gamma=0.97", "gamma", lambda o: lr_scheduler.ExponentialLR(o, gamma=0.97)),
    Setting("exponential,end=0.03", "to an end", lambda o: lr_scheduler.ExponentialLR(o, gamma=0.03 ** (1 / LONG))),
    Setting(
        "inverse,rate=0.1,power=0.5",
        "",
        lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / math.sqrt(1 + 0.1 * step)),
    ),
    Setting("inverse-square-root", "the paper's formula", noam_rates, WARMUP),
    Setting("cosine", "", lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=LONG)),
    Setting("cosine,end=0.1", "to a tenth", lambda o: lr_scheduler.CosineAnnealingLR(o, LONG, eta_min=0.1 * BASE)),
    Setting(
        "cosine", "warm-up", after_warmup(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=LONG - WARMUP)), WARMUP
    ),
    Setting(
        "cosine-restarts,first=17",
        "",
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=17),
    ),
    Setting(
        "cosine-restarts,first=5,multiply=2,end=0.02",
        "twice as long each",
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=2, eta_min=0.02 * BASE),
    ),
    Setting("one-cycle", "", lambda o: lr_scheduler.OneCycleLR(o, max_lr=BASE, total_steps=LONG, cycle_momentum=False)),
    Setting(
        "one-cycle,rise=0.45,start=0.1,end=0.001,curve=linear",
        "straight lines",
        lambda o: lr_scheduler.OneCycleLR(
            o,
            max_lr=BASE,
            total_steps=LONG,
            pct_start=0.45,
            anneal_strategy="linear",
            cycle_momentum=False,
            div_factor=10,
            final_div_factor=100,
        ),
    ),
)

PLATEAUS = (
    plateau("", "plateau"),
    plateau("patience 2", "plateau,factor=0.5,patience=2", factor=0.5, patience=2),
    plateau(
        "cool-down, floor, threshold",
        "plateau,factor=0.3,patience=1,cooldown=3,stop=0.05,threshold=0.02",
        factor=0.3,
        patience=1,
        cooldown=3,
        min_lr=0.05 * BASE,
        threshold=0.02,
    ),
)


def schedules(start: Start) -> Iterator[Pair]:
    """A row for every setting on one problem."""
    for entry in SETTINGS:
        word = entry.name.partition(",")[0]
        yield Pair(
            name=title(word, entry.special),
            scratch=course(entry.name, entry.warmup, start),
            twin=rates(entry.build, start),
            timed=False,
        )


def gradients(dtype: torch.dtype) -> list[nn.Parameter]:
    """Parameters with gradients of several shapes, one of them without."""
    generator = torch.Generator().manual_seed(5)
    parameters = [nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in ((3, 5), (7,), (), (2, 3, 5), (2,))]
    for parameter in parameters[:-1]:
        parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(dtype)
    return parameters


def clipped(clip: Callable[..., Any], *arguments: float) -> Side:
    """The gradients after clipping; the norm that it gives, if it does."""

    def run(dtype: torch.dtype) -> Trace:
        parameters = gradients(dtype)
        norm = clip(parameters, *arguments)
        values = [parameter.grad for parameter in parameters if parameter.grad is not None]
        return values, [] if norm is None else [norm]

    return run


def clipped_on_engine(clip: Callable[..., Any], *arguments: float) -> Side:
    """As `clipped`, on the engine."""

    def run(dtype: torch.dtype) -> Trace:
        parameters = []
        for theirs in gradients(dtype):
            ours = engine.Parameter(theirs.detach().numpy().copy())
            if theirs.grad is not None:
                ours.grad = autograd.Tensor(theirs.grad.numpy().copy())
            parameters.append(ours)
        norm = clip(parameters, *arguments)
        values = [torch.from_numpy(ours.grad.numpy()) for ours in parameters if ours.grad is not None]
        return values, [] if norm is None else [torch.tensor(norm, dtype=dtype)]

    return run


def clipping(special: str, name: str, *arguments: float, on_engine: bool = True) -> Pair:
    """A row for the clipping function called `name` in all three rooms."""
    return Pair(
        name=title(name, special),
        scratch=clipped(getattr(optim, name), *arguments),
        twin=clipped(getattr(nn.utils, name), *arguments),
        engine=clipped_on_engine(getattr(engine, name), *arguments) if on_engine else None,
        timed=False,
    )


CLIPPING = (
    clipping("too long", "clip_grad_norm_", 0.37),
    clipping("short enough", "clip_grad_norm_", 1000.0),
    clipping("largest number", "clip_grad_norm_", 0.37, math.inf, on_engine=False),
    clipping("sum of the numbers", "clip_grad_norm_", 0.37, 1.0, on_engine=False),
    clipping("", "clip_grad_value_", 0.37),
)


def _model(dtype: torch.dtype) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Tanh(), nn.Linear(7, 3)).to(dtype)


def _batches(dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(4)
    while True:
        x = torch.randn(11, 5, generator=generator, dtype=torch.float64)
        yield x.to(dtype), torch.sin(x[:, :3]).to(dtype)


def averaged(follow: Callable[[nn.Module], Any], statistics: Callable[..., None]) -> Side:
    """The averages at ten moments of a hundred updates; batch normalisation's statistics measured anew at the end.

    Args:
        follow: gives a function of no argument that hears of an update, and the model with the averages.
        statistics: `(batches, model)`, to measure them.
    """

    def run(dtype: torch.dtype) -> Trace:
        model, batches = _model(dtype), _batches(dtype)
        hear, average = follow(model)
        optimizer, values = torch.optim.SGD(model.parameters(), lr=0.1), []
        for number in range(1, STEPS + 1):
            x, y = next(batches)
            optimizer.zero_grad()
            (model(x) - y).square().mean().backward()
            optimizer.step()
            hear()
            if number % 10 == 0:
                values += [tensor.detach().clone() for tensor in average.parameters()]
        statistics([next(batches) for _ in range(3)], average)
        return values, [buffer for buffer in average.buffers() if buffer.is_floating_point()]

    return run


def ours(build: Callable[[nn.Module], optim.WeightAverage]) -> Side:
    """Our side of an average."""

    def follow(model: nn.Module) -> tuple[Callable[[], None], Any]:
        average = build(model)
        return average.update, average.model

    return averaged(follow, lambda batches, model: optim.update_statistics(model, batches))


def theirs(start: int = 0, every: int = 1, **move: Any) -> Side:
    """The framework's side: `AveragedModel` with one of its functions, told of the updates that count."""

    def follow(model: nn.Module) -> tuple[Callable[[], None], Any]:
        average, seen = swa_utils.AveragedModel(model, **move), 0

        def hear() -> None:
            nonlocal seen
            seen += 1
            if seen > start and seen % every == 0:
                average.update_parameters(model)

        return hear, average.module

    return averaged(follow, swa_utils.update_bn)


# The framework's get_swa_multi_avg_fn rounds the share 1/(n + 1) to float32, whatever the weights are; its
# get_swa_avg_fn does not.
AVERAGES = (
    Pair(name="ema", scratch=ours(optim.ema), twin=theirs(multi_avg_fn=swa_utils.get_ema_multi_avg_fn()), timed=False),
    Pair(
        name="ema: decay 0.8",
        scratch=ours(lambda model: optim.ema(model, decay=0.8)),
        twin=theirs(multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.8)),
        timed=False,
    ),
    Pair(
        name="swa",
        scratch=ours(lambda model: optim.swa(model, STEPS, 5)),
        twin=theirs(75, 5, avg_fn=swa_utils.get_swa_avg_fn()),
        timed=False,
    ),
    Pair(
        name="swa: from the start, every 3",
        scratch=ours(lambda model: optim.swa(model, STEPS, 10, start=0, every=3)),
        twin=theirs(0, 3, avg_fn=swa_utils.get_swa_avg_fn()),
        timed=False,
    ),
)

PAIRS = (*schedules(quadratic), *PLATEAUS, *CLIPPING, *AVERAGES)
