"""Nadaraya and Watson's regression as attention: numbers are queries, examples are keys with values.

Source: Dive into Deep Learning, "Attention Pooling: Nadaraya-Watson Kernel Regression", its parametric form.

    x (batch, in_features) ── -½ (w · distance)² to each key ── softmax over the keys ──> weights (batch, keys)
                                                             weights · values ──> (batch, outputs)
"""

from typing import Any

import numpy as np
import torch

from fathom.errors import ShapeError
from fathom.models.model import Model
from fathom.models.parts import at_least

NEVER = -1e30  # a score that no distance has


class KernelRegression(Model):
    """The values' mean, weighted by a Gaussian kernel; one number, `weight` `(1, 1)`, the kernel's width, is learnt.

    The examples are part of its state. In training an example does not see itself, nor others with just its inputs, or
    it would learn to look at itself alone: width 0. Without an example left, all count alike.

    Args:
        keys: `(keys, in_features)`, the examples' inputs.
        values: `(keys, outputs)`, their targets.
        nn: the namespace of layers.

    Raises:
        ShapeError: there is not one value for each key.
    """

    keys: Any
    values: Any

    def __init__(self, keys: np.ndarray[Any, Any], values: np.ndarray[Any, Any], *, nn: Any = torch.nn) -> None:
        super().__init__()
        if keys.ndim != 2 or values.ndim != 2 or len(keys) != len(values):
            expected = "keys (keys, in_features) and values (keys, outputs)"
            raise ShapeError(f"expected {expected}, got {keys.shape} and {values.shape}")
        at_least(2, keys=len(keys))
        self.weight = nn.Linear(1, 1, bias=False).weight
        nn.init.uniform_(self.weight)
        self.constant("keys", keys.astype(np.float32), persistent=True)
        self.constant("values", values.astype(np.float32), persistent=True)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_features)` to `(batch, outputs)`."""
        return self.attend(x) @ self.values

    def attend(self, x: Any) -> Any:
        """The weights of all keys, `(batch, keys)`."""
        squared = ((x.unsqueeze(1) - self.keys.unsqueeze(0)) ** 2).sum(-1)
        scores = squared * self.weight**2 * -0.5
        if self.training:
            scores = scores.masked_fill(squared == 0, NEVER)
        return scores.softmax(-1)

    @property
    def width(self) -> float:
        """Of the kernel: its standard deviation, in units of the inputs."""
        return 1 / max(abs(self.weight.item()), 1e-12)
