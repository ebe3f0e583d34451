"""AlexNet, as torchvision builds it and as the book does.

Source: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural networks"; the
widths of Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997, which
torchvision takes; Dive into Deep Learning, "Deep Convolutional Neural Networks (AlexNet)".

    (batch, 3, 224, 224)
      ── Conv 11×11, stride 4 ── ReLU ──> (batch, 64, 55, 55) ── max pooling 3×3, stride 2 ──> (batch, 64, 27, 27)
      ── Conv 5×5 ── ReLU ──> (batch, 192, 27, 27) ── max pooling 3×3, stride 2 ──> (batch, 192, 13, 13)
      ── Conv 3×3 ── ReLU, three times ──> (batch, 384, …), (batch, 256, …), (batch, 256, 13, 13)
      ── max pooling 3×3, stride 2 ──> (batch, 256, 6, 6) ── means over 6×6 cells ── Flatten ──> (batch, 9216)
      ── Dropout ── Linear ── ReLU, twice ──> (batch, 4096) ── Linear ──> (batch, 1000) logits

Parameter names and shapes are torchvision's. The book's network has 96, 256, 384, 384 and 256 channels, padding 1 in
the first convolution, no pooling into cells, and its dropouts behind the linear layers.
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice, expect_images, image_size

NAMES = ("alexnet",)
VARIANTS = ("torchvision", "book")
CHANNELS = {"torchvision": (64, 192, 384, 256, 256), "book": (96, 256, 384, 384, 256)}
FIRST_PADDING = {"torchvision": 2, "book": 1}
CELLS = 6  # along each side, into which torchvision's pools whatever size the maps have


class AlexNet(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; torchvision's network takes any from 63
            on, the book's (from 65 on) only those that it was built for.
        variant: `torchvision` or `book`.
        hidden_size: units of both hidden linear layers.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another argument is out of range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 224,
        variant: str = "torchvision",
        hidden_size: int = 4096,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        at_least(1, in_channels=in_channels, num_classes=num_classes, hidden_size=hidden_size)
        self.in_channels, self.smallest = in_channels, smallest(variant)
        height, width = image_size(input_size, self.smallest)
        book = variant == "book"
        self.features = _features(in_channels, variant, nn)
        self.avgpool = nn.Identity() if book else nn.AdaptiveAvgPool2d(CELLS)
        cells = maps_size(height, variant) * maps_size(width, variant) if book else CELLS**2
        classifier = _book_classifier if book else _torchvision_classifier
        self.classifier = classifier(CHANNELS[variant][-1] * cells, hidden_size, num_classes, nn)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        expect_images(x, self.in_channels, self.smallest)
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def maps_size(side: int, variant: str = "torchvision") -> int:
    """Pixels along a side of the last maps, for images of `side` pixels."""
    side = (side + 2 * FIRST_PADDING[variant] - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side


def smallest(variant: str = "torchvision") -> int:
    """The shortest side of an image, in pixels, that leaves a pixel in the last maps."""
    return next(side for side in range(11, 224) if maps_size(side, variant) > 0)


def _features(in_channels: int, variant: str, nn: Any) -> Any:
    first, second, third, fourth, fifth = CHANNELS[variant]
    return nn.Sequential(
        nn.Conv2d(in_channels, first, kernel_size=11, stride=4, padding=FIRST_PADDING[variant]),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(first, second, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(second, third, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(third, fourth, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(fourth, fifth, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


def _torchvision_classifier(in_features: int, hidden_size: int, num_classes: int, nn: Any) -> Any:
    return nn.Sequential(
        nn.Dropout(),
        nn.Linear(in_features, hidden_size),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden_size, hidden_size),
        nn.ReLU(),
        nn.Linear(hidden_size, num_classes),
    )


def _book_classifier(in_features: int, hidden_size: int, num_classes: int, nn: Any) -> Any:
    return nn.Sequential(
        nn.Linear(in_features, hidden_size),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden_size, hidden_size),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(hidden_size, num_classes),
    )


alexnet = AlexNet
