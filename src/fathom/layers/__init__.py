"""Rung 2 of the ladder: torch.nn's layers from bare tensor operations, with its names, defaults and parameter names.

A model takes this module as its `nn`: `lenet(nn=fathom.layers)` has no layer of torch's in it, and its state dict
moves to and from `lenet()`. `Module`, `Parameter` and the containers are torch's own.
"""

import importlib
from typing import Any

from torch.nn import Identity, Module, ModuleDict, ModuleList, Parameter, ParameterList, Sequential

from fathom.layers import functional, init
from fathom.layers.activations import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from fathom.layers.attention import MultiheadAttention
from fathom.layers.batch_norm import BatchNorm1d, BatchNorm2d
from fathom.layers.convolution import Conv1d, Conv2d
from fathom.layers.dropout import Dropout
from fathom.layers.embedding import Embedding
from fathom.layers.flatten import Flatten
from fathom.layers.group_norm import GroupNorm
from fathom.layers.gru import GRU, GRUCell
from fathom.layers.layer_norm import LayerNorm
from fathom.layers.lazy import LazyBatchNorm1d, LazyBatchNorm2d, LazyConv2d, LazyLinear
from fathom.layers.linear import Linear
from fathom.layers.losses import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from fathom.layers.lstm import LSTM, LSTMCell
from fathom.layers.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from fathom.layers.rnn import RNN, RNNCell
from fathom.layers.scores import AdditiveAttention, DotProductAttention
from fathom.layers.transformer import (
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from fathom.layers.transposed_convolution import ConvTranspose2d
from fathom.registry import unknown

RUNGS = {"numpy": "fathom.autograd.nn", "scratch": "fathom.layers", "torch": "torch.nn"}


def namespace(rung: str) -> Any:
    """The module that carries the layers of a rung: `fathom.autograd.nn`, `fathom.layers` or `torch.nn`.

    Args:
        rung: `numpy`, `scratch` or `torch`.

    Raises:
        UnknownNameError: there is no such rung.
    """
    if rung not in RUNGS:
        raise unknown("rung", rung, RUNGS)
    return importlib.import_module(RUNGS[rung])


__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "RUNGS",
    "AdaptiveAvgPool2d",
    "AdditiveAttention",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "DotProductAttention",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "GroupNorm",
    "HuberLoss",
    "Identity",
    "KLDivLoss",
    "L1Loss",
    "LSTMCell",
    "LayerNorm",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyConv2d",
    "LazyLinear",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "ParameterList",
    "RNNCell",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "functional",
    "init",
    "namespace",
]
