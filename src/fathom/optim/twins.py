"""The table of pairs: every update rule of ours beside the framework's, over a hundred steps.

A `Pair` runs both sides from the same start and gives what they did; `compare` measures how far apart they end up.
`table` gives all rows, for the problems that the caller has.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fathom import autograd
from fathom.autograd import optim as engine_optim
from fathom.layers.engine import NotCarried
from fathom.layers.ladder import TOLERANCES, Comparison, fastest, worst_difference
from fathom.optim.adadelta import Adadelta
from fathom.optim.adagrad import Adagrad
from fathom.optim.adam import Adam
from fathom.optim.adamw import AdamW
from fathom.optim.composites import lamb_by_adam, lars_by_sgd, yogi_by_adam
from fathom.optim.lamb import LAMB
from fathom.optim.lars import LARS
from fathom.optim.problems import Start, network, quadratic
from fathom.optim.rmsprop import RMSprop
from fathom.optim.sgd import SGD
from fathom.optim.yogi import Yogi

STEPS = 100

Trace = tuple[list[Tensor], list[Tensor]]
"""What is compared: values along the way (parameters, factors, clipped gradients), and what else must agree."""

Side = Callable[[torch.dtype], Trace]
"""Runs one side of a pair from its start, in a dtype."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Something of ours that goes on for many steps, and what it must equal.

    Args:
        name: the class or function, then what is special about this row (`SGD: momentum, quadratic`).
        scratch: runs ours.
        twin: runs the framework's; its trace has the same shapes.
        engine: runs that of the NumPy engine, if there is one.
        timed: whether a run is mostly the code in question, so that its time means something.
    """

    name: str
    scratch: Side
    twin: Side
    engine: Side | None = None
    timed: bool = True

    @property
    def layer(self) -> str:
        """The name of what is compared, without what is special about the row."""
        return self.name.partition(":")[0]


def compare(pair: Pair, dtype: torch.dtype = torch.float64, rung: str = "scratch", repeats: int = 0) -> Comparison:
    """Measure one row; its first difference is of the values, its second of the state.

    Args:
        pair: the row.
        dtype: `torch.float64` or `torch.float32`.
        rung: `scratch`, or `numpy` if the pair has an `engine`.
        repeats: how often each side is timed, in turn; the fastest counts. 0: no timing.

    Raises:
        NotCarried: the pair has nothing on rung numpy.
    """
    side = pair.scratch if rung == "scratch" else pair.engine
    if side is None:
        raise NotCarried("the engine has none of its own")
    (values, state), (expected, expected_state) = side(dtype), pair.twin(dtype)
    seconds = twin_seconds = 0.0
    if repeats and pair.timed:
        seconds, twin_seconds = fastest(lambda: side(dtype), lambda: pair.twin(dtype), repeats=repeats)
    return Comparison(
        name=pair.name,
        rung=rung,
        dtype=str(dtype).removeprefix("torch."),
        output_difference=worst_difference(values, expected),
        gradient_difference=worst_difference(state, expected_state),
        tolerance=TOLERANCES[dtype],
        seconds=seconds,
        twin_seconds=twin_seconds,
    )


Build = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def trajectory(build: Build, start: Start, steps: int = STEPS) -> Side:
    """The side that takes `steps` steps: the parameters at ten moments, and the optimiser's state at the end."""

    def run(dtype: torch.dtype) -> Trace:
        parameters, set_gradients = start(dtype)
        optimizer = build(parameters)
        values = []
        for number in range(1, steps + 1):
            set_gradients()
            optimizer.step()
            if number % (steps // 10) == 0:
                values += [parameter.detach().clone() for parameter in parameters]
        return values, list(_state(optimizer.state_dict()))

    return run


def engine_trajectory(build: Callable[[list[Any]], Any], start: Start, steps: int = STEPS) -> Side:
    """As `trajectory`, with an optimiser of the NumPy engine on the same memory."""

    def run(dtype: torch.dtype) -> Trace:
        parameters, set_gradients = start(dtype)
        own = [autograd.Tensor(parameter.detach().numpy(), requires_grad=True) for parameter in parameters]
        optimizer = build(own)
        values = []
        for number in range(1, steps + 1):
            set_gradients()
            for tensor, parameter in zip(own, parameters, strict=True):
                tensor.grad = autograd.Tensor(parameter.grad.numpy())  # type: ignore[union-attr]
            optimizer.step()
            if number % (steps // 10) == 0:
                values += [parameter.detach().clone() for parameter in parameters]
        return values, list(_state(optimizer.state_dict()))

    return run


def _state(state_dict: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors of a state dict by parameter, then by name."""
    for number in sorted(state_dict["state"]):
        for name, value in sorted(state_dict["state"][number].items()):
            if name != "step" and value is not None:
                yield torch.as_tensor(value)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A rule with options, before there is a problem.

    Args:
        name: the class, then what is special.
        ours: builds our optimiser; takes `foreach`.
        theirs: builds the framework's, or one put together from its parts.
        engine: builds the engine's.
        everywhere: whether it is worth a row on every problem.
    """

    name: str
    ours: Callable[..., torch.optim.Optimizer]
    theirs: Callable[..., torch.optim.Optimizer]
    engine: Callable[..., Any] | None = None
    everywhere: bool = True


def setting(label: str, rule: Any, engine: Any = None, *, everywhere: bool = True, **options: Any) -> Setting:
    """Our rule and its twin with the same options; the NumPy engine's too, if it has that."""
    return Setting(
        name=f"{rule.__name__}: {label}" if label else rule.__name__,
        ours=partial(rule, **options),
        theirs=partial(rule.TWIN, **options),
        engine=partial(engine, **options) if engine else None,
        everywhere=everywhere,
    )


ADAM_OPTIONS: dict[str, Any] = {"lr": 0.02, "betas": (0.8, 0.98), "eps": 1e-5}
LARS_OPTIONS: dict[str, Any] = {"lr": 0.5, "momentum": 0.8, "weight_decay": 0.01, "trust_coefficient": 0.02}

SETTINGS = (
    setting("", SGD, engine_optim.SGD, lr=0.05),
    setting("momentum, weight decay", SGD, engine_optim.SGD, lr=0.02, momentum=0.9, weight_decay=0.1),
    setting("dampening", SGD, engine_optim.SGD, everywhere=False, lr=0.05, momentum=0.9, dampening=0.3),
    setting("nesterov", SGD, engine_optim.SGD, lr=0.02, momentum=0.8, nesterov=True),
    setting("maximize", SGD, everywhere=False, lr=0.001, momentum=0.5, maximize=True),
    setting("", Adagrad, lr=0.1),
    setting(
        "rate decay, weight decay",
        Adagrad,
        everywhere=False,
        lr=0.2,
        lr_decay=0.1,
        weight_decay=0.1,
        initial_accumulator_value=0.3,
    ),
    setting("", RMSprop, everywhere=False, lr=0.02),
    setting("centered, momentum", RMSprop, lr=0.005, alpha=0.9, momentum=0.7, centered=True, weight_decay=0.1),
    setting("", Adadelta),
    setting("weight decay", Adadelta, everywhere=False, lr=0.7, rho=0.8, eps=1e-4, weight_decay=0.1),
    setting("", Adam, engine_optim.Adam, lr=0.05),
    setting("weight decay", Adam, engine_optim.Adam, everywhere=False, **ADAM_OPTIONS, weight_decay=0.1),
    setting("maximize", Adam, everywhere=False, **ADAM_OPTIONS, maximize=True),
    setting("amsgrad", Adam, **ADAM_OPTIONS, amsgrad=True),
    setting("", AdamW, everywhere=False, lr=0.05),
    setting("amsgrad", AdamW, **ADAM_OPTIONS, weight_decay=0.3, amsgrad=True),
    Setting(
        name="Yogi: beside Adam with its square",
        ours=partial(Yogi, **ADAM_OPTIONS, bias_correction=True),
        theirs=partial(yogi_by_adam, **ADAM_OPTIONS),
    ),
    Setting(
        name="LARS: beside SGD with its rates",
        ours=partial(LARS, **LARS_OPTIONS),
        theirs=partial(lars_by_sgd, **LARS_OPTIONS),
    ),
    Setting(
        name="LAMB: beside Adam with its lengths",
        ours=partial(LAMB, **ADAM_OPTIONS, weight_decay=0.1),
        theirs=partial(lamb_by_adam, **ADAM_OPTIONS, weight_decay=0.1),
    ),
)


def rules(
    problem: str, start: Start, settings: Iterable[Setting] = SETTINGS, *, together: bool = False, timed: bool = True
) -> Iterator[Pair]:
    """A pair for every setting on one problem.

    Args:
        problem: its name.
        start: begins it.
        settings: of the rules.
        together: ours takes all tensors at once; else one after the other, as the framework's does in either case.
        timed: whether a step of the optimiser is most of the work.
    """
    for entry in settings:
        yield Pair(
            name=f"{entry.name}, {problem}" if ":" in entry.name else f"{entry.name}: {problem}",
            scratch=trajectory(partial(entry.ours, foreach=together), start),
            twin=trajectory(entry.theirs, start),
            engine=engine_trajectory(entry.engine, start) if entry.engine else None,
            timed=timed,
        )


def table(lenet: Callable[[], nn.Module]) -> tuple[Pair, ...]:
    """The rows of every rule.

    Args:
        lenet: builds LeNet for grey images of 28×28 pixels and 10 classes; who knows models gives it.
    """
    taught = network(lenet, (1, 28, 28), 10)
    chosen = [entry for entry in SETTINGS if entry.everywhere]
    return (
        *rules("quadratic", quadratic),
        *rules("LeNet, all tensors at once", taught, chosen, together=True, timed=False),
    )
