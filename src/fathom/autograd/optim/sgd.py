"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.operations.elementwise import in_blocks
from fathom.autograd.optim.optimizer import Array, Optimizer


class SGD(Optimizer):
    """g ← g + λ x;  v ← μ v + (1 - τ) g;  x ← x - η v, or with Nesterov x - η (g + μ v). Twin: `torch.optim.SGD`.

    Args:
        lr: η.
        momentum: μ; the first step takes v = g.
        dampening: τ.
        weight_decay: λ, added to the gradient.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ShapeError("SGD: nesterov needs momentum > 0 and dampening 0")
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov})

    def update(self, x: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change x in place."""
        momentum = group["momentum"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * x
        if momentum:
            velocity = state.get("momentum_buffer")
            if velocity is None:
                velocity = state["momentum_buffer"] = np.array(g)
            else:
                velocity *= momentum
                velocity += (1 - group["dampening"]) * g
            g = g + momentum * velocity if group["nesterov"] else velocity
        lr = x.dtype.type(group["lr"])
        for place, direction in in_blocks(x, g):
            place -= lr * direction
