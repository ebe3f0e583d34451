"""LAMB."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from fathom.optim.lars import trust_ratio
from fathom.optim.rule import Group, Rule


def lamb_step(
    x: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    t: float,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    bounds: tuple[float, float] = (0.0, math.inf),
    adapt: bool = True,
) -> None:
    """Change x, m and v `(...)` in place by the gradient g of the same shape.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  u = m̂ / (√v̂ + ε) + λ x;  x ← x - η φ(||x||) / ||u|| · u,
    with m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ) and φ(z) = min(max(z, γₗ), γᵤ).
    Args: as of `LAMB`; t counts the steps from 1.
    """
    beta1, beta2 = betas
    m.lerp_(g, 1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    root = v.sqrt().div_((1 - beta2**t) ** 0.5).add_(eps)
    update = m.div(1 - beta1**t).div_(root)
    if weight_decay:
        update.add_(x, alpha=weight_decay)
    if adapt:
        update.mul_(trust_ratio(x.norm().clamp(*bounds), update.norm()))
    x.add_(update, alpha=-lr)


class LAMB(Rule):
    """Adam's direction with, tensor by tensor, a length in proportion to the tensor's norm.

    torch has no twin. Source: You et al. 2020, arXiv 1904.00962, algorithm 2. Where a tensor is zero, which the paper's
    ratio would keep so for ever, or its update is, the ratio is 1.

    Args:
        params: tensors or parameter groups.
        lr: η.
        betas: β₁ and β₂, the share of the past in the running means.
        eps: ε, in units of the gradient.
        weight_decay: λ, which takes part in the update's norm.
        bounds: γₗ and γᵤ, between which the tensor's norm is brought.
        adapt: False takes the ratio as 1; for a group of biases and normalisation scales.
    """

    STATE: ClassVar[Mapping[str, str]] = {"step": "", "exp_avg": "", "exp_avg_sq": ""}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 1e-2,
        bounds: tuple[float, float] = (0.0, math.inf),
        adapt: bool = True,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "bounds": bounds, "adapt": adapt}
        super().__init__(params, {**options, "maximize": maximize, "foreach": foreach})

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `lamb_step`."""
        lamb_step(
            x,
            g,
            state["exp_avg"],
            state["exp_avg_sq"],
            t,
            lr=float(group["lr"]),
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            bounds=group["bounds"],
            adapt=group["adapt"],
        )
