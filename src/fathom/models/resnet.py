"""Residual networks for large images, and the same networks without shortcuts.

Source: He, Zhang, Ren and Sun 2015, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, table 1;
Dive into Deep Learning, "Residual Networks (ResNet)".

    (batch, 3, 224, 224)
      ── Conv 7×7, stride 2 ── batch norm ── ReLU ──> (batch, 64, 112, 112)
      ── max pooling 3×3, stride 2 ──> (batch, 64, 56, 56)
      ── layer1 ──> (batch, 64 · e, 56, 56) ── layer2 ──> (batch, 128 · e, 28, 28)
      ── layer3 ──> (batch, 256 · e, 14, 14) ── layer4 ──> (batch, 512 · e, 7, 7)
      ── mean over the image ──> (batch, 512 · e) ── Linear ──> (batch, 1000) logits

A layer is a row of blocks; each adds what its convolutions make of the input to the input. e is 1 for blocks of two
3×3 (`BasicBlock`, ResNet-18 and -34) and 4 for blocks of 1×1, 3×3, 1×1 (`Bottleneck`, the deeper ones). The first block
of layer2 to layer4 has stride 2.

Parameter names and shapes are torchvision's.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from fathom.models.initialise import kaiming
from fathom.models.model import Model, padded
from fathom.models.parts import at_least, check_choice, expect_images, image_size

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "plain18", "plain34")
VARIANTS = ("torchvision", "book", "paper")
SHORTCUTS = ("A", "B", "C", "none")
STEMS = ("large", "small")

Block = Callable[[int, int, int], Any]
"""Channels that come in, channels of its convolutions, stride to a block, which knows its `out_channels`."""


class ZeroPadding(Model):
    """Option A of a shortcut: every `stride`-th pixel, and zeros for the channels that are missing; no parameters.

    Args:
        in_channels: of the input.
        out_channels: of the output, at least as many.
        stride: pixels from one that is kept to the next.
        nn: the namespace of layers.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, nn: Any = torch.nn) -> None:
        super().__init__()
        self.stride, self.missing = stride, out_channels - in_channels

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, out_channels, rows, columns)`."""
        return padded(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.missing))


def shortcut_layer(option: str, in_channels: int, out_channels: int, stride: int, variant: str, nn: Any) -> Any:
    """What stands on the way round a block; None where the input passes as it is, or where there is no such way.

    Args:
        option: `A` pads with zeros where the shape changes, `B` projects there (1×1 convolution, batch norm; in the
            book's variant no batch norm), `C` projects everywhere, `none` is a plain network. Paper, section 4.1.
        in_channels, out_channels: of the block.
        stride: of the block.
        variant: `torchvision`, `paper` or `book`.
        nn: the namespace of layers.
    """
    if option == "none" or (option != "C" and stride == 1 and in_channels == out_channels):
        return None
    if option == "A":
        return ZeroPadding(in_channels, out_channels, stride, nn=nn)
    if variant == "book":
        return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride))
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


class BasicBlock(Model):
    """ReLU(x + two 3×3 convolutions of x), each with batch norm. Paper, figure 5, left.

    Args:
        in_channels: of the input.
        channels: of both convolutions, and so of the output.
        stride: of the first convolution.
        shortcut: option `A`, `B` or `C`; `none` leaves x out of the sum.
        variant: `torchvision`, `paper`, which here is the same, or `book`, which gives the convolutions a bias.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        shortcut: str = "B",
        variant: str = "torchvision",
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        bias = variant == "book"
        self.out_channels, self.residual = channels, shortcut != "none"
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=bias)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut_layer(shortcut, in_channels, channels, stride, variant, nn)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, channels, rows, columns)`."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + around(self, x) if self.residual else y)


class Bottleneck(Model):
    """ReLU(x + a 1×1, a 3×3 and a 1×1 convolution of x), each with batch norm. Paper, figure 5, right.

    Args:
        in_channels: of the input.
        channels: the output has four times as many.
        stride: of the 3×3 convolution; in the paper's variant of the first 1×1.
        groups: of the 3×3 convolution.
        width_per_group: channels of a group of the 3×3 where `channels` is 64, and in proportion elsewhere.
        shortcut: option `A`, `B` or `C`; `none` leaves x out of the sum.
        variant: `torchvision`, `paper`, or `book`, which gives the convolutions a bias.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        *,
        groups: int = 1,
        width_per_group: int = 64,
        shortcut: str = "B",
        variant: str = "torchvision",
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        bias, width = variant == "book", channels * width_per_group // 64 * groups
        first, second = (stride, 1) if variant == "paper" else (1, stride)
        self.out_channels, self.residual = 4 * channels, shortcut != "none"
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, groups=groups, bias=bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, self.out_channels, 1, bias=bias)
        self.bn3 = nn.BatchNorm2d(self.out_channels)
        self.relu = nn.ReLU()
        self.downsample = shortcut_layer(shortcut, in_channels, self.out_channels, stride, variant, nn)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, 4 · channels, rows, columns)`."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + around(self, x) if self.residual else y)


def around(block: Any, x: Any) -> Any:
    """What comes over the shortcut of a block."""
    return x if block.downsample is None else block.downsample(x)


class ResNet(Model):
    """Images `(batch, in_channels, height, width)` of any size to logits `(batch, num_classes)`.

    Args:
        block: what the layers are made of.
        depths: blocks of each layer; the channels double from layer to layer, and height and width halve.
        in_channels: of the images.
        num_classes: how many classes there are.
        stem: `large` is a 7×7 convolution with stride 2 and a pooling with stride 2; `small` is a 3×3 convolution.
        width: channels of the stem and of the first layer's convolutions.
        bias: whether the stem's convolution has one.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        block: Block,
        depths: Sequence[int],
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        stem: str = "large",
        width: int = 64,
        bias: bool = False,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, num_classes=num_classes)
        check_choice("stem", stem, STEMS)
        self.in_channels = in_channels
        kernel_size, stride, padding = (7, 2, 3) if stem == "large" else (3, 1, 1)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size, stride, padding, bias=bias)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        if stem == "large":
            self.maxpool = nn.MaxPool2d(3, 2, 1)
        features = width
        for number, depth in enumerate(depths):
            blocks = []
            for index in range(depth):
                blocks.append(block(features, width * 2**number, 2 if number and index == 0 else 1))
                features = blocks[-1].out_channels
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(features, num_classes)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`: the parts in their order."""
        expect_images(x, self.in_channels, 1)
        for part in self.children():
            x = part(x)
        return x


def resnet(
    block: Callable[..., Any],
    depths: Sequence[int],
    in_channels: int,
    num_classes: int,
    input_size: int | Sequence[int],
    variant: str,
    shortcut: str,
    stem: str,
    nn: Any,
) -> Any:
    """A `ResNet` of blocks in one variant and with one kind of shortcut, its weights drawn.

    Raises:
        UnknownNameError: there is no such variant, shortcut or stem.
        InputError: another argument is out of range.
    """
    image_size(input_size, 1)
    check_choice("variant", variant, VARIANTS)
    check_choice("shortcut", shortcut, SHORTCUTS)
    book, of_kind = variant == "book", partial(block, shortcut=shortcut, variant=variant, nn=nn)
    model = ResNet(of_kind, depths, in_channels, num_classes, stem=stem, bias=book, nn=nn)
    return model if book else kaiming(model)


def _named(name: str, block: Callable[..., Any], depths: Sequence[int], shortcut: str = "B") -> Callable[..., Any]:
    usual = shortcut

    def build(
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 224,
        variant: str = "torchvision",
        shortcut: str = usual,
        stem: str = "large",
        *,
        nn: Any = torch.nn,
    ) -> Any:
        """Map images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

        Args:
            in_channels: 1 for grey images, 3 for colour.
            num_classes: how many classes there are.
            input_size: height and width in pixels; any will do, since the last layer sees the mean over the image.
            variant: `torchvision`; `paper` has a bottleneck's stride in its first 1×1; `book` has convolutions with
                bias, shortcuts without batch norm, and torch's own initial weights.
            shortcut: `A` pads with zeros where the shape changes, `B` projects there, `C` projects everywhere, `none`
                is a plain network.
            stem: `large`, or `small`: a 3×3 convolution with stride 1 and no pooling, for small images.
            nn: the namespace of layers.

        Raises:
            UnknownNameError: there is no such variant, shortcut or stem.
            InputError: a number is out of range.
        """
        return resnet(block, depths, in_channels, num_classes, input_size, variant, shortcut, stem, nn)

    build.__name__ = build.__qualname__ = name
    return build


resnet18 = _named("resnet18", BasicBlock, (2, 2, 2, 2))
resnet34 = _named("resnet34", BasicBlock, (3, 4, 6, 3))
resnet50 = _named("resnet50", Bottleneck, (3, 4, 6, 3))
resnet101 = _named("resnet101", Bottleneck, (3, 4, 23, 3))
resnet152 = _named("resnet152", Bottleneck, (3, 8, 36, 3))
plain18 = _named("plain18", BasicBlock, (2, 2, 2, 2), shortcut="none")
plain34 = _named("plain34", BasicBlock, (3, 4, 6, 3), shortcut="none")
