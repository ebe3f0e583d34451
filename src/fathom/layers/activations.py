"""Nonlinearities as layers."""

from torch import Tensor, nn

from fathom.ops import activations as ops


class ReLU(nn.Module):
    """max(x, 0); its derivative at 0 is 0. Twin: `torch.nn.ReLU`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.relu(x)


class Sigmoid(nn.Module):
    """1 / (1 + exp(-x)). Twin: `torch.nn.Sigmoid`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.sigmoid(x)


class Tanh(nn.Module):
    """The hyperbolic tangent. Twin: `torch.nn.Tanh`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.tanh(x)
