"""Linear regression.

Source: Dive into Deep Learning, "Linear Regression".

    (batch, in_features) ── Linear ──> (batch, out_features)
"""

from typing import Any

import torch

from fathom.models.parts import at_least

NAMES = ("linear_regression",)


def linear_regression(in_features: int = 2, out_features: int = 1, bias: bool = True, *, nn: Any = torch.nn) -> Any:
    """Map `(batch, in_features)` to `(batch, out_features)`: x · weightᵀ + bias.

    Args:
        in_features: numbers that describe an example.
        out_features: numbers predicted.
        bias: whether there is an intercept.
        nn: the namespace of layers.
    """
    at_least(1, in_features=in_features, out_features=out_features)
    return nn.Sequential(nn.Linear(in_features, out_features, bias=bias))
