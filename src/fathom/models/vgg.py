"""VGG: blocks of 3×3 convolutions, each followed by a pooling that halves the image.

Source: Simonyan and Zisserman 2014, "Very deep convolutional networks for large-scale image recognition",
arXiv 1409.1556, table 1, columns A, B, D and E; Dive into Deep Learning, "Networks Using Blocks (VGG)".

    (batch, 3, 224, 224)
      ── block of 64 ──> (batch, 64, 112, 112) ── block of 128 ──> (batch, 128, 56, 56)
      ── block of 256 ──> (batch, 256, 28, 28) ── block of 512 ──> (batch, 512, 14, 14)
      ── block of 512 ──> (batch, 512, 7, 7) ── means over 7×7 cells ── Flatten ──> (batch, 25088)
      ── Linear ── ReLU ── Dropout, twice ──> (batch, 4096) ── Linear ──> (batch, 1000) logits

A block is one to four times Conv 3×3 ── (batch norm) ── ReLU, then max pooling 2×2. Parameter names and shapes are
torchvision's. The book's network has no pooling into cells: its linear layers are made for one size of image.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from fathom.models.initialise import kaiming, normal
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice, expect_images, image_size

NAMES = ("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn")
VARIANTS = ("torchvision", "book")
CHANNELS = (64, 128, 256, 512, 512)
SMALLEST = 32  # pixels: halved by each of the five blocks
CELLS = 7  # along each side, into which torchvision's pools whatever size the maps have


class VGG(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        depths: convolutions of each of the five blocks.
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; torchvision's network takes any from 32
            on, the book's only the one that it was built for.
        variant: `torchvision` or `book`.
        batch_norm: whether each convolution is normalised.
        ratio: all blocks have as many times fewer channels; the book trains with 4.
        hidden_size: units of both hidden linear layers.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another argument is out of range.
    """

    def __init__(
        self,
        depths: Sequence[int],
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 224,
        variant: str = "torchvision",
        batch_norm: bool = False,
        ratio: int = 1,
        hidden_size: int = 4096,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        at_least(1, in_channels=in_channels, num_classes=num_classes, ratio=ratio, hidden_size=hidden_size)
        height, width = image_size(input_size, SMALLEST)
        self.in_channels = in_channels
        channels = [max(1, count // ratio) for count in CHANNELS]
        self.features = _features(depths, in_channels, channels, batch_norm, nn)
        book = variant == "book"
        self.avgpool = nn.Identity() if book else nn.AdaptiveAvgPool2d(CELLS)
        cells = (height // SMALLEST) * (width // SMALLEST) if book else CELLS**2
        self.classifier = nn.Sequential(
            nn.Linear(channels[-1] * cells, hidden_size),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden_size, hidden_size),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden_size, num_classes),
        )
        if not book:
            kaiming(normal(self))  # torchvision: N(0, 0.01²) for the linear weights, biases 0

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        expect_images(x, self.in_channels, SMALLEST)
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _features(depths: Sequence[int], in_channels: int, channels: Sequence[int], batch_norm: bool, nn: Any) -> Any:
    layers = []
    for depth, count in zip(depths, channels, strict=True):
        for _ in range(depth):
            layers.append(nn.Conv2d(in_channels, count, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(count))
            layers.append(nn.ReLU())
            in_channels = count
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


def _named(batch_norm: bool, *depths: int) -> Callable[..., Any]:
    def build(
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 224,
        variant: str = "torchvision",
        ratio: int = 1,
        hidden_size: int = 4096,
        *,
        nn: Any = torch.nn,
    ) -> Any:
        """A `VGG`, whose arguments these are."""
        return VGG(depths, in_channels, num_classes, input_size, variant, batch_norm, ratio, hidden_size, nn=nn)

    return build


vgg11 = _named(False, 1, 1, 2, 2, 2)
vgg13 = _named(False, 2, 2, 2, 2, 2)
vgg16 = _named(False, 2, 2, 3, 3, 3)
vgg19 = _named(False, 2, 2, 4, 4, 4)
vgg11_bn = _named(True, 1, 1, 2, 2, 2)
vgg13_bn = _named(True, 2, 2, 2, 2, 2)
vgg16_bn = _named(True, 2, 2, 3, 3, 3)
vgg19_bn = _named(True, 2, 2, 4, 4, 4)
