"""Batch and layer normalisation. Twins: torch's of the same names."""

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.nn import functional as F
from fathom.autograd.nn.module import Module
from fathom.autograd.nn.parameter import Parameter
from fathom.autograd.tensor import Tensor


class _BatchNorm(Module):
    axes: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        ones, zeros = np.ones(num_features, np.float32), np.zeros(num_features, np.float32)
        self.register_parameter("weight", Parameter(ones.copy()) if affine else None)
        self.register_parameter("bias", Parameter(zeros.copy()) if affine else None)
        self.register_buffer("running_mean", Tensor(zeros) if track_running_stats else None)
        self.register_buffer("running_var", Tensor(ones) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", Tensor(np.array(0)) if track_running_stats else None)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        if x.ndim not in self.axes or x.shape[1] != self.num_features:
            name, axes = type(self).__name__, " or ".join(map(str, self.axes))
            raise ShapeError(f"{name}: expected {axes} axes with {self.num_features} channels in axis 1, got {x.shape}")
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:  # a plain mean over all batches so far
                momentum = 1 / self.num_batches_tracked.item()
        statistics = self.running_mean, self.running_var
        return F.batch_norm(x, *statistics, self.weight, self.bias, self.training, momentum or 0.0, self.eps)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class BatchNorm1d(_BatchNorm):
    """Each feature to mean 0 and variance 1 over the batch. Ioffe and Szegedy 2015, arXiv 1502.03167."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel to mean 0 and variance 1 over batch, height and width. Ioffe and Szegedy 2015, arXiv 1502.03167."""

    axes = (4,)


class LayerNorm(Module):
    """Each example to mean 0 and variance 1 over its last axes. Ba, Kiros and Hinton 2016, arXiv 1607.06450."""

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape, self.eps = sizes, eps
        self.register_parameter("weight", Parameter(np.ones(sizes, np.float32)) if elementwise_affine else None)
        shift = Parameter(np.zeros(sizes, np.float32)) if elementwise_affine and bias else None
        self.register_parameter("bias", shift)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"{self.normalized_shape}, eps={self.eps}"
