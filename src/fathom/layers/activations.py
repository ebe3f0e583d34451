"""Nonlinearities as layers."""

import torch
from torch import Tensor, nn

from fathom.errors import InputError
from fathom.layers import init
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


class LeakyReLU(nn.Module):
    """x above 0, `negative_slope` · x below and at 0. Twin: `torch.nn.LeakyReLU`."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope, for `repr`."""
        return f"negative_slope={self.negative_slope}"


class PReLU(nn.Module):
    """x above 0, weight · x below and at 0, where the weight is learnt.

    Twin: `torch.nn.PReLU`. Source: He et al. 2015, arXiv 1502.01852, equation 1.

    Args:
        num_parameters: 1 for one slope, or `channels` for one each; `weight` is `(num_parameters,)`.
        init: the slope at the start.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.init = init
        self.weight = nn.Parameter(torch.empty(num_parameters))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, ...)`, or with one slope any shape, to the same."""
        return ops.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The number of slopes, for `repr`."""
        return f"num_parameters={len(self.weight)}"


class ELU(nn.Module):
    """x above 0, `alpha` · (exp(x) - 1) below.

    Twin: `torch.nn.ELU`. Source: Clevert, Unterthiner and Hochreiter 2015, arXiv 1511.07289.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The depth, for `repr`."""
        return f"alpha={self.alpha}"


class GELU(nn.Module):
    """x · Φ(x), where Φ is the standard normal distribution function.

    Twin: `torch.nn.GELU`. Source: Hendrycks and Gimpel 2016, arXiv 1606.08415.

    Args:
        approximate: `"none"`, or `"tanh"` for the paper's approximation by a hyperbolic tangent.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """The formula, for `repr`."""
        return f"approximate={self.approximate!r}"


class SiLU(nn.Module):
    """x · sigmoid(x). Twin: `torch.nn.SiLU`."""

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.silu(x)


class Softplus(nn.Module):
    """log(1 + exp(`beta` · x)) / `beta`; x itself where `beta` · x is above `threshold`. Twin: `torch.nn.Softplus`."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Sharpness and threshold, for `repr`."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(nn.Module):
    """exp(x) over its sum along `dim`, which must be given. Twin: `torch.nn.Softmax`."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = _given(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same; the sum along `dim` is 1."""
        return ops.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The axis, for `repr`."""
        return f"dim={self.dim}"


class LogSoftmax(nn.Module):
    """The logarithm of the softmax along `dim`, which must be given, in nats. Twin: `torch.nn.LogSoftmax`."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = _given(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return ops.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The axis, for `repr`."""
        return f"dim={self.dim}"


def _given(dim: int | None) -> int:
    """The twin guesses an axis from the number of axes, and warns; we ask."""
    if dim is None:
        raise InputError("dim: expected the axis along which the probabilities sum to 1, got None; usually dim=1")
    return dim
