"""The first layer's weights, which look at pixels and can be looked at as pictures."""

import math
from typing import Any

import torch
from torch import Tensor

from fathom.diagnose.network import Network, listening
from fathom.layers.evaluating import evaluating


def first_filters(model: Network, images: Tensor) -> Tensor | None:
    """The weights of the first layer that looks at all channels of a picture: a convolution's, or a linear layer's.

    Args:
        model: runs once, in evaluation mode.
        images: `(examples, channels, height, width)`; the first is enough.

    Returns:
        `(filters, channels, rows, columns)`; of a linear layer a filter is as large as a picture. None if the first
        layer with a matrix or kernel of weights is neither.
    """
    channels, height, width = images.shape[1:]
    weights: list[Tensor] = []

    def note(name: str, module: Any, output: Tensor) -> None:
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.dim() in (2, 4):
            weights.append(weight.detach())

    with torch.no_grad(), evaluating(model), listening(model, note):
        model(images[:1])
    if not weights:
        return None
    if weights[0].dim() == 4:
        return weights[0] if weights[0].shape[1] == channels else None
    whole = weights[0].shape[1] == math.prod((channels, height, width))
    return weights[0].reshape(-1, channels, height, width) if whole else None
