"""RMSProp."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom.optim.rule import Group, Rule


def rmsprop_step(
    x: Tensor,
    g: Tensor,
    s: Tensor,
    v: Tensor | None = None,
    mean: Tensor | None = None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    eps_under_root: bool = False,
) -> None:
    """Change x, s, v and mean `(...)` in place by the gradient g of the same shape.

    g ← g + λ x;  s ← α s + (1 - α) g²;  d = √s + ε, or √(s + ε);  x ← x - η g / d.
    With `mean` m ← α m + (1 - α) g, and s - m², the variance, under the root.
    With momentum v ← μ v + g / d;  x ← x - η v.
    Args: as of `RMSprop`; `v` is given with momentum, `mean` if centred.
    """
    if weight_decay:
        g = g.add(x, alpha=weight_decay)
    s.mul_(alpha).addcmul_(g, g, value=1 - alpha)
    square = s
    if mean is not None:
        mean.lerp_(g, 1 - alpha)
        square = s.addcmul(mean, mean, value=-1)
    root = square.add(eps).sqrt_() if eps_under_root else square.sqrt().add_(eps)
    if v is None:
        x.addcdiv_(g, root, value=-lr)
    else:
        v.mul_(momentum).addcdiv_(g, root)
        x.add_(v, alpha=-lr)


class RMSprop(Rule):
    """Steps divided, number by number, by a running root mean square of the gradient. Twin: `torch.optim.RMSprop`.

    Source: Tieleman and Hinton 2012, "Lecture 6.5-rmsprop", Coursera: Neural Networks for Machine Learning; centred:
    Graves 2013, arXiv 1308.0850, equations 38 to 45. The book's: `eps_under_root=True, eps=1e-6, alpha=0.9`.

    Args:
        params: tensors or parameter groups.
        lr: η.
        alpha: α, the share of the past in the running means.
        eps: ε, in units of the gradient; of its square if under the root.
        weight_decay: λ, added to the gradient.
        momentum: μ; 0 keeps no velocity.
        centered: divide by the standard deviation in place of the root mean square.
        eps_under_root: √(s + ε) in place of √s + ε.
    """

    TWIN = torch.optim.RMSprop
    STATE: ClassVar[Mapping[str, str]] = {
        "step": "",
        "square_avg": "",
        "momentum_buffer": "momentum",
        "grad_avg": "centered",
    }
    OURS = frozenset({"eps_under_root"})

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        eps_under_root: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered}
        options |= {"weight_decay": weight_decay, "eps_under_root": eps_under_root}
        super().__init__(params, {**options, "maximize": maximize, "foreach": foreach})

    def update(self, x: Tensor, g: Tensor, state: dict[str, Tensor], t: float, group: Group) -> None:
        """As `rmsprop_step`."""
        rmsprop_step(
            x,
            g,
            state["square_avg"],
            state["momentum_buffer"] if group["momentum"] else None,
            state["grad_avg"] if group["centered"] else None,
            lr=float(group["lr"]),
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            eps_under_root=group["eps_under_root"],
        )
