"""LARS."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.optim.rule import Group, Rule


def trust_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, and 1 where either is 0; any equal shapes."""
    return torch.where((numerator > 0) & (denominator > 0), numerator / denominator, 1.0)


def lars_step(
    x: Tensor,
    g: Tensor,
    v: Tensor,
    *,
    lr: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    trust_coefficient: float = 1e-3,
    adapt: bool = True,
) -> None:
    """Change x and v `(...)` in place by the gradient g of the same shape.

    λ = κ ||x|| / (||g|| + β ||x||), or 1;  v ← μ v + η λ (g + β x);  x ← x - v.
    Args: as of `LARS`.
    """
    update = g.add(x, alpha=weight_decay)
    if adapt:
        size = x.norm()
        update.mul_(trust_ratio(trust_coefficient * size, g.norm() + weight_decay * size))
    v.mul_(momentum).add_(update, alpha=lr)
    x.sub_(v)


class LARS(Rule):
    """Momentum whose learning rate is, tensor by tensor, in proportion to the tensor's norm over its gradient's.

    torch has no twin. Source: You, Gitman and Ginsburg 2017, arXiv 1708.03888, algorithm 1. Where a tensor is
    zero, which the paper's ratio would keep so for ever, or both parts of the ratio are, it is 1.

    Args:
        params: tensors or parameter groups.
        lr: η, the global learning rate.
        momentum: μ.
        weight_decay: β.
        trust_coefficient: κ, how far a tensor may move in a step, as a share of its norm, if η is 1.
        adapt: False takes the ratio as 1; for a group of biases and normalisation scales.
    """

    STATE: ClassVar[Mapping[str, str]] = {"momentum_buffer": ""}

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
        adapt: bool = True,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "adapt": adapt}
        options["trust_coefficient"] = trust_coefficient
        super().__init__(params, {**options, "maximize": maximize, "foreach": foreach})

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `lars_step`."""
        lars_step(
            x,
            g,
            state["momentum_buffer"],
            lr=float(group["lr"]),
            momentum=group["momentum"],
            weight_decay=group["weight_decay"],
            trust_coefficient=group["trust_coefficient"],
            adapt=group["adapt"],
        )
