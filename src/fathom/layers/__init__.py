"""Rung 2 of the ladder: torch.nn's layers from bare tensor operations, with its names, defaults and parameter names.

A model takes this module as its `nn`: `lenet(nn=fathom.layers)` has no layer of torch's in it, and its state dict
moves to and from `lenet()`. `Module`, `Parameter` and the containers are torch's own.
"""

import importlib
from typing import Any

from torch.nn import Identity, Module, ModuleDict, ModuleList, Parameter, ParameterList, Sequential

from fathom.layers import functional, init
from fathom.layers.activations import ReLU, Sigmoid, Tanh
from fathom.layers.convolution import Conv2d
from fathom.layers.dropout import Dropout
from fathom.layers.flatten import Flatten
from fathom.layers.linear import Linear
from fathom.layers.losses import CrossEntropyLoss, MSELoss, NLLLoss
from fathom.layers.pooling import AvgPool2d, MaxPool2d
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
    "RUNGS",
    "AvgPool2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "Parameter",
    "ParameterList",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "functional",
    "init",
    "namespace",
]
