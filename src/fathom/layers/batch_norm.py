"""Batch normalisation."""

import torch
from torch import Tensor, nn

from fathom.errors import ShapeError
from fathom.layers import init
from fathom.ops.normalisation import batch_norm


class _BatchNorm(nn.Module):
    """What the layers below share: all but the shapes they take."""

    axes: tuple[int, ...]
    expected: str
    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        biased_running_variance: bool = False,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.biased_running_variance = biased_running_variance
        self.weight = nn.Parameter(torch.empty(num_features)) if affine else None
        self.bias = nn.Parameter(torch.empty(num_features)) if affine else None
        self.register_buffer("running_mean", torch.empty(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.empty(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1, shift 0, and running statistics as if nothing had been seen."""
        for ones in (self.weight, self.running_var):
            if ones is not None:
                init.ones_(ones)
        for zeros in (self.bias, self.running_mean, self.num_batches_tracked):
            if zeros is not None:
                init.zeros_(zeros)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, num_features, ...)` to the same; in training, also move the running statistics."""
        if x.dim() not in self.axes or x.shape[1] != self.num_features:
            raise ShapeError(f"x: expected {self.expected.format(self.num_features)}, got {tuple(x.shape)}")
        share = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if share is None:  # the plain mean over all batches
                share = 1 / int(self.num_batches_tracked)
        return batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or self.running_mean is None,
            momentum=share or 0.0,
            eps=self.eps,
            biased_running_variance=self.biased_running_variance,
        )

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
            + (", biased_running_variance=True" if self.biased_running_variance else "")
        )


class BatchNorm1d(_BatchNorm):
    """Normalise each feature over the batch (and the steps), then scale and shift.

    In training by the batch's own mean and variance; in evaluation by the running ones, which training has averaged.

    Twin: `torch.nn.BatchNorm1d`. Source: Ioffe and Szegedy 2015, arXiv 1502.03167; Dive into Deep Learning, "Batch
    Normalization".

    Args:
        num_features: the size of axis 1; `weight`, `bias`, `running_mean` and `running_var` are `(num_features,)`.
        eps: added to the variance, so in squared units of the input.
        momentum: the share, 0 to 1, of a new batch in the running statistics; None for the plain mean of all batches.
        affine: whether there are a scale and a shift to learn.
        track_running_stats: whether to keep running statistics; without, evaluation uses the batch's own.
        biased_running_variance: divide the running variance by the count n, as the book does, not by n - 1.
    """

    axes = (2, 3)
    expected = "(batch, {0}) or (batch, {0}, steps)"


class BatchNorm2d(_BatchNorm):
    """Normalise each channel over the batch and all pixels, then scale and shift.

    Twin: `torch.nn.BatchNorm2d`. Source and arguments: as `BatchNorm1d`; `num_features` is the number of channels.
    """

    axes = (4,)
    expected = "(batch, {0}, height, width)"
