"""Residual networks for images of 32×32 pixels, and the same networks without shortcuts.

Source: He, Zhang, Ren and Sun 2015, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, section 4.2.

    (batch, 3, 32, 32)
      ── Conv 3×3 ── batch norm ── ReLU ──> (batch, 16, 32, 32)
      ── layer1 ──> (batch, 16, 32, 32) ── layer2 ──> (batch, 32, 16, 16) ── layer3 ──> (batch, 64, 8, 8)
      ── mean over the image ──> (batch, 64) ── Linear ──> (batch, 10) logits

Each layer has n blocks of two 3×3 convolutions; with the first and the last layer that makes a depth of 6n + 2. The
shortcuts have no parameters, so a plain network has as many as its residual twin.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from fathom.models.initialise import kaiming
from fathom.models.parts import check_choice, image_size
from fathom.models.resnet import SHORTCUTS, BasicBlock, ResNet

NAMES = (
    "resnet20_cifar",
    "resnet32_cifar",
    "resnet44_cifar",
    "resnet56_cifar",
    "resnet110_cifar",
    "resnet1202_cifar",
    "plain20_cifar",
    "plain32_cifar",
    "plain44_cifar",
    "plain56_cifar",
    "plain110_cifar",
)


def of_depth(depth: int, usual: str = "A") -> Callable[..., Any]:
    """The constructor of the network with `depth` layers, 6n + 2; `usual` is its shortcut if none is asked for."""

    def build(
        in_channels: int = 3,
        num_classes: int = 10,
        input_size: int | Sequence[int] = 32,
        shortcut: str = usual,
        *,
        nn: Any = torch.nn,
    ) -> Any:
        """Map images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

        Args:
            in_channels: 1 for grey images, 3 for colour.
            num_classes: how many classes there are.
            input_size: height and width in pixels; any will do, since the last layer sees the mean over the image.
            shortcut: `A` pads with zeros where the shape changes, `B` projects there, `C` projects everywhere, `none`
                is a plain network.
            nn: the namespace of layers.

        Raises:
            UnknownNameError: there is no such shortcut.
            InputError: a number is out of range.
        """
        image_size(input_size, 1)
        check_choice("shortcut", shortcut, SHORTCUTS)
        block, depths = partial(BasicBlock, shortcut=shortcut, nn=nn), ((depth - 2) // 6,) * 3
        return kaiming(ResNet(block, depths, in_channels, num_classes, stem="small", width=16, nn=nn))

    build.__name__ = build.__qualname__ = f"{'plain' if usual == 'none' else 'resnet'}{depth}_cifar"
    return build


resnet20_cifar = of_depth(20)
resnet32_cifar = of_depth(32)
resnet44_cifar = of_depth(44)
resnet56_cifar = of_depth(56)
resnet110_cifar = of_depth(110)
resnet1202_cifar = of_depth(1202)
plain20_cifar = of_depth(20, "none")
plain32_cifar = of_depth(32, "none")
plain44_cifar = of_depth(44, "none")
plain56_cifar = of_depth(56, "none")
plain110_cifar = of_depth(110, "none")
