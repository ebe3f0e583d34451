"""Dog breeds as a contest: a small network on what a pretrained one sees, as the book enters it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fathom import models
from fathom.models.efficientnet_lite import packaged_weights
from fathom.recipes.common import kaggle, starts
from fathom.recipes.common.features import OnFrozen, without_head
from fathom.train.normalised import normalised

SECTION = "d2l-zh 13.14"
DATA = "drawn-contest"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_loss",
        "value": None,
        "split": "held-out images",
        "source": "d2l-zh 13.14, figure",
        "note": "the book draws the losses on its small set of dogs, with a pretrained ResNet-34",
    },
]
FEATURES = 1280  # of EfficientNet-Lite0


@dataclass(frozen=True, kw_only=True)
class Config(kaggle.ContestConfig):
    """The book's settings for its small set; its rate of 0.0001 is on the sum over a batch of 32, ours on the mean.

    Args:
        hidden_size: units between the pretrained network's features and the classes.
        pretrained: whether EfficientNet-Lite0 has learnt on ImageNet; else its weights are as drawn.
    """

    hidden_size: int = 256
    pretrained: bool = True
    epochs: int = 10
    batch_size: int = 32
    lr: float = 0.0032
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0001"
    schedule: str = "factor,factor=0.9,every=0.2"  # every 2 of 10 epochs
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("hidden_size", at_least=1)
        self.keep(("augment", "normalise"), "the pretrained network looks at each picture once, as it learnt to")
        self.keep(starts.FIELDS, "only the layers behind the pretrained network learn")


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """EfficientNet-Lite0 without its last layer, and two layers of the book's behind it."""
    network = models.on_rung("efficientnet_lite0", config.rung)
    if config.pretrained:
        models.load_published(network, packaged_weights())
    frozen = normalised(without_head(network), **starts.scales_of(starts.PUBLISHED))
    return OnFrozen(frozen, models.on_rung(head, config.rung, units=config.hidden_size, classes=len(about["classes"])))


def head(units: int, classes: int, *, nn: Any = torch.nn) -> Any:
    """Two layers with a ReLU between, from the features to logits."""
    return nn.Sequential(nn.Linear(FEATURES, units), nn.ReLU(), nn.Linear(units, classes))


RECIPE = kaggle.PictureContest(
    recipe="dog-breeds-kaggle",
    config=Config,
    build=build,
    published=PUBLISHED,
    monitor="test_loss",
    maximise=False,
    submission=kaggle.shares,
    wishes={"size": 224, "channels": 3},
    frozen=True,
)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
