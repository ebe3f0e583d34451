"""The same network on pictures as they are and on varied ones: what augmentation is worth, and what it looks like."""

import inspect
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.data import augment
from fathom.errors import InputError, MissingExtraError
from fathom.plot.panels import Panel, panels
from fathom.plot.variations import picture_rows
from fathom.recipes.common import contest
from fathom.recipes.common.classifier import pictured
from fathom.recipes.common.compared import ComparedConfig, Comparison
from fathom.records import RunFolder

SECTION = "d2l-zh 13.1"
DATA = "cifar10"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",  # of crop+flip, whose numbers also go without a name
        "value": 0.843,
        "split": "test images",
        "source": "d2l-zh 13.1, printed",
        "note": "flip alone, ResNet-18, all 50,000 pictures, 10 epochs of Adam",
    },
]
PLAIN = "none"
DRAWN = 7  # varied copies in a row of the picture
OTHERS = 24  # pictures that may be mixed into them


@dataclass(frozen=True, kw_only=True)
class Config(ComparedConfig):
    """ResNet-20 by the ResNet paper's rule, on a part of the pictures that two cores learn in a quarter of an hour.

    The paper's own training is `--examples 0 --test-examples 0 --epochs 164 --batch-size 128`.

    Args:
        ways: how the pictures are varied, one network each, all with the same weights to begin with: none, or as
            --augment takes it; --augment itself holds for all of them besides.
        network: its name; see fathom show.
    """

    ways: tuple[str, ...] = (PLAIN, "crop+flip", "crop+flip+cut-out", "crop+flip+mix-up")
    network: str = "resnet20_cifar"
    examples: int = 5_000
    test_examples: int = 2_000
    epochs: int = 16
    batch_size: int = 64
    lr: float = 0.1
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0001"
    schedule: str = "cosine"
    channels_last: bool = True
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range, and the names of the transforms and of the network."""
        super().__post_init__()
        if not self.ways or len({word(way) for way in self.ways}) < len(self.ways):
            raise InputError(f"--ways: expected different ones, as in {PLAIN} crop+flip, got {' '.join(self.ways)}")
        for way in self.ways:
            if way != PLAIN:
                augment.check(way)
        models.constructor(self.network)


def word(way: str) -> str:
    """A way's name in the numbers: `crop_flip` for `crop+flip`."""
    return re.sub("[^a-z0-9]+", "_", way).strip("_")


def reference(config: Config) -> str:
    """The first way that is one; its numbers go without a name."""
    return word(next((way for way in config.ways if way != PLAIN), PLAIN))


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A network for each way, all with the same weights."""
    takes = inspect.signature(models.constructor(config.network)).parameters
    form: dict[str, Any] = {"stem": "small"} if "stem" in takes else {}  # of ResNet-18 and its like
    network = models.on_rung(config.network, config.rung, **form, **pictured(about))
    return nn.ModuleDict({word(way): deepcopy(network) for way in config.ways})


RECIPE = Comparison(
    recipe="augmentation",
    config=Config,
    build=build,
    reference=reference,
    published=PUBLISHED,
    wishes={"size": 32, "channels": 3},
    own=lambda config: {word(way): way for way in config.ways if way != PLAIN},
).contest
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Accuracy of every way by epoch; and a training picture varied by every transform."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    names = {word(way): way for way in config.ways}
    charts = [
        Panel(
            series=contest.by_epoch(result, f"{split}_{{}}_accuracy", names),
            title=title,
            xlabel="epoch",
            whole=True,
            names=split == "test",
        )
        for split, title in (("train", "Accuracy, training pictures"), ("test", "Accuracy, test pictures"))
    ]
    key = "left: varied, while they are learnt; right: as they are, after each epoch"
    x = data.pixels(RECIPE.load(config)[0].tensors["x"][: OTHERS + 1])
    return [
        panels(folder.path / "accuracy.png", charts, key=key),
        draw_transforms(folder.path / "transforms.png", x[0], x[1:]),
    ]


def draw_transforms(path: Path, picture: Tensor, others: Tensor, seed: int = 0) -> Path:
    """A picture as it is and, in a row for each transform, varied again and again.

    Args:
        picture: `(channels, height, width)` of float in 0–1.
        others: pictures of the same shape, of which some are mixed into it.
        seed: of the draws.
    """
    shown = {
        "crop": f"crop,padding={max(1, picture.shape[-1] // 8)}",
        "erase": "erase,p=1",
        "mix-up": "mix-up,alpha=1",
    }
    rows = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in augment.BY_KIND:
            try:
                vary = augment.create(shown.get(name, name), classes=1)
            except MissingExtraError:
                continue
            x = torch.cat([picture.expand(DRAWN, -1, -1, -1), others])
            varied, *_ = vary((x, torch.zeros(len(x), dtype=torch.long)))
            rows[name] = torch.cat([picture[None], varied[:DRAWN]])
    return picture_rows(path, rows, key="left: as it is; to the right of it: as training may see it")
