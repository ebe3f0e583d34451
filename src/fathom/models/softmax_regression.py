"""Softmax regression: one linear layer, read by a softmax.

Source: Dive into Deep Learning, "Softmax Regression".

    (batch, 1, 28, 28) ── Flatten ──> (batch, 784) ── Linear ──> (batch, 10) logits
"""

from typing import Any

import torch

from fathom.models.parts import at_least

NAMES = ("softmax_regression",)


def softmax_regression(in_features: int = 784, num_classes: int = 10, *, nn: Any = torch.nn) -> Any:
    """Map `(batch, ...)` with `in_features` numbers an example to logits `(batch, num_classes)`.

    Args:
        in_features: channels · height · width of the images.
        num_classes: how many classes there are.
        nn: the namespace of layers.
    """
    at_least(1, in_features=in_features, num_classes=num_classes)
    return nn.Sequential(nn.Flatten(), nn.Linear(in_features, num_classes))
