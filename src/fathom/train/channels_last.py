"""Pictures and kernels with the channels of a pixel side by side in memory, which some processors convolve faster."""

from typing import Any

import torch
from torch import Tensor, nn

from fathom.errors import InputError


def channels_last(model: nn.Module) -> nn.Module:
    """Bring the model's kernels, and from now on every batch of pictures that it gets, into that order in memory.

    Shapes stay, and numbers up to rounding; state dicts and copies of the model are as ever. Returns the model, changed
    in place.

    Raises:
        InputError: it has no kernels `(out_channels, in_channels, height, width)`.
    """
    if not any(parameter.dim() == 4 for parameter in model.parameters()):
        raise InputError("--channels-last: expected a model that convolves pictures, got one without; leave it out")
    model.register_forward_pre_hook(_pictures)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch has it untyped


def follow(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Let the state that the optimiser loads have the order of the model's kernels, as the state that it makes has.

    Else a resumed run would go through memory in two orders at once: slower, and LAMB's norms would differ in their
    last bits. Returns the optimiser, changed in place.
    """
    optimizer.register_load_state_dict_post_hook(_states)
    return optimizer


def _ordered(value: Any) -> Any:
    four = isinstance(value, Tensor) and value.dim() == 4
    return value.to(memory_format=torch.channels_last) if four else value


def _pictures(model: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(_ordered, inputs))


def _states(optimizer: torch.optim.Optimizer) -> None:
    for state in optimizer.state.values():
        state.update({name: _ordered(value) for name, value in state.items()})
