"""The fully connected layer."""

import torch
from torch import Tensor, nn

from fathom.layers import init
from fathom.ops.linear import linear


class Linear(nn.Module):
    """y = x · weightᵀ + bias.

    Twin: `torch.nn.Linear`. Source: Dive into Deep Learning, "Linear Regression".

    Args:
        in_features: size of the last axis of the input; `weight` is `(out_features, in_features)`.
        out_features: size of the last axis of the output; `bias` is `(out_features,)`.
        bias: whether a bias is added.
    """

    bias: nn.Parameter | None

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, as torch does."""
        init.default_(self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., in_features)` to `(..., out_features)`."""
        return linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
