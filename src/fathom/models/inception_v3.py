"""Inception v3: kernels factorised into 1×7 and 7×1, and blocks that reduce the image without a bottleneck.

Source: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna 2015, "Rethinking the Inception Architecture for Computer Vision",
arXiv 1512.00567, figures 5, 6, 7 and 10, in the form of the released network.

    (batch, 3, 299, 299)
      ── Conv 3×3, stride 2 ── Conv 3×3 ── Conv 3×3 ──> (batch, 64, 147, 147) ── max pooling ──> (batch, 64, 73, 73)
      ── Conv 1×1 ── Conv 3×3 ──> (batch, 192, 71, 71) ── max pooling ──> (batch, 192, 35, 35)
      ── 5b, 5c, 5d: 5×5 and two 3×3 ──> (batch, 288, 35, 35) ── 6a: reduction ──> (batch, 768, 17, 17)
      ── 6b to 6e: 1×7 and 7×1 ──> (batch, 768, 17, 17) ── 7a: reduction ──> (batch, 1280, 8, 8)
      ── 7b, 7c: 1×3 beside 3×1 ──> (batch, 2048, 8, 8) ── mean over the image ── Dropout ──> (batch, 2048)
      ── Linear ──> (batch, 1000) logits

Parameter names and shapes are torchvision's.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from fathom.models.branches import BasicConv2d, Branches
from fathom.models.googlenet import scale_for_inception
from fathom.models.initialise import truncated_normal
from fathom.models.model import Model
from fathom.models.parts import at_least, expect_images, image_size

NAMES = ("inception_v3",)
SMALLEST, SMALLEST_WITH_HEAD = 75, 299  # the head's 5×5 kernel needs maps of 17×17
STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2")
BEFORE_HEAD = ("Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e")
AFTER_HEAD = ("Mixed_7a", "Mixed_7b", "Mixed_7c")


class InceptionA(Branches):
    """1×1; 1×1, 5×5; 1×1, 3×3, 3×3; average pooling, 1×1. `(batch, in_channels, …)` to 224 + `pooled` channels."""

    def __init__(self, in_channels: int, pooled: int, *, nn: Any = torch.nn) -> None:
        def conv(inputs: int, outputs: int, size: int) -> Any:
            return BasicConv2d(inputs, outputs, size, padding=size // 2, nn=nn)

        super().__init__(
            {
                "branch1x1": conv(in_channels, 64, 1),
                "branch5x5": [conv(in_channels, 48, 1), conv(48, 64, 5)],
                "branch3x3dbl": [conv(in_channels, 64, 1), conv(64, 96, 3), conv(96, 96, 3)],
                "branch_pool": pooled_branch(in_channels, pooled, nn),
            },
            nn=nn,
        )


class InceptionB(Branches):
    """Halves the image: 3×3; 1×1, 3×3, 3×3; max pooling. `(batch, in_channels, …)` to 480 + `in_channels`."""

    def __init__(self, in_channels: int, *, nn: Any = torch.nn) -> None:
        super().__init__(
            {
                "branch3x3": BasicConv2d(in_channels, 384, 3, 2, nn=nn),
                "branch3x3dbl": [
                    BasicConv2d(in_channels, 64, 1, nn=nn),
                    BasicConv2d(64, 96, 3, padding=1, nn=nn),
                    BasicConv2d(96, 96, 3, 2, nn=nn),
                ],
                "branch_pool": nn.MaxPool2d(3, 2),
            },
            nn=nn,
        )


class InceptionC(Branches):
    """1×1; 1×1, 1×7, 7×1; 1×1 and twice 7×1, 1×7; average pooling, 1×1. `(batch, in_channels, …)` to 768."""

    def __init__(self, in_channels: int, width: int, *, nn: Any = torch.nn) -> None:
        super().__init__(
            {
                "branch1x1": BasicConv2d(in_channels, 192, 1, nn=nn),
                "branch7x7": [BasicConv2d(in_channels, width, 1, nn=nn), wide(width, width, nn), tall(width, 192, nn)],
                "branch7x7dbl": [
                    BasicConv2d(in_channels, width, 1, nn=nn),
                    tall(width, width, nn),
                    wide(width, width, nn),
                    tall(width, width, nn),
                    wide(width, 192, nn),
                ],
                "branch_pool": pooled_branch(in_channels, 192, nn),
            },
            nn=nn,
        )


class InceptionD(Branches):
    """Halves the image: 1×1, 3×3; 1×1, 1×7, 7×1, 3×3; max pooling. `(batch, in_channels, …)` to 512 + `in_channels`."""

    def __init__(self, in_channels: int, *, nn: Any = torch.nn) -> None:
        super().__init__(
            {
                "branch3x3": [BasicConv2d(in_channels, 192, 1, nn=nn), BasicConv2d(192, 320, 3, 2, nn=nn)],
                "branch7x7x3": [
                    BasicConv2d(in_channels, 192, 1, nn=nn),
                    wide(192, 192, nn),
                    tall(192, 192, nn),
                    BasicConv2d(192, 192, 3, 2, nn=nn),
                ],
                "branch_pool": nn.MaxPool2d(3, 2),
            },
            nn=nn,
        )


class InceptionE(Branches):
    """1×1; 1×1, then 1×3 beside 3×1; 1×1, 3×3, then the same fork; average pooling, 1×1. To 2048 channels."""

    def __init__(self, in_channels: int, *, nn: Any = torch.nn) -> None:
        def fork() -> tuple[Any, Any]:
            return wide(384, 384, nn, size=3), tall(384, 384, nn, size=3)

        super().__init__(
            {
                "branch1x1": BasicConv2d(in_channels, 320, 1, nn=nn),
                "branch3x3": [BasicConv2d(in_channels, 384, 1, nn=nn), fork()],
                "branch3x3dbl": [
                    BasicConv2d(in_channels, 448, 1, nn=nn),
                    BasicConv2d(448, 384, 3, padding=1, nn=nn),
                    fork(),
                ],
                "branch_pool": pooled_branch(in_channels, 192, nn),
            },
            nn=nn,
        )


class InceptionAux(Model):
    """The auxiliary head: `(batch, in_channels, height, width)` of at least 17×17 to logits `(batch, num_classes)`."""

    def __init__(self, in_channels: int, num_classes: int, *, nn: Any = torch.nn) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, 3)
        self.conv0 = BasicConv2d(in_channels, 128, 1, nn=nn)
        self.conv1 = BasicConv2d(128, 768, 5, nn=nn)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        return self.fc(self.avgpool(self.conv1(self.conv0(self.pool(x)))).flatten(1))


class InceptionOutputs(NamedTuple):
    """What a network with its auxiliary head gives in training, each `(batch, num_classes)`."""

    logits: Any
    aux_logits: Any


class InceptionV3(Model):
    """Images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal; any from 75 on, from 299 on to train with
            the auxiliary head.
        aux_logits: whether there is an auxiliary head; in training the network then gives `InceptionOutputs`.
        transform_input: as in `GoogLeNet`.
        nn: the namespace of layers.

    Raises:
        InputError: the images are too small, or another number is out of range.
    """

    scale: Any
    shift: Any

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 1000,
        input_size: int | Sequence[int] = 299,
        aux_logits: bool = False,
        transform_input: bool = False,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_channels=in_channels, num_classes=num_classes)
        self.smallest = SMALLEST_WITH_HEAD if aux_logits else SMALLEST
        image_size(input_size, self.smallest)
        self.in_channels, self.transform_input = in_channels, transform_input
        if transform_input:
            scale_for_inception(self, in_channels)
        self._add_trunk(in_channels, nn)
        self.AuxLogits = InceptionAux(768, num_classes, nn=nn) if aux_logits else None
        self.Mixed_7a = InceptionD(768, nn=nn)
        self.Mixed_7b = InceptionE(1280, nn=nn)
        self.Mixed_7c = InceptionE(2048, nn=nn)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(2048, num_classes)
        truncated_normal(self, 0.1)
        if self.AuxLogits is not None:
            truncated_normal(self.AuxLogits.conv1, 0.01)
            truncated_normal(self.AuxLogits.fc, 0.001)

    def _add_trunk(self, in_channels: int, nn: Any) -> None:
        self.Conv2d_1a_3x3 = BasicConv2d(in_channels, 32, 3, 2, nn=nn)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3, nn=nn)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1, nn=nn)
        self.maxpool1 = nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1, nn=nn)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3, nn=nn)
        self.maxpool2 = nn.MaxPool2d(3, 2)
        self.Mixed_5b = InceptionA(192, 32, nn=nn)
        self.Mixed_5c = InceptionA(256, 64, nn=nn)
        self.Mixed_5d = InceptionA(288, 64, nn=nn)
        self.Mixed_6a = InceptionB(288, nn=nn)
        for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            setattr(self, name, InceptionC(768, width, nn=nn))

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`; with the head, in training, to two."""
        expect_images(x, self.in_channels, self.smallest if self.training else SMALLEST)
        if self.transform_input:
            x = x * self.scale + self.shift
        for name in (*STEM, *BEFORE_HEAD):
            x = getattr(self, name)(x)
        auxiliary = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        for name in AFTER_HEAD:
            x = getattr(self, name)(x)
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits if auxiliary is None else InceptionOutputs(logits, auxiliary)


def wide(in_channels: int, out_channels: int, nn: Any, size: int = 7) -> Any:
    """A convolution with a kernel of one row: `(batch, in_channels, …)` to `(batch, out_channels, …)`."""
    return BasicConv2d(in_channels, out_channels, (1, size), padding=(0, size // 2), nn=nn)


def tall(in_channels: int, out_channels: int, nn: Any, size: int = 7) -> Any:
    """A convolution with a kernel of one column: `(batch, in_channels, …)` to `(batch, out_channels, …)`."""
    return BasicConv2d(in_channels, out_channels, (size, 1), padding=(size // 2, 0), nn=nn)


def pooled_branch(in_channels: int, out_channels: int, nn: Any) -> list[Any]:
    """Average pooling that keeps the size, and a 1×1 that gets no number in its name."""
    return [nn.AvgPool2d(3, 1, 1), BasicConv2d(in_channels, out_channels, 1, nn=nn)]


inception_v3 = InceptionV3
