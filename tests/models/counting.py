"""Sizes of a model that is never filled with numbers."""

import torch

from fathom import models


def build(name, **arguments):
    with torch.device("meta"):
        return models.create(name, **arguments)


def parameters(name, **arguments):
    return sum(parameter.numel() for parameter in build(name, **arguments).parameters())


def keys(name, **arguments):
    return {key: tuple(tensor.shape) for key, tensor in build(name, **arguments).state_dict().items()}
