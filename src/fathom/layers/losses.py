"""Losses as layers: called with predictions and targets."""

from torch import Tensor, nn

from fathom.ops import losses as ops


class MSELoss(nn.Module):
    """(x - target)², the mean over all entries by default, without the book's half. Twin: `torch.nn.MSELoss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map two tensors of one shape to a number, or to that shape with `reduction="none"`."""
        return ops.mse_loss(x, target, reduction=self.reduction)


class NLLLoss(nn.Module):
    """Minus the log-probability of the target. Twin: `torch.nn.NLLLoss`; arguments: as `CrossEntropyLoss`."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map log-probabilities `(batch, classes, ...)` and `(batch, ...)` of int to a number."""
        return ops.nll_loss(x, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(nn.Module):
    """The negative logarithm of the softmax at the target, in nats.

    Twin: `torch.nn.CrossEntropyLoss`. Source: Dive into Deep Learning, "Softmax Regression".

    Args:
        weight: `(classes,)`, what a mistake in each class counts.
        ignore_index: targets of this value count nothing.
        reduction: `"mean"` (over the examples, each with its class's weight), `"sum"` or `"none"`.
        label_smoothing: the share, 0 to 1, of each target that is spread evenly over all classes.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map logits `(batch, classes, ...)` and classes `(batch, ...)` of int, or probabilities, to a number."""
        return ops.cross_entropy(
            x,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
