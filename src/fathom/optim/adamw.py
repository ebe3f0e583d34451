"""AdamW."""

from typing import Any

import torch

from fathom.optim.adam import Adam


class AdamW(Adam):
    """Adam whose weight decay does not go through the running means: x ← x - η λ x, then Adam's step.

    Twin: `torch.optim.AdamW`. Source: Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2; as in the framework
    the decay is multiplied by the learning rate too.

    Args: as of `Adam`; `weight_decay` is λ.
    """

    TWIN = torch.optim.AdamW

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # a state of Adam decays as AdamW from here on
            group["decoupled_weight_decay"] = True
