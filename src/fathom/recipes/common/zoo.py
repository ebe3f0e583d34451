"""What the recipes of the book's convolutional networks share: how it builds them."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from fathom import models
from fathom.models.initialise import xavier
from fathom.recipes.common.classifier import pictured
from fathom.train import TrainConfig


def as_in_the_book(model: str, config: TrainConfig, about: Mapping[str, Any], **options: Any) -> nn.Module:
    """The network for pictures like those of `about`, its weights by Xavier's rule, as the book's trainer draws them.

    Args:
        model: its name.
        options: what its constructor takes besides the pictures' shape and the number of classes.
    """
    size = tuple(about["example_shape"][1:])
    return models.on_rung(model, config.rung, initialise=xavier, input_size=size, **pictured(about), **options)
