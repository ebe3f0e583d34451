"""Convolutional layers."""

import torch
from torch import Tensor, nn

from fathom.errors import InputError
from fathom.layers import init
from fathom.ops.convolution import conv1d, conv2d, padding_per_side
from fathom.ops.windows import Size, per_axis


def check_groups(groups: int, in_channels: int, out_channels: int) -> None:
    """InputError unless the channels can be split into so many groups of equal size."""
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise InputError(
            f"groups: expected a number that divides in_channels={in_channels} and out_channels={out_channels}, "
            f"got {groups}"
        )


class _Convolution(nn.Module):
    """What the layers below share: sizes, parameters, and their initial values."""

    bias: nn.Parameter | None

    def __init__(
        self,
        axes: int,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | str,
        dilation: Size,
        groups: int,
        bias: bool,
    ) -> None:
        super().__init__()
        check_groups(groups, in_channels, out_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_axis(kernel_size, axes, "kernel_size")
        self.stride = per_axis(stride, axes, "stride")
        self.dilation = per_axis(dilation, axes, "dilation")
        self.padding = padding if isinstance(padding, str) else per_axis(padding, axes, "padding", minimum=0)
        self.groups = groups
        padding_per_side(self.padding, self.kernel_size, self.stride, self.dilation)  # complain now
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, as torch does."""
        init.default_(self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, dilation={self.dilation}, groups={self.groups}, bias={self.bias is not None}"
        )


class Conv1d(_Convolution):
    """Cross-correlate sequences with learned kernels.

    Twin: `torch.nn.Conv1d`. Source: Dive into Deep Learning, "Sentiment Analysis: Using Convolutional Neural Networks".

    Args:
        in_channels: of the input.
        out_channels: of the output; `weight` is `(out_channels, in_channels / groups, kernel)`, `bias` is
            `(out_channels,)`.
        kernel_size: steps; this and the rest as in `Conv2d`.
        stride: steps from one window to the next.
        padding: zeros on either side, or `"same"` or `"valid"`.
        dilation: steps from one entry of the kernel to the next.
        groups: the channels are split into so many groups that do not see each other.
        bias: whether a bias is added.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(1, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, steps)` to `(batch, out_channels, out_steps)`."""
        return conv1d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d(_Convolution):
    """Cross-correlate images with learned kernels.

    Twin: `torch.nn.Conv2d`. Source: Dive into Deep Learning, "Convolutions for Images" to "Multiple Input and
    Multiple Output Channels".

    Args:
        in_channels: of the input.
        out_channels: of the output; `weight` is `(out_channels, in_channels / groups, kernel_height, kernel_width)`,
            `bias` is `(out_channels,)`.
        kernel_size: pixels, along each axis or one number for both.
        stride: pixels from one window to the next.
        padding: zeros on every side, or `"same"` or `"valid"`.
        dilation: pixels from one entry of the kernel to the next.
        groups: the channels are split into so many groups that do not see each other.
        bias: whether a bias is added.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(2, in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, height, width)` to `(batch, out_channels, out_height, out_width)`."""
        return conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
