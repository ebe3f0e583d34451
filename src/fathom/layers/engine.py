"""Rung numpy of a row: the same layer on the NumPy engine, held against the framework's."""

from typing import Any

import torch
from torch import Tensor, nn

from fathom import autograd
from fathom.autograd import nn as engine_nn
from fathom.errors import InputError
from fathom.layers.ladder import (
    TOLERANCES,
    Comparison,
    Twin,
    fastest,
    gradients_of,
    seeds,
    tensors,
    value_and_gradients,
    worst_difference,
)


class NotCarried(InputError):
    """The engine has no such layer, or not with these arguments, or draws random numbers of its own."""


def compare_engine(twin: Twin, dtype: torch.dtype = torch.float64, seed: int = 0, repeats: int = 0) -> Comparison:
    """Measure one row with the engine's layer in place of ours.

    Args:
        twin: the row.
        dtype: `torch.float64` or `torch.float32`.
        seed: of inputs and parameters.
        repeats: how often each is timed, in turn; the fastest counts. 0: no timing.

    Raises:
        NotCarried: the engine does not claim to do what the row asks for.
    """
    _, theirs = twin.build(dtype, seed)
    ours = _load(twin, theirs, dtype)
    inputs = twin.draw(dtype, seed)
    if _draws(twin, dtype, inputs):
        raise NotCarried("random numbers of its own")
    own = tuple(_tensor(x, x.requires_grad) for x in inputs)
    try:
        outputs, gradients = _value_and_gradients(twin, ours, own, seed)
    except (TypeError, autograd.ShapeError, autograd.DtypeError) as error:  # an argument or shape that it refuses
        raise NotCarried(str(error).partition("\n")[0]) from error
    expected_outputs, expected_gradients = value_and_gradients(twin, theirs, inputs, seed)
    seconds = twin_seconds = 0.0
    if repeats:
        weights = [torch.ones_like(y) for y in tensors(twin.use(theirs, *inputs))]
        ones = [_tensor(weight) for weight in weights]
        seconds, twin_seconds = fastest(
            lambda: _gradients(ours, own, list(_tensors(twin.use(ours, *own))), ones),
            lambda: gradients_of(theirs, inputs, list(tensors(twin.use(theirs, *inputs))), weights),
            repeats=repeats,
        )
    return Comparison(
        name=twin.name,
        rung="numpy",
        dtype=str(dtype).removeprefix("torch."),
        output_difference=worst_difference(outputs, expected_outputs),
        gradient_difference=worst_difference(gradients, expected_gradients),
        tolerance=TOLERANCES[dtype],
        seconds=seconds,
        twin_seconds=twin_seconds,
    )


def _load(twin: Twin, theirs: nn.Module, dtype: torch.dtype) -> Any:
    """The engine's layer with the parameters and buffers of the framework's."""
    if twin.build_in is None:
        raise NotCarried("the row is not built from a namespace")
    if not hasattr(engine_nn, twin.layer):
        raise NotCarried(f"no {twin.layer} on this rung")
    try:
        ours = twin.build_in(engine_nn)
    except (AttributeError, TypeError, ValueError) as error:  # no such argument, or a refused one
        raise NotCarried(str(error).partition("\n")[0]) from error
    ours.to(str(dtype).removeprefix("torch."))
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    return ours.train(twin.training)


def _draws(twin: Twin, dtype: torch.dtype, inputs: tuple[Tensor, ...]) -> bool:
    """Whether the layer draws random numbers, which no two libraries draw alike."""
    _, module = twin.build(dtype)
    first, second = (value_and_gradients(twin, module, inputs, seed) for seed in (0, 1))
    buffers = sum(1 for _ in module.buffers())
    count = len(first[0]) - buffers
    return any(not torch.equal(a, b) for a, b in zip(first[0][:count], second[0][:count], strict=True))


def _value_and_gradients(twin: Twin, module: Any, inputs: tuple[Any, ...], seed: int) -> tuple[list[Any], list[Any]]:
    """As `ladder.value_and_gradients`, in torch's tensors."""
    outputs = list(_tensors(twin.use(module, *inputs)))
    weights = [_tensor(weight) for weight in seeds([_torch(y) for y in outputs], seed)]
    gradients = _gradients(module, inputs, outputs, weights)
    return [_torch(y) for y in (*outputs, *module.buffers())], [_torch(g) for g in gradients]


def _gradients(module: Any, inputs: tuple[Any, ...], outputs: list[Any], weights: list[Any]) -> list[Any]:
    wanted = [x for x in inputs if x.requires_grad] + list(module.parameters())
    found = autograd.grad(outputs, wanted, weights, allow_unused=True)
    return [autograd.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]


def _tensors(value: Any) -> list[Any]:
    """Every floating tensor of the engine in nested tuples, in order."""
    if isinstance(value, autograd.Tensor):
        return [value] if value.dtype.kind == "f" else []
    return [] if value is None else [tensor for entry in value for tensor in _tensors(entry)]


def _tensor(x: Tensor, requires_grad: bool = False) -> Any:
    return autograd.Tensor(x.detach().numpy().copy(), requires_grad=requires_grad)


def _torch(x: Any) -> Tensor:
    return torch.from_numpy(x.array.copy())
