"""Layers and activations as functions. Twin: `torch.nn.functional`, whose names, order and defaults these keep."""

import math

import numpy as np

from fathom.autograd.creation import default_generator, where
from fathom.autograd.errors import DtypeError, ShapeError
from fathom.autograd.nn.images import (
    adaptive_avg_pool2d,
    avg_pool2d,
    conv2d,
    conv_transpose2d,
    max_pool2d,
    same_dtype,
)
from fathom.autograd.nn.losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from fathom.autograd.state import no_grad
from fathom.autograd.table import RECORDED
from fathom.autograd.tensor import Tensor

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "huber_loss",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b: `(..., in_features)`, `(out_features, in_features)`, `(out_features,)` to `(..., out_features)`."""
    if input.shape[-1:] != weight.shape[1:]:
        raise ShapeError(
            f"linear: expected {weight.shape[1]} features in the last axis, got input {input.shape} for weight "
            f"{weight.shape}; flatten or transpose the input"
        )
    same_dtype("linear", input, weight)
    return RECORDED.linear(input, weight, bias)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel (axis 1) to mean 0 and variance 1: the batch's in training, the running ones otherwise.

    In training the running statistics are changed in place; the running variance divides by n - 1, as torch's.
    """
    axes = (0, *range(2, input.ndim))
    shape = (1, -1, *[1] * (input.ndim - 2))
    if training or running_mean is None or running_var is None:
        count = input.numel() // input.shape[1]
        if training and count < 2:
            raise ShapeError(f"batch_norm: needs more than one value a channel in training, got {input.shape}")
        y = RECORDED.normalise(input, dim=axes, eps=eps)
        if training and running_mean is not None and running_var is not None:
            with no_grad():
                x = input.detach()
                running_mean.mul_(1 - momentum).add_(x.mean(axes) * momentum)
                running_var.mul_(1 - momentum).add_(x.var(axes) * momentum)
    else:
        deviation = (running_var + eps).sqrt()
        y = (input - running_mean.reshape(*shape)) / deviation.reshape(*shape)
    if weight is not None:
        y = y * weight.reshape(*shape)
    return y if bias is None else y + bias.reshape(*shape)


def layer_norm(
    input: Tensor,
    normalized_shape: int | tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each example to mean 0 and variance 1 over the last axes, then scaled and shifted."""
    sizes = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    first = input.ndim - len(sizes)
    if first < 0 or input.shape[first:] != sizes:
        raise ShapeError(f"layer_norm: expected the last axes to be {sizes}, got input {input.shape}")
    y = RECORDED.normalise(input, dim=tuple(range(first, input.ndim)), eps=eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """The rows of `weight` at the numbers in `input`: `(...)` of int to `(..., features)`."""
    if input.dtype.kind not in "iu":
        raise DtypeError(f"embedding: expected whole numbers, got {input.dtype} of shape {input.shape}; use long()")
    if input.numel() and (input.array.max() >= len(weight) or input.array.min() < 0):
        raise ShapeError(f"embedding: numbers must be from 0 to {len(weight) - 1}, got {input.array.max()}")
    return RECORDED.embedding(input, weight)


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None
) -> Tensor:
    """Each element 0 with probability p, else divided by 1 - p; the input itself when not training."""
    if not 0 <= p <= 1:
        raise ShapeError(f"dropout: expected a probability from 0 to 1, got {p}")
    if not training or p == 0:
        return input
    mask = RECORDED.bernoulli(input.detach(), p=1 - p, generator=generator or default_generator())
    return input * mask * (1 / (1 - p) if p < 1 else 0.0)


def relu(input: Tensor) -> Tensor:
    """max(x, 0)."""
    return input.relu()


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return input.tanh()


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """x where positive, `negative_slope` x elsewhere."""
    return RECORDED.leaky_relu(input, negative_slope=negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """x where positive, α (exp(x) - 1) elsewhere."""
    below = alpha * input.clamp(max=0).expm1()  # clamped, for exp of a large x would be infinite, and 0 · ∞ is not 0
    return where(input > 0, input, below)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x Φ(x), Φ the normal distribution, or its "tanh" approximation. Hendrycks and Gimpel 2016, arXiv 1606.08415."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input**3)
        return 0.5 * input * (1 + inner.tanh())
    return input * (0.5 * (1 + (input * math.sqrt(0.5)).erf()))


def silu(input: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return input * input.sigmoid()


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(β x)) / β, and x itself where β x is above the threshold."""
    scaled = input * beta
    return where(scaled > threshold, input, RECORDED.softplus(scaled) / beta)


def softmax(input: Tensor, dim: int) -> Tensor:
    """exp(x) / Σ exp(x) along `dim`."""
    return input.softmax(dim)


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """The logarithm of `softmax`."""
    return input.log_softmax(dim)


def one_hot(input: Tensor, num_classes: int) -> Tensor:
    """1 at each number's place, 0 elsewhere: `(...)` to `(..., num_classes)` of int."""
    return Tensor.wrap((input.array[..., None] == np.arange(num_classes)).astype(np.int64))


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
) -> Tensor:
    """softmax(Q Kᵀ / √d) V. A boolean mask is true where one may look; a float mask is added to the scores.

    Source: Vaswani et al. 2017, arXiv 1706.03762, equation 1.
    """
    scores = query @ key.mT * (1 / math.sqrt(query.shape[-1]))
    if is_causal:
        attn_mask = Tensor.wrap(np.tri(*scores.shape[-2:], dtype=bool))
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == bool else scores + attn_mask
    return dropout(scores.softmax(-1), dropout_p) @ value
