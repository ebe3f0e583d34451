"""Adam."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fathom.autograd.optim.optimizer import Array, Optimizer


class Adam(Optimizer):
    """Steps as long as the learning rate, by running means of the gradient and its square. Twin: `torch.optim.Adam`.

    m ← β₁ m + (1 - β₁) g;  v ← β₂ v + (1 - β₂) g²;  x ← x - η m̂ / (√v̂ + ε), where m̂ = m / (1 - β₁ᵗ) and v̂ likewise.
    Source: Kingma and Ba 2014, arXiv 1412.6980, algorithm 1.

    Args:
        lr: η.
        betas: β₁ and β₂.
        eps: ε, outside the root.
        weight_decay: added to the gradient, times x.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay})

    def update(self, x: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change x in place."""
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(x), exp_avg_sq=np.zeros_like(x))
        beta1, beta2 = group["betas"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * x
        state["step"] += 1
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean += (1 - beta1) * (g - mean)
        square *= beta2
        square += (1 - beta2) * np.square(g)
        bias1, bias2 = 1 - beta1 ** state["step"], 1 - beta2 ** state["step"]
        denominator = np.sqrt(square, out=np.empty_like(square))  # an array also where square has no axes
        denominator *= 1 / math.sqrt(bias2)
        denominator += group["eps"]
        np.divide(mean, denominator, out=denominator)
        denominator *= group["lr"] / bias1
        x -= denominator
