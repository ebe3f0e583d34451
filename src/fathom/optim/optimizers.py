"""Update rules found by name: ours, or the framework's of the same numbers."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.optim.adadelta import Adadelta
from fathom.optim.adagrad import Adagrad
from fathom.optim.adam import Adam
from fathom.optim.adamw import AdamW
from fathom.optim.lamb import LAMB
from fathom.optim.lars import LARS
from fathom.optim.rmsprop import RMSprop
from fathom.optim.rule import Rule
from fathom.optim.sgd import SGD
from fathom.optim.yogi import Yogi
from fathom.registry import Registry, arguments, spec, unknown

OWN_FLAGS = ("params", "lr")  # which have a place of their own on the command line


@dataclass(frozen=True)
class Named:
    """What a name stands for: our class, and options that the name brings."""

    rule: type[Rule]
    options: Mapping[str, Any] = field(default_factory=dict)


OPTIMIZERS: Registry[Named] = Registry("optimizer")
for _name, _entry in {
    "sgd": Named(SGD),
    "momentum": Named(SGD, {"momentum": 0.9}),
    "nesterov": Named(SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": Named(Adagrad),
    "rmsprop": Named(RMSprop),
    "adadelta": Named(Adadelta),
    "adam": Named(Adam),
    "amsgrad": Named(Adam, {"amsgrad": True}),
    "adamw": Named(AdamW),
    "yogi": Named(Yogi),
    "lars": Named(LARS),
    "lamb": Named(LAMB),
}.items():
    OPTIMIZERS.add(_name, _entry)


def names() -> list[str]:
    """The names that `create` takes."""
    return OPTIMIZERS.names()


def resolve(name: str, lr: float, *, rung: str = "torch", **options: Any) -> tuple[Any, dict[str, Any]]:
    """The class and the options that a name stands for, all checked; arguments and errors as of `create`."""
    word, given = spec(name)
    what, entry = f"optimizer {word}", OPTIMIZERS.get(word)
    defaults = {key: parameter.default for key, parameter in inspect.signature(entry.rule).parameters.items()}
    chosen = {**entry.options, **options, **arguments(what, entry.rule, given, OWN_FLAGS)}
    kind = entry.rule.TWIN if rung == "torch" and entry.rule.TWIN is not None else entry.rule
    known = inspect.signature(kind).parameters.keys() - set(OWN_FLAGS)
    for key in chosen.keys() - known:
        if key in defaults:
            raise InputError(f"{what}: {key}: expected an option of torch.optim, got one of ours; take rung scratch")
        raise unknown(f"option of {what}", key, known)
    entry.rule.check({**defaults, "lr": lr, **{key: chosen[key] for key in chosen if key in defaults}})
    return kind, chosen


def create(
    name: str,
    parameters: Iterable[Tensor] | Iterable[dict[str, Any]],
    lr: float,
    *,
    rung: str = "torch",
    **options: Any,
) -> torch.optim.Optimizer:
    """The optimiser called `name` over `parameters` (tensors or torch's parameter groups).

    Args:
        name: one of `names()`; options may stand behind it and go before `options`: `sgd,momentum=0.5`,
            `adam,betas=0.9/0.98`.
        lr: learning rate, from 0.
        rung: `torch` takes the framework's class where there is one; `scratch` takes ours.
        options: arguments of the class (`weight_decay`, `betas`, …).

    Raises:
        UnknownNameError: no such optimiser, or option of it on this rung.
        InputError: an option or the learning rate is out of its range.
    """
    kind, chosen = resolve(name, lr, rung=rung, **options)
    optimizer: torch.optim.Optimizer = kind(parameters, lr=lr, **chosen)
    return optimizer


def check(name: str, lr: float, rung: str = "torch") -> None:
    """UnknownNameError or InputError if `create` would refuse this name with its options."""
    resolve(name, lr, rung=rung)
