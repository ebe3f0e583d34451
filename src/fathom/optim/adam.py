"""Adam and AMSGrad."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.optim.rule import Group, Rule


def adam_step(
    x: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    t: float,
    largest: Tensor | None = None,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> None:
    """Change x, m, v and largest `(...)` in place by the gradient g of the same shape.

    g ← g + λ x, or decoupled x ← x - η λ x;  m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;
    x ← x - η m̂ / (√v̂ + ε), with m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ).
    With `largest` u ← max(u, v), which takes the place of v in v̂.
    Args: as of `Adam`; t counts the steps from 1.
    """
    beta1, beta2 = betas
    if weight_decay and decoupled:
        x.mul_(1 - lr * weight_decay)
    elif weight_decay:
        g = g.add(x, alpha=weight_decay)
    m.lerp_(g, 1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    if largest is not None:
        v = largest.clamp_min_(v)
    root = v.sqrt().div_((1 - beta2**t) ** 0.5).add_(eps)
    x.addcdiv_(m, root, value=-lr / (1 - beta1**t))


class Adam(Rule):
    """Steps about as long as the learning rate, by running means of the gradient and its square.

    Twin: `torch.optim.Adam`. Source: Kingma and Ba 2014, arXiv 1412.6980, algorithm 1. AMSGrad: Reddi, Kale and Kumar
    2018, "On the convergence of Adam and beyond", algorithm 2, in the framework's form, which corrects the largest
    square for its bias where the paper corrects nothing.

    Args:
        params: tensors or parameter groups.
        lr: η.
        betas: β₁ and β₂, the share of the past in the running means.
        eps: ε, in units of the gradient.
        weight_decay: λ, added to the gradient.
        amsgrad: divide by the largest running square so far, so that no step grows while the gradient does not.
        decoupled_weight_decay: take λ x from the parameter and not by way of the gradient, which is AdamW.
    """

    TWIN: ClassVar[type[torch.optim.Optimizer]] = torch.optim.Adam
    STATE: ClassVar[Mapping[str, str]] = {"step": "", "exp_avg": "", "exp_avg_sq": "", "max_exp_avg_sq": "amsgrad"}
    OURS = frozenset({"decoupled_weight_decay"})  # torch has it since 2.7

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        options["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, {**options, "maximize": maximize, "foreach": foreach})

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `adam_step`."""
        adam_step(
            x,
            g,
            state["exp_avg"],
            state["exp_avg_sq"],
            t,
            state["max_exp_avg_sq"] if group["amsgrad"] else None,
            lr=float(group["lr"]),
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=group["decoupled_weight_decay"],
        )
