"""Highway networks for images of 32×32 pixels: residual networks whose shortcuts have gates.

Source: Srivastava, Greff and Schmidhuber 2015, "Highway Networks", arXiv 1505.00387, equation 3; the layout is that of
He et al. 2015, arXiv 1512.03385, section 4.2.

    (batch, 3, 32, 32)
      ── Conv 3×3 ── batch norm ── ReLU ──> (batch, 16, 32, 32)
      ── layer1 ──> (batch, 16, 32, 32) ── layer2 ──> (batch, 32, 16, 16) ── layer3 ──> (batch, 64, 8, 8)
      ── mean over the image ──> (batch, 64) ── Linear ──> (batch, 10) logits

A block gives T · H + (1 - T) · x: H is two 3×3 convolutions, each with batch norm and ReLU; T, between 0 and 1 for
every pixel and channel, a third with a sigmoid. Srivastava et al. have such a gate at every layer, and no batch norm;
here it stands where the residual network has its sum, so that the two can be compared. Gates cost half as much again.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from fathom.models.initialise import kaiming
from fathom.models.model import Model
from fathom.models.parts import image_size
from fathom.models.resnet import ResNet, around, shortcut_layer

NAMES = ("highway20_cifar",)
GATE_BIAS = -1.0  # Srivastava et al. 2015, section 2.2, its example: at first most of x passes


class HighwayBlock(Model):
    """T(x) · H(x) + (1 - T(x)) · x. Srivastava et al. 2015, equation 3.

    Args:
        in_channels: of the input.
        channels: of the output; where they are more than `in_channels`, zeros stand for those that x lacks.
        stride: of the first convolution, of the gate, and from one pixel of x that is kept to the next.
        nn: the namespace of layers.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, nn: Any = torch.nn) -> None:
        super().__init__()
        self.out_channels = channels
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.gate = nn.Conv2d(in_channels, channels, 3, stride, padding=1)
        self.sigmoid = nn.Sigmoid()
        self.downsample = shortcut_layer("A", in_channels, channels, stride, "torchvision", nn)

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, channels, rows, columns)`."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        carried, share = around(self, x), self.sigmoid(self.gate(x))
        return carried + share * (y - carried)


def highway_cifar(
    depth: int,
    in_channels: int = 3,
    num_classes: int = 10,
    input_size: int | Sequence[int] = 32,
    *,
    nn: Any = torch.nn,
) -> Any:
    """Map images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        depth: 6n + 2 layers, the gates not counted.
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels; any will do, since the last layer sees the mean over the image.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range.
    """
    image_size(input_size, 1)
    block, depths = partial(HighwayBlock, nn=nn), ((depth - 2) // 6,) * 3
    model = kaiming(ResNet(block, depths, in_channels, num_classes, stem="small", width=16, nn=nn))
    for module in model.modules():
        if isinstance(module, HighwayBlock):
            nn.init.constant_(module.gate.bias, GATE_BIAS)
    return model


def highway20_cifar(
    in_channels: int = 3, num_classes: int = 10, input_size: int | Sequence[int] = 32, *, nn: Any = torch.nn
) -> Any:
    """`highway_cifar` of 20 layers, whose arguments these are."""
    return highway_cifar(20, in_channels, num_classes, input_size, nn=nn)
