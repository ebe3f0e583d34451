"""The framework's optimisers bent, by hooks before and after their steps, into rules that it lacks.

They stand beside our Yogi, LARS and LAMB on the ladder: what the papers add is written out here in tensors, the rest
is torch's.
"""

from typing import Any

import torch
from torch import Tensor

Parameters = list[torch.nn.Parameter]


def yogi_by_adam(parameters: Parameters, *, lr: float, betas: tuple[float, float], eps: float) -> torch.optim.Adam:
    """torch's Adam, whose running square is set before each step so that the step makes Yogi's of it.

    Adam takes v to β₂ v + (1 - β₂) g². So v is replaced by (w - (1 - β₂) g²) / β₂, where what Yogi wants is
    w = v - (1 - β₂) sign(v - g²) g². It corrects for the bias, as Yogi does with `bias_correction=True`.
    """
    optimizer = torch.optim.Adam(parameters, lr=lr, betas=betas, eps=eps)
    share = 1 - betas[1]

    def before(*_: Any) -> None:
        for parameter, state in optimizer.state.items():
            square, g2 = state["exp_avg_sq"], torch.square(parameter.grad)  # type: ignore[arg-type]
            wanted = square - share * torch.sign(square - g2) * g2
            state["exp_avg_sq"] = (wanted - share * g2) / betas[1]

    optimizer.register_step_pre_hook(before)
    return optimizer


def lars_by_sgd(
    parameters: Parameters, *, lr: float, momentum: float, weight_decay: float, trust_coefficient: float
) -> torch.optim.SGD:
    """torch's SGD at rate 1 on gradients that have been multiplied by LARS's local rate."""
    optimizer = torch.optim.SGD(parameters, lr=1.0, momentum=momentum)

    def before(*_: Any) -> None:
        for x in parameters:
            g: Any = x.grad
            local = (
                trust_coefficient * torch.linalg.norm(x) / (torch.linalg.norm(g) + weight_decay * torch.linalg.norm(x))
            )
            x.grad = (lr * local * (g + weight_decay * x)).detach()

    optimizer.register_step_pre_hook(before)
    return optimizer


def lamb_by_adam(
    parameters: Parameters, *, lr: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> torch.optim.Adam:
    """torch's Adam at rate 1, whose step is taken back and redone at LAMB's length."""
    optimizer = torch.optim.Adam(parameters, lr=1.0, betas=betas, eps=eps)
    starts: list[Tensor] = []

    def before(*_: Any) -> None:
        starts[:] = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def after(*_: Any) -> None:
        for parameter, start in zip(parameters, starts, strict=True):
            update = start - parameter + weight_decay * start
            ratio = torch.linalg.norm(start) / torch.linalg.norm(update)
            parameter.copy_(start - lr * ratio * update)

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)
    return optimizer
