"""One architecture a file, found by name: `create("lenet")`, `names()`.

A constructor takes numbers and the keyword `nn`, the namespace of layers it builds from: `torch.nn`, `fathom.layers`
or `fathom.autograd.nn`. Names are read from each file's literal `NAMES`, so that a list of them imports no torch.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathom.errors import InputError
from fathom.registry import literals, unknown

if TYPE_CHECKING:
    from torch import nn


@functools.cache
def _files() -> dict[str, str]:
    """The file (its stem) of each model."""
    return {
        name: file.stem
        for file in sorted(Path(__file__).parent.glob("*.py"))
        for name in literals(file, ["NAMES"]).get("NAMES", ())
    }


def names() -> list[str]:
    """The names of all models, in alphabetical order."""
    return sorted(_files())


def constructor(name: str) -> Callable[..., nn.Module]:
    """The function that builds the model called `name`; only its file is imported.

    Raises:
        UnknownNameError: no model is called so.
    """
    if name not in _files():
        raise unknown("model", name, _files())
    build: Callable[..., nn.Module] = getattr(importlib.import_module(f"{__name__}.{_files()[name]}"), name)
    return build


def create(name: str, **kwargs: Any) -> nn.Module:
    """The model called `name`.

    Args:
        name: one of `names()`.
        kwargs: what its constructor takes; `nn=` chooses the layers, `torch.nn` if not given.

    Returns:
        The model, which keeps the name and the other arguments as `created_as`.

    Raises:
        UnknownNameError: no model is called so.
        InputError: the constructor takes no such argument, or not this value.
    """
    build = constructor(name)
    known = inspect.signature(build).parameters
    for word in kwargs:
        if word not in known:
            raise unknown(f"argument of {name}", word, known)
    try:
        inspect.signature(build).bind(**kwargs)
    except TypeError as error:
        raise InputError(f"{name}: {error}; it takes {', '.join(known)}") from None
    built = build(**kwargs)
    built.created_as = name, {word: value for word, value in kwargs.items() if word != "nn"}  # type: ignore[assignment]
    return built


def load_published(model: str | nn.Module, path: str | Path, **kwargs: Any) -> Any:
    """The model with the weights of a published file; arguments and errors as in `published.load_published`."""
    from fathom.models import published

    return published.load_published(model, path, **kwargs)


def on_rung(
    model: str | Callable[..., nn.Module],
    rung: str,
    *,
    initialise: Callable[[nn.Module], object] | None = None,
    **kwargs: Any,
) -> Any:
    """A model built from the layers of one rung, with the initial weights of rung torch.

    The weights are drawn by torch's layers, whatever the rung, and move by state dict; the global generator is left
    as building the torch model left it. So runs on different rungs start, and draw, alike.

    Args:
        model: a name, or a constructor that takes `nn`.
        rung: `torch`, `scratch` or `numpy`.
        initialise: redraws the torch model's weights in place, as `models.initialise.xavier` does.
        kwargs: what the constructor takes, except `nn`.

    Raises:
        UnknownNameError: there is no such rung or model.
    """
    import torch

    from fathom.layers import namespace

    layers = namespace(rung)
    build = functools.partial(create, model) if isinstance(model, str) else model
    drawn = build(**kwargs)
    if initialise is not None:
        initialise(drawn)
    if rung == "torch":
        return drawn
    with torch.random.fork_rng(devices=[]):
        built = build(**kwargs, nn=layers)
    state = drawn.state_dict()
    built.load_state_dict({key: value.numpy() for key, value in state.items()} if rung == "numpy" else state)
    return built
