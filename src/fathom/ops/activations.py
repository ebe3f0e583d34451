"""Nonlinearities, entry by entry or along one axis."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from fathom.errors import InputError, ShapeError


def relu(x: Tensor) -> Tensor:
    """max(x, 0), of any shape; its derivative at 0 is 0. Twin: `torch.nn.functional.relu`."""
    return _ReLU.apply(x)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), of any shape, between 0 and 1. Twin: `torch.sigmoid`."""
    return _Sigmoid.apply(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, of any shape, between -1 and 1. Twin: `torch.tanh`."""
    return x.tanh()


def leaky_relu(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x above 0, `negative_slope` · x below and at 0, of any shape. Twin: `torch.nn.functional.leaky_relu`."""
    return torch.where(x > 0, x, negative_slope * x)


def prelu(x: Tensor, weight: Tensor) -> Tensor:
    """x above 0, weight · x below and at 0, where the weight is learnt.

    Args:
        x: `(batch, channels, ...)`.
        weight: `(channels,)`, or `(1,)` for one slope, in which case `x` may have any shape.

    Raises:
        ShapeError: `x` has other channels.

    Twin: `torch.nn.functional.prelu`. Source: He et al. 2015, arXiv 1502.01852, equation 1.
    """
    if len(weight) > 1:
        if x.dim() < 2 or x.shape[1] != len(weight):
            raise ShapeError(f"x: expected (batch, {len(weight)}, ...), a slope for each channel, got {tuple(x.shape)}")
        weight = weight.reshape(-1, *(1,) * (x.dim() - 2))
    return torch.where(x > 0, x, weight * x)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x above 0, `alpha` · (exp(x) - 1) below, of any shape.

    Twin: `torch.nn.functional.elu`. Source: Clevert, Unterthiner and Hochreiter 2015, arXiv 1511.07289, equation 15.
    """
    below = x.clamp(max=0)  # also where the other branch is taken: its derivative must not overflow
    return torch.where(x > 0, x, alpha * below.expm1())


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x · Φ(x), of any shape, where Φ is the standard normal distribution function.

    Args:
        x: any shape.
        approximate: `"none"`, or `"tanh"` for 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).

    Twin: `torch.nn.functional.gelu`. Source: Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2.
    """
    if approximate == "none":
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    if approximate == "tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    raise InputError(f"approximate: expected 'none' or 'tanh', got {approximate!r}")


def silu(x: Tensor) -> Tensor:
    """x · sigmoid(x), of any shape. Twin: `torch.nn.functional.silu`. Source: as `gelu`."""
    return x * sigmoid(x)


def softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(`beta` · x)) / `beta`, a smooth ReLU, of any shape; x itself where `beta` · x is above `threshold`.

    Twin: `torch.nn.functional.softplus`.
    """
    scaled = beta * x
    bent = scaled.clamp(max=threshold).exp().log1p() / beta  # cut off: exp must not overflow in the branch not taken
    return torch.where(scaled > threshold, x, bent)


def softmax(x: Tensor, dim: int) -> Tensor:
    """exp(x) over its sum along `dim`; same shape, the sum along `dim` is 1. Twin: `torch.nn.functional.softmax`."""
    powers = (x - x.detach().amax(dim, keepdim=True)).exp()  # the largest power is 1: nothing overflows
    return powers / powers.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """The logarithm of `softmax`, in nats, without its underflow. Twin: `torch.nn.functional.log_softmax`."""
    shifted = x - x.detach().amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


class _ReLU(Function):
    """By hand because clamp, one pass over the data, has the derivative 1 at 0."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradient * y.sign()  # y is never below 0; a mask of bool would take five times as long


class _Sigmoid(Function):
    """By hand because exp(-x) overflows for x far below 0: the value is still right, but not autograd's derivative."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.neg(x).exp_().add_(1).reciprocal_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gradient * (y * (1 - y))
