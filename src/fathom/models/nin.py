"""Network in network: 1×1 convolutions behind each convolution, and no linear layer.

Source: Lin, Chen and Yan 2013, "Network In Network", arXiv 1312.4400; Dive into Deep Learning, "Network in Network
(NiN)", whose sizes, AlexNet's, these are.

    (batch, 3, 224, 224)
      ── block of 96, kernel 11×11, stride 4 ──> (batch, 96, 54, 54) ── max pooling 3×3, stride 2 ──> (…, 26, 26)
      ── block of 256, kernel 5×5 ──> (batch, 256, 26, 26) ── max pooling 3×3, stride 2 ──> (batch, 256, 12, 12)
      ── block of 384, kernel 3×3 ──> (batch, 384, 12, 12) ── max pooling 3×3, stride 2 ──> (batch, 384, 5, 5)
      ── Dropout ── block of a map for each class ──> (batch, 1000, 5, 5) ── mean of each map ──> (batch, 1000) logits

A block is a convolution and twice a 1×1 convolution, which is a linear layer for every pixel; a ReLU follows each.
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.model import Model
from fathom.models.parts import at_least, expect_images, image_size

NAMES = ("nin",)
SMALLEST = 67  # pixels: 67 → 15 after the first kernel, then 7, 3 and 1 after the poolings


class NiN(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; any from 67 on.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another number is out of range.
    """

    HEAD = "layers.7"  # the last block tells the classes

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 224,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, num_classes=num_classes)
        image_size(input_size, SMALLEST)
        self.in_channels = in_channels
        self.layers = nn.Sequential(
            nin_block(in_channels, 96, 11, 4, 0, nn),
            nn.MaxPool2d(3, 2),
            nin_block(96, 256, 5, 1, 2, nn),
            nn.MaxPool2d(3, 2),
            nin_block(256, 384, 3, 1, 1, nn),
            nn.MaxPool2d(3, 2),
            nn.Dropout(),
            nin_block(384, num_classes, 3, 1, 1, nn),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        expect_images(x, self.in_channels, SMALLEST)
        return self.layers(x)

    def stages(self) -> list[list[str]]:
        """The blocks below the last one."""
        return [["layers.0"], ["layers.2"], ["layers.4"]]


def nin_block(in_channels: int, out_channels: int, kernel_size: int, stride: int, padding: int, nn: Any) -> Any:
    """`(batch, in_channels, height, width)` to `(batch, out_channels, rows, columns)`."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 1),
        nn.ReLU(),
    )


nin = NiN
