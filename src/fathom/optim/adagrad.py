"""AdaGrad."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.optim.rule import Group, Rule


def adagrad_step(
    x: Tensor,
    g: Tensor,
    s: Tensor,
    t: float = 1,
    *,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
    eps_under_root: bool = False,
) -> None:
    """Change x and s `(...)` in place by the gradient g of the same shape.

    g ← g + λ x;  s ← s + g²;  x ← x - η / (1 + (t - 1) ζ) · g / (√s + ε), or g / √(s + ε).
    Args: as of `Adagrad`; ζ is `lr_decay`, t counts the steps from 1.
    """
    if weight_decay:
        g = g.add(x, alpha=weight_decay)
    s.addcmul_(g, g, value=1)
    root = s.add(eps).sqrt_() if eps_under_root else s.sqrt().add_(eps)
    x.addcdiv_(g, root, value=-lr / (1 + (t - 1) * lr_decay))


class Adagrad(Rule):
    """Steps that shrink, number by number, with all the squared gradients so far. Twin: `torch.optim.Adagrad`.

    Source: Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic
    optimization", the diagonal form. The book's: `eps_under_root=True, eps=1e-6`.

    Args:
        params: tensors or parameter groups.
        lr: η.
        lr_decay: ζ, by which the rate falls besides.
        weight_decay: λ, added to the gradient.
        initial_accumulator_value: s before the first step.
        eps: ε, in units of the gradient; of its square if under the root.
        eps_under_root: √(s + ε) in place of √s + ε.
    """

    TWIN = torch.optim.Adagrad
    STATE: ClassVar[Mapping[str, str]] = {"step": "", "sum": ""}
    OURS = frozenset({"eps_under_root"})

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        eps_under_root: bool = False,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        options |= {"initial_accumulator_value": initial_accumulator_value, "eps_under_root": eps_under_root}
        super().__init__(params, {**options, "maximize": maximize, "foreach": foreach})

    def start(self, parameter: Tensor, group: Group) -> dict[str, Tensor]:
        """The sum starts at `initial_accumulator_value`."""
        value = group["initial_accumulator_value"]
        return {"step": torch.zeros(()), "sum": torch.full_like(parameter, value)}

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `adagrad_step`."""
        adagrad_step(
            x,
            g,
            state["sum"],
            t,
            lr=float(group["lr"]),
            lr_decay=group["lr_decay"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            eps_under_root=group["eps_under_root"],
        )
