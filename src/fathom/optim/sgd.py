"""Stochastic gradient descent, with momentum and with Nesterov's."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.optim.rule import Group, Rule


def sgd_step(
    x: Tensor,
    g: Tensor,
    v: Tensor | None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> Tensor | None:
    """Change x `(...)` in place by its gradient g of the same shape, and v too, which is returned.

    g ← g + λ x;  v ← μ v + (1 - τ) g, at first v ← g;  x ← x - η v, or with Nesterov x ← x - η (g + μ v).
    Args: as of `SGD`; `v` is None before the first step, and stays None without momentum.
    """
    if weight_decay:
        g = g.add(x, alpha=weight_decay)
    if momentum:
        v = g.clone() if v is None else v.mul_(momentum).add_(g, alpha=1 - dampening)
        g = g.add(v, alpha=momentum) if nesterov else v
    x.add_(g, alpha=-lr)
    return v


class SGD(Rule):
    """Steps against the gradient, or against a decaying sum of gradients. Twin: `torch.optim.SGD`.

    Source: Polyak 1964, "Some methods of speeding up the convergence of iteration methods" (momentum); Sutskever,
    Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning" (Nesterov's, in
    the framework's form: the learning rate stands outside the sum).

    Args:
        params: tensors or parameter groups.
        lr: η.
        momentum: μ; the past counts for 1 / (1 - μ) gradients.
        dampening: τ, from the second step on.
        weight_decay: λ, added to the gradient.
        nesterov: look one step of momentum ahead; needs momentum above 0 and dampening 0.
    """

    TWIN = torch.optim.SGD
    STATE: ClassVar[Mapping[str, str]] = {"momentum_buffer": "momentum"}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize, "foreach": foreach})

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """As of every rule; and what Nesterov's momentum needs."""
        super().check(options)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            got = f"momentum {options['momentum']} and dampening {options['dampening']}"
            raise InputError(f"SGD: nesterov: expected momentum above 0 and dampening 0, got {got}")

    def wanted(self, group: Group) -> list[str]:
        """Nothing: the first gradient makes the first velocity."""
        return []

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `sgd_step`."""
        v = sgd_step(
            x,
            g,
            state.get("momentum_buffer"),
            lr=float(group["lr"]),
            momentum=group["momentum"],
            dampening=group["dampening"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
        )
        if v is not None:
            state["momentum_buffer"] = v
