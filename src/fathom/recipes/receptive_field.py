"""Networks that see more or less of an image: receptive fields by rule, by gradient, and what they are good for.

`NAME_side` is how many pixels a unit of the last convolution sees along a side, by rule; `NAME_effective_side` is the
side of a square of as few pixels as hold 95 % of the gradient. `loss` and `accuracy` without a name are those of
`three`, which sees as much as `five` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.errors import InputError
from fathom.models.receptive_field import Field, gradient_field, receptive_fields
from fathom.plot.panels import Panel, panels
from fathom.plot.windows import fields
from fathom.recipes.common import contest
from fathom.recipes.common.classifier import load_splits
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Result, RunFolder
from fathom.train import TrainConfig

SECTION = "d2l-zh 6.2, 6.7"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "three_effective_side",
        "value": None,
        "split": "test images",
        "source": "Luo et al. 2016, arXiv 1701.04128, figures 1 and 3",
        "note": "maps of deeper networks: what counts is a small part of what can count, and it grows by training",
    },
]
REFERENCE = "three"
EXAMPLES = 128  # test images over which gradients are averaged
SHARE = 0.95  # of the gradient, which the effective field holds
Kernels = tuple[tuple[int, int], ...]
NETWORKS: dict[str, Kernels] = {  # kernel size and dilation of each convolution; (0, 1) stands for pooling
    "one": ((1, 1), (1, 1), (1, 1), (1, 1)),
    "five": ((5, 1), (5, 1)),
    "three": ((3, 1), (3, 1), (3, 1), (3, 1)),
    "dilated": ((3, 1), (3, 2), (3, 4), (3, 1)),
    "pooled": ((3, 1), (0, 1), (3, 1), (0, 1), (3, 1), (3, 1)),
}
TITLES = {
    "one": "1×1, four times",
    "five": "5×5, twice",
    "three": "3×3, four times",
    "dilated": "3×3, dilated 1, 2, 4, 1",
    "pooled": "3×3 with two poolings",
}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Convolutions alone and the mean over the image: a network knows only what fits into its receptive field.

    Args:
        channels: of every convolution.
    """

    channels: int = 8
    epochs: int = 4
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float = 0.003
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("channels", at_least=1)
        self.keep([name for name in contest.UNUSED if name != "optimizer"], contest.WHY_UNUSED)


def network(kernels: Kernels, config: Config, about: Mapping[str, Any], *, nn: Any = torch.nn) -> Any:
    """Convolutions with ReLU, each keeping the size of its input, then the mean over the image and a linear layer.

    Args:
        kernels: as in `NETWORKS`.
        about: tells the shape of an image and the classes.
        nn: the namespace of layers.
    """
    channels, parts = about["example_shape"][0], []
    for size, dilation in kernels:
        if size == 0:
            parts.append(nn.MaxPool2d(2, 2))
            continue
        convolution = nn.Conv2d(channels, config.channels, size, padding=dilation * (size // 2), dilation=dilation)
        parts += [convolution, nn.ReLU()]
        channels = config.channels
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, len(about["classes"])))
    return nn.Sequential(nn.Sequential(*parts), head)


def build(config: Config, about: Mapping[str, Any], rung: str = "") -> nn.ModuleDict:
    """One network of each kind, on the run's rung or another."""
    if about["kind"] != "images" or min(about["example_shape"][1:]) < 4:
        raise InputError(f"{config.data}: expected images of at least 4 pixels a side, got {about['example_shape']}")
    return nn.ModuleDict(
        {
            name: models.on_rung(partial(network, kernels, config, about), rung or config.rung)
            for name, kernels in NETWORKS.items()
        }
    )


def by_rule(config: Config, about: Mapping[str, Any]) -> dict[str, Field]:
    """What the units of each network's last convolution see."""
    with torch.random.fork_rng(devices=[]):
        networks = build(config, about, "torch")
    return {name: receptive_fields(model, about["example_shape"])["0"] for name, model in networks.items()}


def by_gradient(networks: nn.ModuleDict, images: Tensor) -> dict[str, Tensor]:
    """How much each pixel moves the middle unit of each network's last convolution, `(height, width)`."""
    images = data.pixels(images[:EXAMPLES]).to(next(networks.parameters()).device)
    return {name: gradient_field(model, images, "0") for name, model in networks.items()}


def side(field: Tensor) -> float:
    """The side in pixels of a square of as few pixels as hold 95 % of a gradient field `(height, width)`."""
    if not field.any():
        return 0.0
    shares = field.flatten().sort(descending=True).values.cumsum(0) / field.sum()
    return float((shares < SHARE).sum() + 1) ** 0.5


def effective(images: Tensor, networks: nn.ModuleDict) -> dict[str, float]:
    """The sides of the fields that count, as `three_effective_side`."""
    return {f"{name}_effective_side": side(field) for name, field in by_gradient(networks, images).items()}


def at_start(config: Config, networks: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """The sides of the fields by rule, and of those that count before training."""
    numbers = {}
    for name, field in by_rule(config, {**train.about, "example_shape": tuple(train.tensors["x"].shape[1:])}).items():
        numbers[f"{name}_side"] = float(field.height.size)
    fresh = effective(test.tensors["x"], networks)
    return numbers | {name.replace("_side", "_side_at_start"): value for name, value in fresh.items()}


RECIPE = ContestRecipe(
    recipe="receptive-field",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    inspect=lambda config, networks, train, test: effective(test.tensors["x"], networks),
    at_start=at_start,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """What counts for the middle unit, inside the box of what it sees; and accuracy by what is seen."""
    config, about, result = Config(**folder.config), folder.data, folder.result
    _, test = load_splits(config)
    networks, seen = RECIPE.trained(folder), by_rule(config, about)
    _, height, width = about["example_shape"]
    maps = by_gradient(networks, test.tensors["x"])
    pictures = [
        fields(
            folder.path / "fields.png",
            list(maps.values()),
            [f"{TITLES[name]}\nsees {seen[name].height.size}, uses {side(field):.1f}" for name, field in maps.items()],
            boxes=[box(seen[name], height, width, convolutions(networks[name]), test.tensors["x"]) for name in maps],
            columns=5,
            key="blue: how much a pixel moves the middle unit of the last convolution; box: the pixels that can",
        )
    ]
    if result is not None:
        pictures.append(draw_accuracy(folder.path / "accuracy.png", result))
        pictures.append(contest.draw_learning(folder.path / "learning.png", result, TITLES))
    return pictures


def convolutions(model: nn.Module) -> nn.Module:
    """The part of a network before the mean."""
    return model.get_submodule("0")


def box(field: Field, height: int, width: int, layers: nn.Module, images: Tensor) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of what the middle unit sees."""
    with torch.inference_mode():
        rows, columns = layers(data.pixels(images[:1])).shape[-2:]
    down, across = field.height.pixels(rows // 2, height), field.width.pixels(columns // 2, width)
    return down.start, across.start, down.stop, across.stop


def draw_accuracy(path: Path, result: Result) -> Path:
    """Test accuracy against the side of the receptive field, one dot a network, and the field's growth by training."""
    found = result.metrics
    dots = {title: ([found[f"{name}_side"]], [found[f"test_{name}_accuracy"]]) for name, title in TITLES.items()}
    epochs = [0, *(record["epoch"] for record in result.history)]
    growth = {
        title: (epochs, [found[f"{name}_effective_side_at_start"]]
                + [record[f"{name}_effective_side"] for record in result.history])
        for name, title in TITLES.items()
    }  # fmt: skip
    return panels(
        path,
        [
            Panel(
                series=dots,
                title="Test accuracy",
                xlabel="side of the receptive field, pixels",
                whole=True,
                names=False,
            ),
            Panel(series=growth, title="Side of what counts, pixels", xlabel="epoch", whole=True),
        ],
    )
