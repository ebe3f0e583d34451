"""Losses as layers: called with predictions and targets."""

from torch import Tensor, nn

from fathom.ops import losses as ops
from fathom.ops.divergences import binary_cross_entropy_with_logits, kl_div
from fathom.ops.robust_losses import huber_loss, l1_loss, smooth_l1_loss


class MSELoss(nn.Module):
    """(x - target)², the mean over all entries by default, without the book's half. Twin: `torch.nn.MSELoss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map two tensors of one shape to a number, or to that shape with `reduction="none"`."""
        return ops.mse_loss(x, target, reduction=self.reduction)


class L1Loss(nn.Module):
    """|x - target|, the mean over all entries by default; its derivative at 0 is 0. Twin: `torch.nn.L1Loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map two tensors of one shape to a number, or to that shape with `reduction="none"`."""
        return l1_loss(x, target, reduction=self.reduction)


class HuberLoss(nn.Module):
    """A parabola near 0, a line from `delta` on.

    Twin: `torch.nn.HuberLoss`. Source: Huber 1964, "Robust Estimation of a Location Parameter".

    Args:
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.
        delta: where the parabola goes over into a line, above 0, in units of the target.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__()
        self.reduction = reduction
        self.delta = delta

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map two tensors of one shape to a number, or to that shape with `reduction="none"`."""
        return huber_loss(x, target, self.reduction, self.delta)


class SmoothL1Loss(nn.Module):
    """The Huber loss over `beta`, so that its slope far out is 1.

    Twin: `torch.nn.SmoothL1Loss`. Source: Girshick 2015, arXiv 1504.08083, equation 3.

    Args:
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.
        beta: where the parabola goes over into a line, 0 or more, in units of the target.
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__()
        self.reduction = reduction
        self.beta = beta

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map two tensors of one shape to a number, or to that shape with `reduction="none"`."""
        return smooth_l1_loss(x, target, reduction=self.reduction, beta=self.beta)


class BCEWithLogitsLoss(nn.Module):
    """Binary cross-entropy of logits, in nats: the sigmoid is inside, where it can't overflow.

    Twin: `torch.nn.BCEWithLogitsLoss`.

    Args:
        weight: what each entry counts; a shape that broadcasts to that of the logits.
        reduction: `"mean"` over all entries, `"sum"` or `"none"`.
        pos_weight: what a target of 1 counts; a shape that broadcasts to that of the logits, such as `(classes,)`.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map logits and targets from 0 to 1 of one shape to a number, or to that shape with `reduction="none"`."""
        return binary_cross_entropy_with_logits(
            x, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(nn.Module):
    """The Kullback-Leibler divergence of predicted log-probabilities from the target, in nats.

    Twin: `torch.nn.KLDivLoss`, which warns at its default: the mean over all entries is not the divergence.

    Args:
        reduction: `"batchmean"` over the first axis, the divergence of an example; `"mean"` over all entries;
            `"sum"` or `"none"`.
        log_target: whether the target comes as logarithms.
    """

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__()
        self.reduction = reduction
        self.log_target = log_target

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Map log-probabilities and targets of one shape to a number, or to that shape with `reduction="none"`."""
        return kl_div(x, target, reduction=self.reduction, log_target=self.log_target)


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
