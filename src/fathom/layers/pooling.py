"""Pooling layers: no parameters, one number for every window."""

from collections.abc import Sequence

from torch import Tensor, nn

from fathom.ops.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from fathom.ops.windows import Size


class AdaptiveAvgPool2d(nn.Module):
    """The mean of windows that are chosen so that the output has the size wanted; 1 gives the mean of the image.

    Twin: `torch.nn.AdaptiveAvgPool2d`. Source: Dive into Deep Learning, "Network in Network (NiN)", for size 1.

    Args:
        output_size: pixels of the output, along each axis or one number for both; None keeps an axis as it is.
    """

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., height, width)` to `(..., *output_size)`."""
        return adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self) -> str:
        """The size, for `repr`."""
        return f"output_size={self.output_size}"


class AvgPool2d(nn.Module):
    """The mean of every window of an image.

    Twin: `torch.nn.AvgPool2d`. Source: Dive into Deep Learning, "Pooling".

    Args:
        kernel_size: pixels of a window.
        stride: pixels from one window to the next; the kernel's size if not given.
        padding: zeros on every side, at most half the kernel.
        count_include_pad: whether the padding counts as pixels.
    """

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, *, count_include_pad: bool = True
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., height, width)` to `(..., out_height, out_width)`."""
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding, count_include_pad=self.count_include_pad)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(nn.Module):
    """The largest entry of every window of an image; of equal ones the first gets the gradient.

    Twin: `torch.nn.MaxPool2d`. Source: Dive into Deep Learning, "Pooling".

    Args:
        kernel_size: pixels of a window.
        stride: pixels from one window to the next; the kernel's size if not given.
        padding: minus infinity on every side, at most half the kernel.
        dilation: pixels from one entry of a window to the next.
        ceil_mode: whether a last window may reach over the end.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., height, width)` to `(..., out_height, out_width)`."""
        return max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )
