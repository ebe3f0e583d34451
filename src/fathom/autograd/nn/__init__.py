"""Layers, losses and containers on the engine, under torch.nn's names, parameter names and defaults."""

from fathom.autograd.nn import functional, init
from fathom.autograd.nn.activations import (
    ELU,
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from fathom.autograd.nn.attention import MultiheadAttention, TransformerEncoder, TransformerEncoderLayer
from fathom.autograd.nn.clipping import clip_grad_norm_, clip_grad_value_
from fathom.autograd.nn.containers import ModuleDict, ModuleList, Sequential
from fathom.autograd.nn.criteria import BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss
from fathom.autograd.nn.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
)
from fathom.autograd.nn.module import Module
from fathom.autograd.nn.normalisation import BatchNorm1d, BatchNorm2d, LayerNorm
from fathom.autograd.nn.parameter import Parameter
from fathom.autograd.nn.recurrent import GRU, LSTM, RNN
from fathom.autograd.nn.scores import AdditiveAttention, DotProductAttention

__all__ = [
    "ELU",
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "AdaptiveAvgPool2d",
    "AdditiveAttention",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "DotProductAttention",
    "Dropout",
    "Embedding",
    "Flatten",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "clip_grad_norm_",
    "clip_grad_value_",
    "functional",
    "init",
]
