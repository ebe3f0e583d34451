"""Group normalisation."""

import torch
from torch import Tensor, nn

from fathom.errors import InputError
from fathom.layers import init
from fathom.ops.normalisation import group_norm


class GroupNorm(nn.Module):
    """Normalise each example over each group of neighbouring channels and all places, then scale and shift.

    Twin: `torch.nn.GroupNorm`. Source: Wu and He 2018, arXiv 1803.08494, equation 7.

    Args:
        num_groups: divides `num_channels`; 1 takes all channels together, `num_channels` each alone.
        num_channels: the size of axis 1; `weight` and `bias` are `(num_channels,)`.
        eps: added to the variance, so in squared units of the input.
        affine: whether there are a scale and a shift to learn.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise InputError(
                f"num_groups: expected a number that divides num_channels={num_channels}, got {num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = nn.Parameter(torch.empty(num_channels)) if affine else None
        self.bias = nn.Parameter(torch.empty(num_channels)) if affine else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1 and shift 0."""
        if self.weight is not None and self.bias is not None:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, num_channels, ...)` to the same."""
        return group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"
