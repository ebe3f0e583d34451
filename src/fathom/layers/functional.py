"""The functions of `fathom.ops` under the names of `torch.nn.functional`."""

from fathom.ops.activations import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    prelu,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from fathom.ops.attention import scaled_dot_product_attention
from fathom.ops.convolution import conv1d, conv2d
from fathom.ops.divergences import binary_cross_entropy_with_logits, kl_div
from fathom.ops.dropout import dropout
from fathom.ops.embedding import embedding, one_hot
from fathom.ops.linear import linear
from fathom.ops.losses import cross_entropy, mse_loss, nll_loss
from fathom.ops.normalisation import batch_norm, group_norm, layer_norm
from fathom.ops.pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from fathom.ops.robust_losses import huber_loss, l1_loss, smooth_l1_loss
from fathom.ops.transposed_convolution import conv_transpose2d

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "group_norm",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "prelu",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]
