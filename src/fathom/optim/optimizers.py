"""torch's update rules under one word each."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from fathom.registry import Registry

OPTIMIZERS: Registry[Callable[..., torch.optim.Optimizer]] = Registry("optimizer")
OPTIMIZERS.add("sgd", torch.optim.SGD)
OPTIMIZERS.add("momentum", partial(torch.optim.SGD, momentum=0.9))
OPTIMIZERS.add("nesterov", partial(torch.optim.SGD, momentum=0.9, nesterov=True))
OPTIMIZERS.add("adagrad", torch.optim.Adagrad)
OPTIMIZERS.add("rmsprop", torch.optim.RMSprop)
OPTIMIZERS.add("adadelta", torch.optim.Adadelta)
OPTIMIZERS.add("adam", torch.optim.Adam)
OPTIMIZERS.add("adamw", torch.optim.AdamW)


def names() -> list[str]:
    """The names that `create` takes."""
    return OPTIMIZERS.names()


def create(
    name: str, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], lr: float, **options: Any
) -> torch.optim.Optimizer:
    """The optimiser called `name` over `parameters` (tensors or torch's parameter groups).

    Args:
        lr: learning rate, above 0.
        options: torch's own arguments of that optimiser (`weight_decay`, `betas`, …).
    """
    return OPTIMIZERS.get(name)(parameters, lr=lr, **options)
