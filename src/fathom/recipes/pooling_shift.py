"""How far an image may be shifted before a network takes it for something else: pooling against none.

The networks learn images as they are, and are tested on images moved to the right. `shift_2_max_accuracy` is the
accuracy of `max` on test images moved by two pixels; `loss` and `accuracy` without a name are those of `max`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, metrics, models
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.plot.windows import fields
from fathom.recipes.common import contest
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Result, RunFolder
from fathom.train import TrainConfig, evaluate

SECTION = "d2l-zh 6.5"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_max_accuracy",
        "value": None,
        "split": "test images",
        "source": "d2l-zh 6.5",
        "note": "the book says that pooling makes a network less sensitive to place, and prints no figure",
    },
]
REFERENCE = "max"
TITLES = {
    "max": "max pooling",
    "avg": "average pooling",
    "stride": "stride, no pooling",
    "global": "max pooling, then the mean",
    "dense": "no convolution",
}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Networks of two convolutions that halve the image twice, by pooling or by stride, and a dense one; Adam at 0.003.

    Args:
        channels: of the first convolution; the second has twice as many.
        shifts: pixels by which the test images are moved to the right, with black coming in.
    """

    channels: int = 8
    shifts: tuple[int, ...] = (1, 2, 3, 4, 6)
    epochs: int = 4
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float = 0.003
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("channels", at_least=1)
        if not self.shifts or min(self.shifts) < 1 or len(set(self.shifts)) < len(self.shifts):
            raise InputError(f"--shifts: expected different numbers of pixels from 1 on, got {self.shifts}")
        self.keep([name for name in contest.UNUSED if name != "optimizer"], contest.WHY_UNUSED)


def network(name: str, config: Config, about: Mapping[str, Any], *, nn: Any = torch.nn) -> Any:
    """One of `TITLES`; all but `dense` have the same convolutions.

    Args:
        about: tells the shape of an image and the classes.
        nn: the namespace of layers.
    """
    in_channels, height, width = about["example_shape"]
    first, second, classes = config.channels, 2 * config.channels, len(about["classes"])
    if name == "dense":
        sizes = in_channels * height * width, 128, classes
        return nn.Sequential(nn.Flatten(), nn.Linear(*sizes[:2]), nn.ReLU(), nn.Linear(*sizes[1:]))
    stride = 2 if name == "stride" else 1
    pooling = {"avg": nn.AvgPool2d, "stride": nn.Identity}.get(name, nn.MaxPool2d)
    end, left = (nn.AdaptiveAvgPool2d(1), 1) if name == "global" else (nn.Identity(), (height // 4) * (width // 4))
    return nn.Sequential(
        nn.Conv2d(in_channels, first, 3, stride, padding=1),
        nn.ReLU(),
        pooling(2, 2),
        nn.Conv2d(first, second, 3, stride, padding=1),
        nn.ReLU(),
        pooling(2, 2),
        end,
        nn.Flatten(),
        nn.Linear(second * left, classes),
    )


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """One network of each kind, on the run's rung."""
    if about["kind"] != "images" or any(side % 4 for side in about["example_shape"][1:]):
        raise InputError(
            f"{config.data}: expected images with sides that 4 divides, got {about['example_shape']}; add size=28"
        )
    return nn.ModuleDict({name: models.on_rung(partial(network, name, config, about), config.rung) for name in TITLES})


def shifted(images: Tensor, right: int) -> Tensor:
    """Images `(..., width)` moved to the right by so many pixels, with zeros coming in from the left."""
    return nn.functional.pad(images, (right, 0))[..., : images.shape[-1]]


def tolerance(config: Config, test: data.Dataset, networks: nn.ModuleDict) -> dict[str, float]:
    """Accuracy on the test images moved by each shift, as `shift_2_max_accuracy`."""
    numbers: dict[str, float] = {}
    device = next(networks.parameters()).device
    for pixels in config.shifts:
        moved = data.Batches(
            shifted(test.tensors["x"], pixels), test.tensors["y"], batch_size=1000, device=device, limit=config.limit
        )
        for name, model in networks.items():
            numbers |= evaluate(model, moved, {"accuracy": metrics.accuracy}, prefix=f"shift_{pixels}_{name}_")
    return numbers


RECIPE = ContestRecipe(
    recipe="pooling-shift",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    inspect=lambda config, networks, _, test: tolerance(config, test, networks),
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.predict


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """What pooling makes of an edge that moves, and the accuracy by shift."""
    config, result = Config(**folder.config), folder.result
    pictures = [draw_edge(folder.path / "edge.png")]
    if result is not None:
        pictures.append(draw_tolerance(folder.path / "tolerance.png", config, result))
        pictures.append(contest.draw_learning(folder.path / "learning.png", result, TITLES))
    return pictures


def draw_edge(path: Path) -> Path:
    """A line that stands at three places, and its maps after pooling with 2×2 windows."""
    image = torch.zeros(1, 1, 8, 8)
    image[..., 2] = 1
    maps, titles = [], []
    for pooled in (False, True):
        for pixels in (0, 1, 2):
            moved = shifted(image, pixels)
            maps.append((nn.functional.max_pool2d(moved, 2) if pooled else moved)[0, 0])
            titles.append(f"moved by {pixels}" + (", pooled" if pooled else ""))
    return fields(path, maps, titles, columns=3)


def draw_tolerance(path: Path, config: Config, result: Result) -> Path:
    """Accuracy by shift, and the share of the accuracy without a shift that is left."""
    shifts = sorted(config.shifts)
    pixels = [0, *shifts]
    kept = {
        name: [result.metrics[f"test_{name}_accuracy"]]
        + [result.metrics[f"shift_{shift}_{name}_accuracy"] for shift in shifts]
        for name in TITLES
    }
    return panels(
        path,
        [
            Panel(
                series={TITLES[name]: (pixels, values) for name, values in kept.items()},
                title="Accuracy on moved test images",
                xlabel="pixels to the right",
                ylim=(0.0, 1.0),
                whole=True,
                names=False,
            ),
            Panel(
                series={TITLES[name]: (pixels, [v / values[0] for v in values]) for name, values in kept.items()},
                title="Share of the accuracy that is left",
                xlabel="pixels to the right",
                ylim=(0.0, 1.05),
                whole=True,
            ),
        ],
    )
