"""The perceptron: one unit that fires when its weighted inputs exceed a threshold.

Source: Rosenblatt 1958, "The perceptron: a probabilistic model for information storage and organization in the brain".

    (batch, in_features) ── Linear ──> (batch, 1) score, whose sign is the answer
"""

from typing import Any

import torch

from fathom.models.parts import at_least

NAMES = ("perceptron",)


def perceptron(in_features: int = 2, *, nn: Any = torch.nn) -> Any:
    """Map `(batch, in_features)` to scores `(batch, 1)`; above 0 means the class +1, else -1.

    All weights start at 0, as its learning rule has it.

    Args:
        in_features: numbers that describe an example.
        nn: the namespace of layers.
    """
    at_least(1, in_features=in_features)
    unit = nn.Linear(in_features, 1)
    nn.init.zeros_(unit.weight)
    nn.init.zeros_(unit.bias)
    return nn.Sequential(unit)
