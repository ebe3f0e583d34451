"""GoogLeNet, which is Inception v1, as torchvision builds it and as the book does.

Source: Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv 1409.4842, table 1; Dive into Deep Learning,
"Networks with Parallel Concatenations (GoogLeNet)".

    (batch, 3, 224, 224)
      ── Conv 7×7, stride 2 ──> (batch, 64, 112, 112) ── max pooling ──> (batch, 64, 56, 56)
      ── Conv 1×1 ── Conv 3×3 ──> (batch, 192, 56, 56) ── max pooling ──> (batch, 192, 28, 28)
      ── Inception 3a, 3b ──> (batch, 480, 28, 28) ── max pooling ──> (batch, 480, 14, 14)
      ── Inception 4a to 4e ──> (batch, 832, 14, 14) ── max pooling ──> (batch, 832, 7, 7)
      ── Inception 5a, 5b ──> (batch, 1024, 7, 7) ── mean over the image ──> (batch, 1024)
      ── Dropout ── Linear ──> (batch, 1000) logits

Parameter names and shapes are torchvision's; like its files, its third branch has a 3×3 kernel where the paper has 5×5,
and all convolutions have batch norm, which the paper does not know yet. The book's network has 5×5 kernels, no batch
norm, no dropout and no auxiliary heads.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from fathom.errors import InputError
from fathom.models.branches import BasicConv2d, Branches
from fathom.models.initialise import truncated_normal
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice, expect_images, image_size

NAMES = ("googlenet",)
VARIANTS = ("torchvision", "book")
SMALLEST = {"torchvision": 15, "book": 1}  # 15 → 8 → 4 → 2 → 1: torchvision's poolings have no border
BLOCKS = {  # 1×1; 1×1 before 3×3; 1×1 before 5×5; 1×1 after the pooling. Szegedy et al. 2014, table 1
    "inception3a": (64, (96, 128), (16, 32), 32),
    "inception3b": (128, (128, 192), (32, 96), 64),
    "inception4a": (192, (96, 208), (16, 48), 64),
    "inception4b": (160, (112, 224), (24, 64), 64),
    "inception4c": (128, (128, 256), (24, 64), 64),
    "inception4d": (112, (144, 288), (32, 64), 64),
    "inception4e": (256, (160, 320), (32, 128), 128),
    "inception5a": (256, (160, 320), (32, 128), 128),
    "inception5b": (384, (192, 384), (48, 128), 128),
}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's preprocessing


class Inception(Branches):
    """Four branches: 1×1; 1×1 and 3×3; 1×1 and 5×5; max pooling 3×3 and 1×1.

    Args:
        in_channels: of the input.
        ones: channels of the first branch.
        threes: channels of the second, of its 1×1 and of its 3×3.
        fives: channels of the third, of its 1×1 and of its larger kernel.
        pooled: channels of the fourth.
        kernel_size: of the third branch; torchvision has 3 there.
        norm: whether convolutions have batch norm, and no bias.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        in_channels: int,
        ones: int,
        threes: tuple[int, int],
        fives: tuple[int, int],
        pooled: int,
        *,
        kernel_size: int = 5,
        norm: bool = True,
        nn: Any = torch.nn,
    ) -> None:
        def conv(inputs: int, outputs: int, size: int) -> Any:
            return BasicConv2d(inputs, outputs, size, padding=size // 2, norm=norm, nn=nn)

        self.out_channels = ones + threes[1] + fives[1] + pooled
        super().__init__(
            {
                "branch1": conv(in_channels, ones, 1),
                "branch2": nn.Sequential(conv(in_channels, threes[0], 1), conv(*threes, 3)),
                "branch3": nn.Sequential(conv(in_channels, fives[0], 1), conv(*fives, kernel_size)),
                "branch4": nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, pooled, 1)),
            },
            nn=nn,
        )


class InceptionAux(Model):
    """An auxiliary head: means over 4×4 cells, Conv 1×1 to 128 channels, Linear, ReLU, Dropout 0.7, Linear.

    Args:
        in_channels: of the maps that it looks at.
        num_classes: how many classes there are.
        nn: the namespace of layers.
    """

    def __init__(self, in_channels: int, num_classes: int, *, nn: Any = torch.nn) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = BasicConv2d(in_channels, 128, 1, nn=nn)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        x = self.conv(self.pool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNetOutputs(NamedTuple):
    """What a network with auxiliary heads gives in training, each `(batch, num_classes)`; the last head first."""

    logits: Any
    aux_logits2: Any
    aux_logits1: Any


class GoogLeNet(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; any from 15 on, of the book's from 1 on.
        variant: `torchvision` or `book`.
        aux_logits: whether there are two auxiliary heads; in training the network then gives `GoogLeNetOutputs`. The
            paper adds 0.3 times the loss of each.
        transform_input: the images are normalised as torchvision's other networks want them, and are brought to this
            one's scale; its published weights need that.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another argument is out of range.
    """

    scale: Any
    shift: Any

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 224,
        variant: str = "torchvision",
        aux_logits: bool = False,
        transform_input: bool = False,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        at_least(1, in_channels=in_channels, num_classes=num_classes)
        image_size(input_size, SMALLEST[variant])
        book = variant == "book"
        if book and aux_logits:
            raise InputError("aux_logits: expected false, for the book's network has no auxiliary heads, got true")
        if transform_input:
            scale_for_inception(self, in_channels)
        self.in_channels, self.smallest, self.transform_input = in_channels, SMALLEST[variant], transform_input
        made = {"norm": not book, "nn": nn}
        self.conv1 = BasicConv2d(in_channels, 64, 7, 2, 3, **made)
        self.maxpool1 = _pooling(3, book, nn)
        self.conv2 = BasicConv2d(64, 64, 1, **made)
        self.conv3 = BasicConv2d(64, 192, 3, padding=1, **made)
        self.maxpool2 = _pooling(3, book, nn)
        channels = self._add_blocks(192, 5 if book else 3, made)
        self.aux1 = InceptionAux(512, num_classes, nn=nn) if aux_logits else None
        self.aux2 = InceptionAux(528, num_classes, nn=nn) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Identity() if book else nn.Dropout(0.2)
        self.fc = nn.Linear(channels, num_classes)
        if not book:
            truncated_normal(self, 0.01)

    def _add_blocks(self, channels: int, kernel_size: int, made: dict[str, Any]) -> int:
        """Blocks and the poolings before the first of a stage, in their order; gives the channels at the end."""
        self.trunk = []
        for name, widths in BLOCKS.items():
            if name in ("inception4a", "inception5a"):
                pooling = f"maxpool{int(name[-2]) - 1}"
                setattr(self, pooling, _pooling(3 if name == "inception4a" else 2, not made["norm"], made["nn"]))
                self.trunk.append(pooling)
            block = Inception(channels, *widths, kernel_size=kernel_size, **made)
            setattr(self, name, block)
            self.trunk.append(name)
            channels = block.out_channels
        return channels

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`; with heads, in training, to three."""
        expect_images(x, self.in_channels, self.smallest)
        if self.transform_input:
            x = x * self.scale + self.shift
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        heads: dict[str, Any] = {}
        if self.training and self.aux1 is not None:
            heads = {"inception4a": self.aux1, "inception4d": self.aux2}
        auxiliary = []
        for name in self.trunk:
            x = getattr(self, name)(x)
            if name in heads:
                auxiliary.append(heads[name](x))
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(logits, *reversed(auxiliary)) if auxiliary else logits


def scale_for_inception(model: Model, in_channels: int) -> None:
    """Give the model `scale` and `shift`, `(3, 1, 1)`: from images with ImageNet's mean and deviation to [-1, 1]."""
    if in_channels != 3:
        raise InputError(f"transform_input: expected images with 3 channels, got in_channels={in_channels}")
    mean, std = np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
    model.constant("scale", (std / 0.5).reshape(3, 1, 1))
    model.constant("shift", ((mean - 0.5) / 0.5).reshape(3, 1, 1))


def _pooling(kernel_size: int, book: bool, nn: Any) -> Any:
    return nn.MaxPool2d(3, 2, padding=1) if book else nn.MaxPool2d(kernel_size, 2, ceil_mode=True)


googlenet = GoogLeNet
