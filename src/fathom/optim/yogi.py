"""Yogi."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.optim.rule import Group, Rule


def yogi_step(
    x: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    t: float = 1,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-3,
    weight_decay: float = 0.0,
    bias_correction: bool = False,
) -> None:
    """Change x, m and v `(...)` in place by the gradient g of the same shape.

    g ← g + λ x;  m ← β₁ m + (1 - β₁) g;  v ← v - (1 - β₂) sign(v - g²) g²;  x ← x - η m / (√v + ε).
    With bias correction m / (1 - β₁ᵗ) and v / (1 - β₂ᵗ) in the last.
    Args: as of `Yogi`; t counts the steps from 1.
    """
    beta1, beta2 = betas
    if weight_decay:
        g = g.add(x, alpha=weight_decay)
    m.lerp_(g, 1 - beta1)
    square = g.mul(g)
    v.addcmul_(v.sub(square).sign_(), square, value=beta2 - 1)
    root = v.sqrt()
    if bias_correction:
        root.div_((1 - beta2**t) ** 0.5)
        lr = lr / (1 - beta1**t)
    x.addcdiv_(m, root.add_(eps), value=-lr)


class Yogi(Rule):
    """Adam whose running square changes by a small step at a time, so that a rare large gradient is not soon forgotten.

    torch has no twin. Source: Zaheer, Reddi, Sachan, Kale and Kumar 2018, "Adaptive methods for nonconvex
    optimization", algorithm 2. The book's form: `bias_correction=True`.

    Args:
        params: tensors or parameter groups.
        lr: η.
        betas: β₁ and β₂, the share of the past in the running means.
        eps: ε, in units of the gradient.
        weight_decay: λ, added to the gradient.
        initial_accumulator_value: v before the first step.
        bias_correction: divide the running means by what their weights sum to.
    """

    STATE: ClassVar[Mapping[str, str]] = {"step": "", "exp_avg": "", "exp_avg_sq": ""}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-3,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        bias_correction: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        options |= {"initial_accumulator_value": initial_accumulator_value, "bias_correction": bias_correction}
        super().__init__(params, {**options, "maximize": maximize, "foreach": foreach})

    def start(self, parameter: Tensor, group: Group) -> dict[str, Tensor]:
        """The square starts at `initial_accumulator_value`."""
        state = super().start(parameter, group)
        return {**state, "exp_avg_sq": torch.full_like(parameter, group["initial_accumulator_value"])}

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `yogi_step`."""
        yogi_step(
            x,
            g,
            state["exp_avg"],
            state["exp_avg_sq"],
            t,
            lr=float(group["lr"]),
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            bias_correction=group["bias_correction"],
        )
