"""LeNet-5, as the book trains it.

Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition", section II;
Dive into Deep Learning, "Convolutional Neural Networks (LeNet)", whose form this is: every map of the second
convolution sees every map of the first, and the last layer is linear where the paper has Gaussian units.

    (batch, 1, 28, 28)
      ── Conv 5×5, padding 2 ── sigmoid ──> (batch, 6, 28, 28) ── average pooling 2×2 ──> (batch, 6, 14, 14)
      ── Conv 5×5 ── sigmoid ──> (batch, 16, 10, 10) ── average pooling 2×2 ──> (batch, 16, 5, 5)
      ── Flatten ──> (batch, 400)
      ── Linear ── sigmoid ──> (batch, 120) ── Linear ── sigmoid ──> (batch, 84) ── Linear ──> (batch, 10) logits
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.parts import activation_layer, at_least, image_size, pooling_layer

NAMES = ("lenet",)
SMALLEST = 12  # pixels: 12 → 6 after the first pooling → 2 after the second kernel → 1 after the second pooling


def lenet(
    in_channels: int = 1,
    num_classes: int = 10,
    input_size: int | Sequence[int] = 28,
    activation: str = "sigmoid",
    pooling: str = "avg",
    *,
    nn: Any = torch.nn,
) -> Any:
    """Map images `(batch, in_channels, input_size, input_size)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; at least 12.
        activation: `sigmoid`, `relu` or `tanh`.
        pooling: `avg` or `max`.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another number is out of range.
    """
    at_least(1, in_channels=in_channels, num_classes=num_classes)
    height, width = image_size(input_size, SMALLEST)
    maps_height, maps_width = ((side // 2 - 4) // 2 for side in (height, width))
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, kernel_size=5, padding=2),
        activation_layer(activation, nn),
        pooling_layer(pooling, nn, kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        activation_layer(activation, nn),
        pooling_layer(pooling, nn, kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * maps_height * maps_width, 120),
        activation_layer(activation, nn),
        nn.Linear(120, 84),
        activation_layer(activation, nn),
        nn.Linear(84, num_classes),
    )
