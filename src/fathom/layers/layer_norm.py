"""Layer normalisation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fathom.layers import init
from fathom.ops.normalisation import layer_norm


class LayerNorm(nn.Module):
    """Normalise each example over its last axes, then scale and shift.

    Twin: `torch.nn.LayerNorm`. Source: Ba, Kiros and Hinton 2016, arXiv 1607.06450, equation 4; Dive into Deep
    Learning, "The Transformer Architecture".

    Args:
        normalized_shape: of the last axes, or the size of the last one; `weight` and `bias` have this shape.
        eps: added to the variance, so in squared units of the input.
        elementwise_affine: whether there are a scale and a shift to learn.
        bias: whether there is the shift.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = nn.Parameter(torch.empty(self.normalized_shape)) if elementwise_affine else None
        self.bias = nn.Parameter(torch.empty(self.normalized_shape)) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1 and shift 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., *normalized_shape)` to the same."""
        return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
