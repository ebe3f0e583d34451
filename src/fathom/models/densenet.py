"""DenseNet: every layer of a block sees what all layers before it have made.

Source: Huang, Liu, van der Maaten and Weinberger 2016, "Densely Connected Convolutional Networks", arXiv 1608.06993,
table 1, the form with bottlenecks and compression (DenseNet-BC); Dive into Deep Learning, "Densely Connected Networks
(DenseNet)".

    (batch, 3, 224, 224)
      ── Conv 7×7, stride 2 ── batch norm ── ReLU ── max pooling 3×3, stride 2 ──> (batch, 64, 56, 56)
      ── dense block ──> (batch, 256, 56, 56) ── transition ──> (batch, 128, 28, 28)
      ── dense block ──> (batch, 512, 28, 28) ── transition ──> (batch, 256, 14, 14)
      ── dense block ──> (batch, 1024, 14, 14) ── transition ──> (batch, 512, 7, 7)
      ── dense block ──> (batch, 1024, 7, 7) ── batch norm ── ReLU ── mean over the image ──> (batch, 1024)
      ── Linear ──> (batch, 1000) logits

A layer sets `growth_rate` channels beside those that it sees (batch norm, ReLU, Conv 1×1, batch norm, ReLU, Conv 3×3);
a transition halves channels (batch norm, ReLU, Conv 1×1), height and width (average pooling). The channels above are
DenseNet-121's.

Parameter names and shapes are torchvision's.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.initialise import kaiming
from fathom.models.model import Model, concatenate
from fathom.models.parts import at_least, check_choice, expect_images, image_size

NAMES = ("densenet121", "densenet169", "densenet201")
VARIANTS = ("torchvision", "book")
SMALLEST = 29  # pixels: 29 → 15 → 8 after the stem, halved by each transition → 1


class DenseLayer(Model):
    """The input, and beside it what two convolutions make of it. Paper, section 3, "Bottleneck layers".

    Args:
        in_channels: of the input.
        growth_rate: channels of the 3×3 convolution; the 1×1 before it has four times as many.
        variant: `torchvision`, or `book`, which has the 3×3 alone, with a bias.
        nn: the namespace of layers.
    """

    def __init__(self, in_channels: int, growth_rate: int, *, variant: str = "torchvision", nn: Any = torch.nn) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        if variant == "book":
            self.conv1 = nn.Conv2d(in_channels, growth_rate, 3, padding=1)
        else:
            self.conv1 = nn.Conv2d(in_channels, 4 * growth_rate, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(4 * growth_rate)
            self.relu2 = nn.ReLU()
            self.conv2 = nn.Conv2d(4 * growth_rate, growth_rate, 3, padding=1, bias=False)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, in_channels + growth_rate, height, width)`."""
        y = x
        for part in self.children():
            y = part(y)
        return concatenate([x, y], dim=1)


def transition(in_channels: int, out_channels: int, bias: bool, nn: Any) -> Any:
    """Map `(batch, in_channels, height, width)` to `(batch, out_channels, height / 2, width / 2)`, rounded down."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(),
            conv=nn.Conv2d(in_channels, out_channels, 1, bias=bias),
            pool=nn.AvgPool2d(2, 2),
        )
    )


class DenseNet(Model):
    """Images `(batch, in_channels, height, width)` of at least 29 pixels a side to logits `(batch, num_classes)`.

    Args:
        depths: layers of each block; three transitions stand between four blocks.
        growth_rate: channels that each layer adds.
        in_channels: of the images.
        num_classes: how many classes there are.
        variant: `torchvision`, or `book`: one 3×3 a layer, and convolutions with bias.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        depths: Sequence[int],
        growth_rate: int = 32,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        variant: str = "torchvision",
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, num_classes=num_classes, growth_rate=growth_rate)
        self.in_channels, bias, channels = in_channels, variant == "book", 64
        parts = OrderedDict(
            conv0=nn.Conv2d(in_channels, channels, 7, 2, padding=3, bias=bias),
            norm0=nn.BatchNorm2d(channels),
            relu0=nn.ReLU(),
            pool0=nn.MaxPool2d(3, 2, 1),
        )
        for number, depth in enumerate(depths, start=1):
            layers = OrderedDict()
            for index in range(depth):
                layers[f"denselayer{index + 1}"] = DenseLayer(channels, growth_rate, variant=variant, nn=nn)
                channels += growth_rate
            parts[f"denseblock{number}"] = nn.Sequential(layers)
            if number < len(depths):
                parts[f"transition{number}"] = transition(channels, channels // 2, bias, nn)
                channels //= 2
        parts["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(parts)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`: the parts in their order."""
        expect_images(x, self.in_channels, SMALLEST)
        for part in self.children():
            x = part(x)
        return x


def densenet121(
    in_channels: int = 3,
    num_classes: int = 1000,
    input_size: int | Sequence[int] = 224,
    variant: str = "torchvision",
    *,
    nn: Any = torch.nn,
) -> Any:
    """Map images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, at least 29.
        variant: `torchvision`; `book` is the book's smaller network: four blocks of four layers, one 3×3 convolution
            each, all convolutions with bias, and torch's own initial weights.
        nn: the namespace of layers.

    Raises:
        UnknownNameError: there is no such variant.
        InputError: a number is out of range.
    """
    check_choice("variant", variant, VARIANTS)
    if variant == "book":
        image_size(input_size, SMALLEST)
        return DenseNet((4, 4, 4, 4), 32, in_channels, num_classes, variant="book", nn=nn)
    return _densenet((6, 12, 24, 16), in_channels, num_classes, input_size, nn)


def densenet169(
    in_channels: int = 3, num_classes: int = 1000, input_size: int | Sequence[int] = 224, *, nn: Any = torch.nn
) -> Any:
    """As `densenet121`, with more layers in the last two blocks."""
    return _densenet((6, 12, 32, 32), in_channels, num_classes, input_size, nn)


def densenet201(
    in_channels: int = 3, num_classes: int = 1000, input_size: int | Sequence[int] = 224, *, nn: Any = torch.nn
) -> Any:
    """As `densenet169`, with 48 layers in the third block."""
    return _densenet((6, 12, 48, 32), in_channels, num_classes, input_size, nn)


def _densenet(
    depths: Sequence[int], in_channels: int, num_classes: int, input_size: int | Sequence[int], nn: Any
) -> Any:
    image_size(input_size, SMALLEST)
    model = DenseNet(depths, 32, in_channels, num_classes, nn=nn)
    nn.init.zeros_(model.classifier.bias)
    return kaiming(model, mode="fan_in")  # paper, section 4.2
