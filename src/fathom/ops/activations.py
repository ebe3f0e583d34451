"""Nonlinearities, entry by entry or along one axis."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def relu(x: Tensor) -> Tensor:
    """max(x, 0), of any shape; its derivative at 0 is 0. Twin: `torch.nn.functional.relu`."""
    return x.masked_fill(x <= 0, 0.0)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), of any shape, between 0 and 1. Twin: `torch.sigmoid`."""
    return _Sigmoid.apply(x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, of any shape, between -1 and 1. Twin: `torch.tanh`."""
    return x.tanh()


def softmax(x: Tensor, dim: int) -> Tensor:
    """exp(x) over its sum along `dim`; same shape, the sum along `dim` is 1. Twin: `torch.nn.functional.softmax`."""
    powers = (x - x.detach().amax(dim, keepdim=True)).exp()  # the largest power is 1: nothing overflows
    return powers / powers.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """The logarithm of `softmax`, in nats, without its underflow. Twin: `torch.nn.functional.log_softmax`."""
    shifted = x - x.detach().amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


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
