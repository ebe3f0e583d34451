"""The multilayer perceptron.

Source: Dive into Deep Learning, "Multilayer Perceptrons" and, for the dropout, "Dropout".

    (batch, 1, 28, 28) ── Flatten ──> (batch, 784)
      ── Linear ── ReLU ── Dropout ──> (batch, 256)      once for each hidden size
      ── Linear ──> (batch, 10) logits
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.errors import InputError
from fathom.models.parts import activation_layer, at_least

NAMES = ("mlp",)


def mlp(
    in_features: int = 784,
    hidden_sizes: Sequence[int] = (256,),
    num_classes: int = 10,
    dropout: Sequence[float] = (),
    activation: str = "relu",
    *,
    nn: Any = torch.nn,
) -> Any:
    """Map `(batch, ...)` with `in_features` numbers an example to logits `(batch, num_classes)`.

    Args:
        in_features: channels · height · width of the images, or the columns of a table.
        hidden_sizes: units of each hidden layer, from the input on; none gives softmax regression.
        num_classes: how many outputs there are.
        dropout: probability `0 <= p < 1` for each hidden layer, or nothing for no dropout.
        activation: `relu`, `sigmoid` or `tanh`.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, or not one dropout for each hidden layer.
    """
    at_least(1, in_features=in_features, num_classes=num_classes)
    for size in hidden_sizes:
        at_least(1, hidden_sizes=size)
    if dropout and len(dropout) != len(hidden_sizes):
        raise InputError(
            f"dropout: expected {len(hidden_sizes)} probabilities, one for each hidden layer, got {len(dropout)}"
        )
    if not all(0 <= p < 1 for p in dropout):
        raise InputError(f"dropout: expected probabilities 0 <= p < 1, got {tuple(dropout)}")
    layers = [nn.Flatten()]
    for i, size in enumerate(hidden_sizes):
        layers += [nn.Linear(in_features, size), activation_layer(activation, nn)]
        if dropout:
            layers.append(nn.Dropout(dropout[i]))
        in_features = size
    return nn.Sequential(*layers, nn.Linear(in_features, num_classes))
