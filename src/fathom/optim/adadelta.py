"""Adadelta."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.optim.rule import Group, Rule


def adadelta_step(
    x: Tensor,
    g: Tensor,
    s: Tensor,
    d: Tensor,
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
) -> None:
    """Change x, s and d `(...)` in place by the gradient g of the same shape.

    g ← g + λ x;  s ← ρ s + (1 - ρ) g²;  Δ = √(d + ε) / √(s + ε) · g;  d ← ρ d + (1 - ρ) Δ²;  x ← x - η Δ.
    Args: as of `Adadelta`.
    """
    if weight_decay:
        g = g.add(x, alpha=weight_decay)
    s.mul_(rho).addcmul_(g, g, value=1 - rho)
    root = s.add(eps).sqrt_()
    delta = d.add(eps).sqrt_().div_(root).mul_(g)
    d.mul_(rho).addcmul_(delta, delta, value=1 - rho)
    x.add_(delta, alpha=-lr)


class Adadelta(Rule):
    """Steps in the parameter's own units, from running means of squared gradients and of squared steps.

    Twin: `torch.optim.Adadelta`. Source: Zeiler 2012, arXiv 1212.5701, algorithm 1, which has no learning rate: η is 1.

    Args:
        params: tensors or parameter groups.
        lr: η.
        rho: ρ, the share of the past in the running means.
        eps: ε, in squared units of the gradient and of the step; its root over the gradient is the size of the first.
        weight_decay: λ, added to the gradient.
    """

    TWIN = torch.optim.Adadelta
    STATE: ClassVar[Mapping[str, str]] = {"step": "", "square_avg": "", "acc_delta": ""}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "maximize": maximize, "foreach": foreach})

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `adadelta_step`."""
        adadelta_step(
            x,
            g,
            state["square_avg"],
            state["acc_delta"],
            lr=float(group["lr"]),
            rho=group["rho"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
        )
