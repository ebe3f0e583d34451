"""Layers. Twins: torch's of the same names; parameter names, shapes, argument order and defaults are torch's."""

import math
from typing import Any

import numpy as np

from fathom.autograd.nn import functional as F
from fathom.autograd.nn import init
from fathom.autograd.nn.images import Size, two
from fathom.autograd.nn.module import Module
from fathom.autograd.nn.parameter import Parameter
from fathom.autograd.tensor import Tensor


def fresh(*shape: int) -> Parameter:
    """A parameter of zeros."""
    return Parameter(np.zeros(shape, np.float32))


def _start(weight: Tensor, bias: Tensor | None) -> None:
    """torch's default: both uniform within 1/√fan_in."""
    init.kaiming_uniform_(weight, math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(init.fans(weight)[0])
        init.uniform_(bias, -bound, bound)


class Identity(Module):
    """Its input; takes any arguments and forgets them."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """The same."""
        return x


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, ...)` to `(batch, features)`."""
        return x.flatten(self.start_dim, self.end_dim)


class Linear(Module):
    """x Wᵀ + b; `weight` is `(out_features, in_features)`, `bias` `(out_features,)`."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = fresh(out_features, in_features)
        self.register_parameter("bias", fresh(out_features) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        _start(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(..., in_features)` to `(..., out_features)`."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class _Conv(Module):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        shape: tuple[int, int],
        bias: bool,
        **geometry: Any,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, two(kernel_size)
        self.geometry = geometry
        self.weight = fresh(*shape, *self.kernel_size)
        self.register_parameter("bias", fresh(out_channels) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights."""
        _start(self.weight, self.bias)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        options = "".join(f", {name}={value}" for name, value in self.geometry.items())
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}{options}"


class Conv2d(_Conv):
    """Cross-correlation; `weight` is `(out_channels, in_channels / groups, *kernel_size)`, `bias` `(out_channels,)`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        geometry = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        shape = (out_channels, in_channels // groups)
        super().__init__(in_channels, out_channels, kernel_size, shape, bias, **geometry)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, in_channels, height, width)` to `(batch, out_channels, rows, columns)`."""
        return F.conv2d(x, self.weight, self.bias, **self.geometry)


class ConvTranspose2d(_Conv):
    """The gradient of a convolution as a layer; `weight` is `(in_channels, out_channels / groups, *kernel_size)`."""

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
        geometry = {"stride": stride, "padding": padding, "output_padding": output_padding, "groups": groups}
        shape = (in_channels, out_channels // groups)
        super().__init__(in_channels, out_channels, kernel_size, shape, bias, **geometry, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, in_channels, rows, columns)` to `(batch, out_channels, height, width)`."""
        return F.conv_transpose2d(x, self.weight, self.bias, **self.geometry)


class AvgPool2d(Module):
    """The mean of each window."""

    def __init__(
        self, kernel_size: Size, stride: Size | None = None, padding: Size = 0, *, count_include_pad: bool = True
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, height, width)` to `(batch, channels, rows, columns)`."""
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding, count_include_pad=self.count_include_pad)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(Module):
    """The largest of each window."""

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
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.ceil_mode = padding, dilation, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, height, width)` to `(batch, channels, rows, columns)`."""
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation, ceil_mode=self.ceil_mode)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean over as many cells as asked for."""

    def __init__(self, output_size: Size) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, channels, height, width)` to `(batch, channels, *output_size)`."""
        return F.adaptive_avg_pool2d(x, self.output_size)


class Dropout(Module):
    """In training, each element 0 with probability p, the others divided by 1 - p."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"p={self.p}"


class Embedding(Module):
    """Rows of `weight`, `(num_embeddings, embedding_dim)`, by number; the row `padding_idx` starts at 0 and stays."""

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight = fresh(num_embeddings, embedding_dim)
        init.normal_(self.weight)
        if padding_idx is not None:
            self.weight.array[padding_idx] = 0

    def forward(self, x: Tensor) -> Tensor:
        """`(...)` of int to `(..., embedding_dim)`."""
        y = F.embedding(x, self.weight)
        if self.padding_idx is None:
            return y
        padding = (x == self.padding_idx % self.num_embeddings).unsqueeze(-1)
        return F.where(padding, y.detach(), y)

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"{self.num_embeddings}, {self.embedding_dim}"
