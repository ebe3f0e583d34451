"""Inception v4: one plan for all blocks, and a stem that is itself of branches.

Source: Szegedy, Ioffe, Vanhoucke and Alemi 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections
on Learning", arXiv 1602.07261, figures 3 to 9.

    (batch, 3, 299, 299)
      ── stem: three 3×3, then three times two ways to halve or widen ──> (batch, 384, 35, 35)
      ── 4 × Inception-A ──> (batch, 384, 35, 35) ── Reduction-A ──> (batch, 1024, 17, 17)
      ── 7 × Inception-B ──> (batch, 1024, 17, 17) ── Reduction-B ──> (batch, 1536, 8, 8)
      ── 3 × Inception-C ──> (batch, 1536, 8, 8) ── mean over the image ── Dropout 0.2 ──> (batch, 1536)
      ── Linear ──> (batch, 1000) logits

Every convolution has batch norm; padding does not count in the average poolings. Parameter names and shapes are those
under which timm publishes the authors' weights.
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.branches import BasicConv2d, Branches
from fathom.models.inception_v3 import tall, wide
from fathom.models.initialise import kaiming
from fathom.models.model import Model
from fathom.models.parts import at_least, expect_images, image_size

NAMES = ("inception_v4",)
SMALLEST = 75


class InceptionA(Branches):
    """Figure 4: `(batch, 384, height, width)` to the same."""

    def __init__(self, *, nn: Any = torch.nn) -> None:
        super().__init__(
            {
                "branch0": one(384, 96, nn),
                "branch1": nn.Sequential(one(384, 64, nn), three(64, 96, nn)),
                "branch2": nn.Sequential(one(384, 64, nn), three(64, 96, nn), three(96, 96, nn)),
                "branch3": nn.Sequential(average(nn), one(384, 96, nn)),
            },
            nn=nn,
        )


class InceptionB(Branches):
    """Figure 5: `(batch, 1024, height, width)` to the same."""

    def __init__(self, *, nn: Any = torch.nn) -> None:
        super().__init__(
            {
                "branch0": one(1024, 384, nn),
                "branch1": nn.Sequential(one(1024, 192, nn), wide(192, 224, nn), tall(224, 256, nn)),
                "branch2": nn.Sequential(
                    one(1024, 192, nn), tall(192, 192, nn), wide(192, 224, nn), tall(224, 224, nn), wide(224, 256, nn)
                ),
                "branch3": nn.Sequential(average(nn), one(1024, 128, nn)),
            },
            nn=nn,
        )


class InceptionC(Branches):
    """Figure 6: `(batch, 1536, height, width)` to the same."""

    def __init__(self, *, nn: Any = torch.nn) -> None:
        super().__init__(
            {
                "branch0": one(1536, 256, nn),
                "branch1": [one(1536, 384, nn), (wide(384, 256, nn, 3), tall(384, 256, nn, 3))],
                "branch2": [
                    one(1536, 384, nn),
                    tall(384, 448, nn, 3),
                    wide(448, 512, nn, 3),
                    (wide(512, 256, nn, 3), tall(512, 256, nn, 3)),
                ],
                "branch3": nn.Sequential(average(nn), one(1536, 256, nn)),
            },
            first=0,
            nn=nn,
        )


class ReductionA(Branches):
    """Figure 7: halves the image; `in_channels` to `in_channels` + `plain` + the last of `widths`.

    Args:
        in_channels: n would be the paper's letter for `plain`, and k, l, m those for `widths`.
        plain: channels of the branch with one 3×3.
        widths: channels of the branch of 1×1, 3×3 and 3×3.
        nn: the namespace of layers.
    """

    def __init__(self, in_channels: int, plain: int, widths: tuple[int, int, int], *, nn: Any = torch.nn) -> None:
        k, l, m = widths  # noqa: E741 - the paper's letters
        super().__init__(
            {
                "branch0": halving(in_channels, plain, nn),
                "branch1": nn.Sequential(one(in_channels, k, nn), three(k, l, nn), halving(l, m, nn)),
                "branch2": nn.MaxPool2d(3, 2),
            },
            nn=nn,
        )


class ReductionB(Branches):
    """Figure 8: halves the image; `(batch, 1024, …)` to `(batch, 1536, …)`."""

    def __init__(self, *, nn: Any = torch.nn) -> None:
        super().__init__(
            {
                "branch0": nn.Sequential(one(1024, 192, nn), halving(192, 192, nn)),
                "branch1": nn.Sequential(
                    one(1024, 256, nn), wide(256, 256, nn), tall(256, 320, nn), halving(320, 320, nn)
                ),
                "branch2": nn.MaxPool2d(3, 2),
            },
            nn=nn,
        )


class InceptionV4(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; any from 75 on.
        depths: how many blocks A, B and C there are.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another number is out of range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 299,
        depths: tuple[int, int, int] = (4, 7, 3),
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, num_classes=num_classes)
        image_size(input_size, SMALLEST)
        self.in_channels = in_channels
        self.features = nn.Sequential(
            *_stem(in_channels, nn),
            *(InceptionA(nn=nn) for _ in range(depths[0])),
            ReductionA(384, 384, (192, 224, 256), nn=nn),
            *(InceptionB(nn=nn) for _ in range(depths[1])),
            ReductionB(nn=nn),
            *(InceptionC(nn=nn) for _ in range(depths[2])),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.last_linear = nn.Linear(1536, num_classes)
        kaiming(self, mode="fan_in")

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        expect_images(x, self.in_channels, SMALLEST)
        return self.last_linear(self.dropout(self.avgpool(self.features(x)).flatten(1)))


def _stem(in_channels: int, nn: Any) -> list[Any]:
    """Figure 3: `(batch, in_channels, 299, 299)` to `(batch, 384, 35, 35)`."""
    plain = nn.Sequential(one(160, 64, nn), BasicConv2d(64, 96, 3, nn=nn))
    factorised = nn.Sequential(one(160, 64, nn), wide(64, 64, nn), tall(64, 64, nn), BasicConv2d(64, 96, 3, nn=nn))
    return [
        halving(in_channels, 32, nn),
        BasicConv2d(32, 32, 3, nn=nn),
        three(32, 64, nn),
        Branches({"maxpool": nn.MaxPool2d(3, 2), "conv": halving(64, 96, nn)}, nn=nn),
        Branches({"branch0": plain, "branch1": factorised}, nn=nn),
        Branches({"conv": halving(192, 192, nn), "maxpool": nn.MaxPool2d(3, 2)}, nn=nn),
    ]


def one(in_channels: int, out_channels: int, nn: Any) -> Any:
    """A 1×1 convolution."""
    return BasicConv2d(in_channels, out_channels, 1, nn=nn)


def three(in_channels: int, out_channels: int, nn: Any) -> Any:
    """A 3×3 convolution that keeps height and width."""
    return BasicConv2d(in_channels, out_channels, 3, padding=1, nn=nn)


def halving(in_channels: int, out_channels: int, nn: Any) -> Any:
    """A 3×3 convolution with stride 2 and no padding."""
    return BasicConv2d(in_channels, out_channels, 3, 2, nn=nn)


def average(nn: Any) -> Any:
    """An average pooling 3×3 that keeps height and width."""
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


inception_v4 = InceptionV4
