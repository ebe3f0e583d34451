"""Deferred initialisation: layers that learn the size of their input from the first input.

Until then their parameters are torch's `UninitializedParameter`, a placeholder without shape, as `Module` and
`Parameter` are torch's; after it they are the layers that the class in front of them names, and nothing of this file
is left of them. Source: Dive into Deep Learning, "Deferred Initialization".
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from fathom.errors import ShapeError
from fathom.layers.batch_norm import BatchNorm1d, BatchNorm2d
from fathom.layers.convolution import Conv2d, check_groups
from fathom.layers.linear import Linear
from fathom.ops.windows import Size


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` that takes `in_features` from the last axis of its first input. Twin: `torch.nn.LazyLinear`.

    Args:
        out_features: size of the last axis of the output.
        bias: whether a bias is added.
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True) -> None:
        super().__init__(0, 0, bias=False)
        self.out_features = out_features
        self.weight = _placeholder()
        self.bias = _placeholder() if bias else None

    def reset_parameters(self) -> None:
        """Draw new weights, as torch does, once there are any."""
        if self.in_features:
            super().reset_parameters()

    def initialize_parameters(self, x: Tensor) -> None:  # called by the mixin before the first forward
        """Give the parameters their shapes and first values."""
        if not self.has_uninitialized_params():  # a state dict was loaded first
            self.in_features = self.weight.shape[1]
            return
        if x.dim() == 0:
            raise ShapeError("x: expected (..., in_features), got a single number")
        self.in_features = x.shape[-1]
        _shape(self.weight, self.out_features, self.in_features)
        _shape(self.bias, self.out_features)
        self.reset_parameters()


class LazyConv2d(LazyModuleMixin, Conv2d):
    """A `Conv2d` that takes `in_channels` from its first input. Twin: `torch.nn.LazyConv2d`; arguments: as `Conv2d`."""

    cls_to_become = Conv2d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, bias=False)
        check_groups(groups, 0, out_channels)
        self.out_channels = out_channels
        self.weight = _placeholder()
        self.bias = _placeholder() if bias else None

    def reset_parameters(self) -> None:
        """Draw new weights, as torch does, once there are any."""
        if self.in_channels:
            super().reset_parameters()

    def initialize_parameters(self, x: Tensor) -> None:
        """Give the parameters their shapes and first values."""
        if not self.has_uninitialized_params():
            self.in_channels = self.weight.shape[1] * self.groups
            return
        if x.dim() not in (3, 4) or x.shape[-3] % self.groups:
            raise ShapeError(
                f"x: expected (batch, in_channels, height, width) with in_channels in {self.groups} groups, "
                f"got {tuple(x.shape)}"
            )
        self.in_channels = x.shape[-3]
        _shape(self.weight, self.out_channels, self.in_channels // self.groups, *self.kernel_size)
        _shape(self.bias, self.out_channels)
        self.reset_parameters()


class _LazyBatchNorm(LazyModuleMixin):
    """What the layers below share; stands in front of the class that they become."""

    def __init__(
        self: Any,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        biased_running_variance: bool = False,
    ) -> None:
        super().__init__(  # type: ignore[misc]  # torch's annotation of self means the finished class
            0, eps, momentum, affine, track_running_stats, biased_running_variance=biased_running_variance
        )
        if affine:
            self.weight, self.bias = _placeholder(), _placeholder()
        if track_running_stats:
            self.running_mean, self.running_var = _placeholder(UninitializedBuffer), _placeholder(UninitializedBuffer)

    def initialize_parameters(self: Any, x: Tensor) -> None:
        """Give parameters and buffers their shapes and first values."""
        if x.dim() < 2:
            raise ShapeError(f"x: expected (batch, num_features, ...), got {tuple(x.shape)}")
        self.num_features = x.shape[1]
        if self.has_uninitialized_params():
            for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
                _shape(tensor, self.num_features)
            self.reset_parameters()


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input. Twin: `torch.nn.LazyBatchNorm1d`."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input. Twin: `torch.nn.LazyBatchNorm2d`."""

    cls_to_become = BatchNorm2d


def _placeholder(kind: Any = UninitializedParameter) -> Any:
    """A parameter or buffer without shape."""
    return kind()


def _shape(tensor: Any, *sizes: int) -> None:
    """Give a placeholder its shape; what is not there stays away."""
    if tensor is not None:
        with torch.no_grad():
            tensor.materialize(sizes)
