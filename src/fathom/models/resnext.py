"""ResNeXt-50: a residual network whose 3×3 convolutions work in 32 groups.

Source: Xie, Girshick, Dollár, Tu and He 2016, "Aggregated Residual Transformations for Deep Neural Networks",
arXiv 1611.05431, table 1, in the form of its figure 3 (c); Dive into Deep Learning, exercises of "Residual Networks".

The layers are those of ResNet-50 (see `resnet.py`); each bottleneck has twice as many channels between its two 1×1,
split into groups that do not see each other: about as many parameters and operations as ResNet-50.

    a block: (batch, c, height, width)
      ── Conv 1×1 ──> (batch, c / 2, …) ── Conv 3×3 in 32 groups ──> (batch, c / 2, …) ── Conv 1×1 ──> (batch, c, …)

Parameter names and shapes are torchvision's.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from fathom.models.resnet import Bottleneck, resnet

NAMES = ("resnext50_32x4d",)


def resnext50_32x4d(
    in_channels: int = 3,
    num_classes: int = 1000,
    input_size: int | Sequence[int] = 224,
    stem: str = "large",
    *,
    nn: Any = torch.nn,
) -> Any:
    """Map images `(batch, in_channels, height, width)` to logits `(batch, num_classes)`.

    Args:
        in_channels: 1 for grey images, 3 for colour.
        num_classes: how many classes there are.
        input_size: height and width in pixels; any will do, since the last layer sees the mean over the image.
        stem: `large`, or `small`: a 3×3 convolution with stride 1 and no pooling, for small images.
        nn: the namespace of layers.

    Raises:
        UnknownNameError: there is no such stem.
        InputError: a number is out of range.
    """
    block = partial(Bottleneck, groups=32, width_per_group=4)
    return resnet(block, (3, 4, 6, 3), in_channels, num_classes, input_size, "torchvision", "B", stem, nn)
