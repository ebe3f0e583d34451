"""The functions of `fathom.ops` under the names of `torch.nn.functional`."""

from fathom.ops.activations import log_softmax, relu, sigmoid, softmax, tanh
from fathom.ops.convolution import conv1d, conv2d
from fathom.ops.dropout import dropout
from fathom.ops.linear import linear
from fathom.ops.losses import cross_entropy, mse_loss, nll_loss
from fathom.ops.pooling import avg_pool2d, max_pool2d

__all__ = [
    "avg_pool2d",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "dropout",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
