"""Losses as modules, over the functions in `losses.py`. Twins: torch's of the same names."""

from fathom.autograd.nn import losses
from fathom.autograd.nn.module import Module
from fathom.autograd.tensor import Tensor


class CrossEntropyLoss(Module):
    """-log softmax(logits)[target]; see `functional.cross_entropy`."""

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index, self.reduction, self.label_smoothing = ignore_index, reduction, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """`(batch, classes, ...)` and `(batch, ...)` of int to a scalar."""
        options = self.weight, self.ignore_index, self.reduction, self.label_smoothing
        return losses.cross_entropy(input, target, *options)


class MSELoss(Module):
    """(x - y)²."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two of one shape to a scalar."""
        return losses.mse_loss(input, target, self.reduction)


class L1Loss(Module):
    """|x - y|."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two of one shape to a scalar."""
        return losses.l1_loss(input, target, self.reduction)


class HuberLoss(Module):
    """Square near 0, straight beyond δ."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__()
        self.reduction, self.delta = reduction, delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two of one shape to a scalar."""
        return losses.huber_loss(input, target, self.reduction, self.delta)


class BCEWithLogitsLoss(Module):
    """-y log σ(x) - (1 - y) log(1 - σ(x))."""

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Two of one shape to a scalar."""
        return losses.binary_cross_entropy_with_logits(input, target, self.weight, self.reduction, self.pos_weight)
