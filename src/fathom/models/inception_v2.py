"""Inception v2: GoogLeNet with batch norm, and two 3×3 convolutions for each 5×5.

Source: Ioffe and Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
Shift", arXiv 1502.03167, section 4.2 and figure 5.

Two papers call a network so. This is the earlier, also known as BN-Inception, because its figure 5 gives every width;
the other (Szegedy et al. 2015, arXiv 1512.00567, table 1) leaves the widths out, and what it adds, factorised kernels
and reduction blocks, is in Inception v3.

    (batch, 3, 224, 224)
      ── Conv 7×7, stride 2, separable ──> (batch, 64, 112, 112) ── max pooling ──> (batch, 64, 56, 56)
      ── Conv 1×1 ── Conv 3×3 ──> (batch, 192, 56, 56) ── max pooling ──> (batch, 192, 28, 28)
      ── Inception 3a, 3b ──> (batch, 320, 28, 28) ── 3c, stride 2 ──> (batch, 576, 14, 14)
      ── Inception 4a to 4d ──> (batch, 576, 14, 14) ── 4e, stride 2 ──> (batch, 1024, 7, 7)
      ── Inception 5a, 5b ──> (batch, 1024, 7, 7) ── mean over the image ── Dropout ── Linear ──> (batch, 1000) logits

Parameter names follow torchvision's GoogLeNet, for torchvision does not have this network.
"""

from collections.abc import Sequence
from typing import Any

import torch

from fathom.models.branches import BasicConv2d, Branches
from fathom.models.initialise import kaiming
from fathom.models.model import Model
from fathom.models.parts import at_least, expect_images, image_size

NAMES = ("inception_v2",)
BLOCKS = {  # 1×1; 1×1 before 3×3; 1×1 before two 3×3; pooling and the 1×1 behind it. Figure 5 of the paper
    "inception3a": (64, (64, 64), (64, 96), ("avg", 32)),
    "inception3b": (64, (64, 96), (64, 96), ("avg", 64)),
    "inception3c": (0, (128, 160), (64, 96), ("max", 0)),
    "inception4a": (224, (64, 96), (96, 128), ("avg", 128)),
    "inception4b": (192, (96, 128), (96, 128), ("avg", 128)),
    "inception4c": (160, (128, 160), (128, 160), ("avg", 96)),
    "inception4d": (96, (128, 192), (160, 192), ("avg", 96)),
    "inception4e": (0, (128, 192), (192, 256), ("max", 0)),
    "inception5a": (352, (192, 320), (160, 224), ("avg", 128)),
    "inception5b": (352, (192, 320), (192, 224), ("max", 128)),
}


class InceptionBlock(Branches):
    """Four branches: 1×1; 1×1 and 3×3; 1×1 and two 3×3; pooling 3×3 and 1×1. Or three that halve the image.

    Args:
        in_channels: of the input.
        ones: channels of the first branch; 0 leaves it out and gives the others stride 2.
        threes: channels of the second, of its 1×1 and of its 3×3.
        doubles: channels of the third, of its 1×1 and of both 3×3.
        pooled: `avg` or `max`, and channels of the fourth; 0 leaves its 1×1 out.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        in_channels: int,
        ones: int,
        threes: tuple[int, int],
        doubles: tuple[int, int],
        pooled: tuple[str, int],
        *,
        nn: Any = torch.nn,
    ) -> None:
        def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> Any:
            return BasicConv2d(inputs, outputs, size, stride, size // 2, nn=nn)

        stride = 1 if ones else 2
        pooling, width = pooled
        pool = (nn.AvgPool2d if pooling == "avg" else nn.MaxPool2d)(3, stride, 1)
        self.out_channels = ones + threes[1] + doubles[1] + (width or in_channels)
        super().__init__(
            {
                **({"branch1": conv(in_channels, ones, 1)} if ones else {}),
                "branch2": nn.Sequential(conv(in_channels, threes[0], 1), conv(*threes, 3, stride)),
                "branch3": nn.Sequential(
                    conv(in_channels, doubles[0], 1), conv(*doubles, 3), conv(doubles[1], doubles[1], 3, stride)
                ),
                "branch4": nn.Sequential(pool, conv(in_channels, width, 1)) if width else pool,
            },
            nn=nn,
        )


class InceptionV2(Model):
    """Images `(batch, in_channels, height, width)` of any size to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels, one number if they are equal.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range.
    """

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
        image_size(input_size, 1)
        self.in_channels, spread = in_channels, 8 * in_channels  # paper: "depth multiplier 8"
        each = nn.Conv2d(in_channels, spread, 7, 2, 3, groups=in_channels, bias=False)
        blocks, channels = {}, 192
        for name, widths in BLOCKS.items():
            blocks[name] = InceptionBlock(channels, *widths, nn=nn)
            channels = blocks[name].out_channels
        self.conv1 = nn.Sequential(each, BasicConv2d(spread, 64, 1, nn=nn))
        self.maxpool1 = nn.MaxPool2d(3, 2, 1)
        self.conv2 = BasicConv2d(64, 64, 1, nn=nn)
        self.conv3 = BasicConv2d(64, 192, 3, padding=1, nn=nn)
        self.maxpool2 = nn.MaxPool2d(3, 2, 1)
        for name, block in blocks.items():
            setattr(self, name, block)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(channels, num_classes)
        kaiming(self, mode="fan_in")

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        expect_images(x, self.in_channels, 1)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        for name in BLOCKS:
            x = getattr(self, name)(x)
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))


inception_v2 = InceptionV2
