"""LeNet with batch normalisation before each sigmoid, as the book trains it.

Source: Dive into Deep Learning, "Batch Normalization"; Ioffe and Szegedy 2015, arXiv 1502.03167.

    (batch, 1, 28, 28)
      ── Conv 5×5 ── batch norm ── sigmoid ──> (batch, 6, 24, 24) ── average pooling 2×2 ──> (batch, 6, 12, 12)
      ── Conv 5×5 ── batch norm ── sigmoid ──> (batch, 16, 8, 8) ── average pooling 2×2 ──> (batch, 16, 4, 4)
      ── Flatten ──> (batch, 256)
      ── Linear ── batch norm ── sigmoid ──> (batch, 120)
      ── Linear ── batch norm ── sigmoid ──> (batch, 84) ── Linear ──> (batch, 10) logits
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.parts import at_least, image_size

NAMES = ("lenet_bn",)
SMALLEST = 16  # pixels: 16 → 12 after the first kernel → 6 → 2 after the second → 1


def lenet_bn(
    in_channels: int = 1, num_classes: int = 10, input_size: int | Sequence[int] = 28, *, nn: Any = torch.nn
) -> Any:
    """Map images `(batch, in_channels, input_size, input_size)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; at least 16.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another number is out of range.
    """
    at_least(1, in_channels=in_channels, num_classes=num_classes)
    height, width = image_size(input_size, SMALLEST)
    maps_height, maps_width = (((side - 4) // 2 - 4) // 2 for side in (height, width))
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, kernel_size=5),
        nn.BatchNorm2d(6),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.BatchNorm2d(16),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * maps_height * maps_width, 120),
        nn.BatchNorm1d(120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.BatchNorm1d(84),
        nn.Sigmoid(),
        nn.Linear(84, num_classes),
    )
