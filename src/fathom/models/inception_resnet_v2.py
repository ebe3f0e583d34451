"""Inception-ResNet-v2: Inception blocks whose outputs, scaled down, are added to their inputs.

Source: Szegedy, Ioffe, Vanhoucke and Alemi 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections
on Learning", arXiv 1602.07261, figures 15 to 20, in the form of the released network, whose stem is Inception v3's.

    (batch, 3, 299, 299)
      ── stem ──> (batch, 192, 35, 35) ── mixed_5b ──> (batch, 320, 35, 35)
      ── 10 × Block35 ──> (batch, 320, 35, 35) ── mixed_6a: reduction ──> (batch, 1088, 17, 17)
      ── 20 × Block17 ──> (batch, 1088, 17, 17) ── mixed_7a: reduction ──> (batch, 2080, 8, 8)
      ── 10 × Block8, the last without a ReLU ──> (batch, 2080, 8, 8) ── Conv 1×1 ──> (batch, 1536, 8, 8)
      ── mean over the image ── Dropout 0.2 ──> (batch, 1536) ── Linear ──> (batch, 1000) logits

Figure 15 of the paper has the stem of Inception v4 and 5, 10 and 5 blocks; the weights that the authors released, and
the 55.8 million parameters that everyone reports, belong to this form. Parameter names and shapes are those under which
timm publishes them.
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.branches import BasicConv2d, Branches
from fathom.models.inception_v3 import tall, wide
from fathom.models.inception_v4 import ReductionA, average, halving, one, three
from fathom.models.initialise import kaiming
from fathom.models.model import Model, concatenate
from fathom.models.parts import at_least, expect_images, image_size

NAMES = ("inception_resnet_v2",)
SMALLEST = 75


class ResidualBranches(Model):
    """ReLU(x + `scale` · 1×1 convolution of the branches).

    Args:
        branches: a name and a module for each.
        width: channels of all branches together.
        channels: of input and output.
        scale: what the sum is multiplied by before it is added; the paper takes 0.1 to 0.3, for the training is not
            stable without (section 3.3).
        relu: whether the sum passes through a ReLU.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        branches: dict[str, Any],
        width: int,
        channels: int,
        scale: float,
        relu: bool = True,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        self.names, self.scale = tuple(branches), scale
        for name, branch in branches.items():
            setattr(self, name, branch)
        self.conv2d = nn.Conv2d(width, channels, 1)
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Any) -> Any:
        """Map `(batch, channels, height, width)` to the same."""
        side_by_side = concatenate([getattr(self, name)(x) for name in self.names], dim=1)
        return self.relu(x + self.scale * self.conv2d(side_by_side))


class Block35(ResidualBranches):
    """Figure 16, on maps of 35×35: `(batch, 320, height, width)` to the same."""

    def __init__(self, scale: float = 0.17, *, nn: Any = torch.nn) -> None:
        branches = {
            "branch0": one(320, 32, nn),
            "branch1": nn.Sequential(one(320, 32, nn), three(32, 32, nn)),
            "branch2": nn.Sequential(one(320, 32, nn), three(32, 48, nn), three(48, 64, nn)),
        }
        super().__init__(branches, 128, 320, scale, nn=nn)


class Block17(ResidualBranches):
    """Figure 17, on maps of 17×17: `(batch, 1088, height, width)` to the same."""

    def __init__(self, scale: float = 0.1, *, nn: Any = torch.nn) -> None:
        branches = {
            "branch0": one(1088, 192, nn),
            "branch1": nn.Sequential(one(1088, 128, nn), wide(128, 160, nn), tall(160, 192, nn)),
        }
        super().__init__(branches, 384, 1088, scale, nn=nn)


class Block8(ResidualBranches):
    """Figure 19, on maps of 8×8: `(batch, 2080, height, width)` to the same."""

    def __init__(self, scale: float = 0.2, relu: bool = True, *, nn: Any = torch.nn) -> None:
        branches = {
            "branch0": one(2080, 192, nn),
            "branch1": nn.Sequential(one(2080, 192, nn), wide(192, 224, nn, 3), tall(224, 256, nn, 3)),
        }
        super().__init__(branches, 448, 2080, scale, relu, nn=nn)


class InceptionResNetV2(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; any from 75 on.
        depths: how many blocks there are on maps of 35×35, 17×17 and 8×8.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another number is out of range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 299,
        depths: tuple[int, int, int] = (10, 20, 10),
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, num_classes=num_classes)
        image_size(input_size, SMALLEST)
        self.in_channels = in_channels
        self.conv2d_1a = halving(in_channels, 32, nn)
        self.conv2d_2a = BasicConv2d(32, 32, 3, nn=nn)
        self.conv2d_2b = three(32, 64, nn)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = one(64, 80, nn)
        self.conv2d_4a = BasicConv2d(80, 192, 3, nn=nn)
        self.maxpool_5a = nn.MaxPool2d(3, 2)
        self.mixed_5b = _first_block(nn)
        self.repeat = nn.Sequential(*(Block35(nn=nn) for _ in range(depths[0])))
        self.mixed_6a = ReductionA(320, 384, (256, 256, 384), nn=nn)
        self.repeat_1 = nn.Sequential(*(Block17(nn=nn) for _ in range(depths[1])))
        self.mixed_7a = _second_reduction(nn)
        self.repeat_2 = nn.Sequential(*(Block8(nn=nn) for _ in range(depths[2] - 1)))
        self.block8 = Block8(1.0, relu=False, nn=nn)
        self.conv2d_7b = one(2080, 1536, nn)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.classif = nn.Linear(1536, num_classes)
        kaiming(self, mode="fan_in")

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        expect_images(x, self.in_channels, SMALLEST)
        x = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x))))
        x = self.mixed_5b(self.maxpool_5a(self.conv2d_4a(self.conv2d_3b(x))))
        x = self.mixed_6a(self.repeat(x))
        x = self.mixed_7a(self.repeat_1(x))
        x = self.conv2d_7b(self.block8(self.repeat_2(x)))
        return self.classif(self.dropout(self.avgpool(x).flatten(1)))


def _first_block(nn: Any) -> Any:
    """`(batch, 192, height, width)` to `(batch, 320, height, width)`."""
    five = BasicConv2d(48, 64, 5, padding=2, nn=nn)
    return Branches(
        {
            "branch0": one(192, 96, nn),
            "branch1": nn.Sequential(one(192, 48, nn), five),
            "branch2": nn.Sequential(one(192, 64, nn), three(64, 96, nn), three(96, 96, nn)),
            "branch3": nn.Sequential(average(nn), one(192, 64, nn)),
        },
        nn=nn,
    )


def _second_reduction(nn: Any) -> Any:
    """Figure 18: `(batch, 1088, …)` to `(batch, 2080, …)`, height and width halved."""
    return Branches(
        {
            "branch0": nn.Sequential(one(1088, 256, nn), halving(256, 384, nn)),
            "branch1": nn.Sequential(one(1088, 256, nn), halving(256, 288, nn)),
            "branch2": nn.Sequential(one(1088, 256, nn), three(256, 288, nn), halving(288, 320, nn)),
            "branch3": nn.MaxPool2d(3, 2),
        },
        nn=nn,
    )


inception_resnet_v2 = InceptionResNetV2
