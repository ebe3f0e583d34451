"""The transposed convolutional layer."""

import torch
from torch import Tensor, nn

from fathom.layers import init
from fathom.layers.convolution import check_groups
from fathom.ops.transposed_convolution import conv_transpose2d, extra_pixels
from fathom.ops.windows import Size, per_axis


class ConvTranspose2d(nn.Module):
    """Stamp learned kernels, times each pixel, into a larger image: the adjoint of `Conv2d`.

    Twin: `torch.nn.ConvTranspose2d`. Source: Dive into Deep Learning, "Transposed Convolution".

    Args:
        in_channels: of the input.
        out_channels: of the output; `weight` is `(in_channels, out_channels / groups, kernel_height, kernel_width)`,
            `bias` is `(out_channels,)`.
        kernel_size: pixels, along each axis or one number for both.
        stride: pixels of the output from one stamp to the next.
        padding: pixels cut off on every side.
        output_padding: pixels added behind; fewer than the stride or the dilation.
        groups: the channels are split into so many groups that do not see each other.
        bias: whether a bias is added.
        dilation: pixels of the output from one entry of the kernel to the next.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
    ) -> None:
        super().__init__()
        check_groups(groups, in_channels, out_channels)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = per_axis(kernel_size, 2, "kernel_size")
        self.stride = per_axis(stride, 2, "stride")
        self.padding = per_axis(padding, 2, "padding", minimum=0)
        self.dilation = per_axis(dilation, 2, "dilation")
        self.output_padding = extra_pixels(output_padding, self.stride, self.dilation)
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels // groups, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, as torch does."""
        init.default_(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, in_channels, height, width)` to `(batch, out_channels, out_height, out_width)`."""
        return conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"padding={self.padding}, output_padding={self.output_padding}, groups={self.groups}, "
            f"bias={self.bias is not None}, dilation={self.dilation}"
        )
