"""Channels, padding and stride; a 1×1 convolution is a dense layer at every pixel, and learns the same."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fathom import plot, seeding
from fathom.ops.convolution import conv2d
from fathom.plot.panels import Panel, panels
from fathom.plot.windows import Placement, placements
from fathom.recipes.common import descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 6.3, 6.4"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "difference",
        "value": 0.0,
        "split": "the weights, after the last update",
        "source": "d2l-zh 6.4.3",
        "note": "the book asserts that the outputs differ by less than 1e-6 in single precision",
    },
]
FORMULA = "squared difference between a picture in sepia and a linear map of its colours"
REFERENCE = "convolution"
SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))  # rows: red, green, blue of the output
TITLES = {"convolution": "1×1 convolution", "dense": "dense layer at each pixel"}


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Two layers learn to turn a picture into sepia by gradient descent, from the same start.

    Args:
        size: height and width of the picture, in pixels.
    """

    size: int = 24
    epochs: int = 300
    lr: float = 1.0

    RANDOM: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("size", at_least=4)


def colours(size: int) -> Tensor:
    """A picture `(3, size, size)` in 0–1: stripes that lie down in red, that stand in green, and rings in blue."""
    along = torch.linspace(0, 1, size, dtype=torch.float64)
    down, right = torch.meshgrid(along, along, indexing="ij")
    rings = 1.5 * torch.hypot(down - 0.5, right - 0.5)
    return (1 + torch.cos(4 * math.pi * torch.stack([down, right, rings]))) / 2


def sepia(picture: Tensor) -> Tensor:
    """The picture `(3, height, width)` with each pixel's colours mapped by `SEPIA`."""
    return torch.einsum("oc,chw->ohw", torch.tensor(SEPIA, dtype=picture.dtype), picture)


def convolution(picture: Tensor, points: Tensor) -> Tensor:
    """A 1×1 convolution of `(3, height, width)`: `(..., 3, height, width)`.

    Args:
        points: `(..., 12)`: nine weights, the first output's first, and three biases.
    """
    maps = conv2d(picture[None], points[..., :9].reshape(-1, 3, 1, 1), points[..., 9:].reshape(-1))[0]
    return maps.reshape(*points.shape[:-1], *picture.shape)


def dense(picture: Tensor, points: Tensor) -> Tensor:
    """A dense layer applied to the colours of each pixel; arguments and result as of `convolution`."""
    weight = points[..., :9].reshape(*points.shape[:-1], 3, 3)
    pixels = picture.flatten(1).T @ weight.mT + points[..., None, 9:]  # (..., pixels, 3)
    return pixels.mT.reshape(*points.shape[:-1], *picture.shape)


LAYERS = {"convolution": convolution, "dense": dense}


def misfit(points: Tensor, picture: Tensor, layer: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Mean squared difference to the picture in sepia, of layers `(..., 12)`: `(...)`."""
    return (layer(picture, points) - sepia(picture)).square().mean((-3, -2, -1))


def contenders(config: Config) -> dict[str, descent.Contender]:
    """Both layers, starting from the same random weights."""
    start = torch.rand(12, generator=seeding.generator(config.seed, 1), dtype=torch.float64) - 0.5
    return {
        name: descent.Contender(
            title=TITLES[name],
            function=partial(misfit, picture=colours(config.size), layer=layer),
            start=tuple(start.tolist()),
            rule=descent.by_name("sgd", config.lr, config.rung),
        )
        for name, layer in LAYERS.items()
    }


def inspect(paths: descent.Paths) -> dict[str, float]:
    """The largest difference between the two layers' weights, and between the learnt and the true ones."""
    ours, theirs = paths["convolution"], paths["dense"]
    off = ours[-1, :9] - np.ravel(SEPIA)
    return {"difference": float(np.abs(ours - theirs).max()), "weight_error": float(np.abs(off).max())}


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Learn the map of colours twice; `difference` is the largest between the two layers' weights on the whole way."""
    return descent.run_descent(
        "channels",
        config,
        contenders(config),
        REFERENCE,
        formula=FORMULA,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspect,
    )


def measure(folder: RunFolder) -> Result:
    """Read the differences from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Where layers end that start from the twelve numbers in `source`: nine weights, then three biases."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Where windows stand with padding and stride, a convolution channel by channel, and what the two layers learn."""
    ways, config = descent.paths(folder), Config(**folder.config)
    return [
        draw_windows(folder.path / "padding-and-stride.png"),
        draw_sum(folder.path / "channels.png", config),
        draw_sepia(folder.path / "sepia.png", config, ways),
        draw_learning(folder.path / "learning.png", config, ways),
    ]


def draw_windows(path: Path) -> Path:
    """The first two windows of a 3×3 kernel on a picture of 6×6 pixels, with what becomes of its size."""
    return placements(
        path,
        [
            Placement(size=6, kernel=3),
            Placement(size=6, kernel=3, padding=1),
            Placement(size=6, kernel=3, stride=2),
            Placement(size=6, kernel=3, padding=1, stride=2),
            Placement(size=6, kernel=3, dilation=2),
            Placement(size=6, kernel=2, stride=2),
        ],
    )


def draw_sum(path: Path, config: Config) -> Path:
    """The channels of a picture, what a kernel makes of each, and their sum, which is the convolution."""
    picture = colours(config.size)
    sobel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]], dtype=torch.float64)
    kernels = torch.stack([sobel.T, sobel, sobel])  # edges that lie down in red, that stand in green and blue
    each = conv2d(picture[None], kernels[:, None], groups=3)[0]
    names = ("red", "green", "blue")
    shown = dict(zip(names, picture, strict=True)) | {"picture": picture}
    shown |= {f"kernel on {name}": part for name, part in zip(names, each, strict=True)}
    return plot.images(path, [*shown.values(), each.sum(0)], [*shown, "their sum"], columns=4)


def draw_sepia(path: Path, config: Config, ways: descent.Paths) -> Path:
    """The picture, the one wanted, and the map after some updates."""
    picture, last = colours(config.size), len(ways["convolution"]) - 1
    shown = {"picture": picture, "in sepia": sepia(picture)}
    for update in dict.fromkeys((0, last // 6, last)):
        shown[f"{update} updates"] = convolution(picture, torch.from_numpy(ways["convolution"][update]))
    return plot.images(path, [image.clamp(0, 1) for image in shown.values()], list(shown), columns=5)


def draw_learning(path: Path, config: Config, ways: descent.Paths) -> Path:
    """The losses of both layers, and the weights into the red of the output as they learn."""
    known = contenders(config)
    losses = {TITLES[name]: descent.values(known[name].function, way) for name, way in ways.items()}
    updates = np.arange(len(ways["dense"]))
    some = updates[:: max(1, len(updates) // 30)]
    weights = {f"from {colour}": number for number, colour in enumerate(("red", "green", "blue"))}
    return panels(
        path,
        [
            Panel(series=losses, title="Loss: one line hides the other", xlabel="update", logy=True, names=False),
            Panel(
                series={name: (some, ways["dense"][some, number]) for name, number in weights.items()},
                theory={name: (updates, ways["convolution"][:, number]) for name, number in weights.items()},
                title="Weights into red",
                xlabel="update",
            ),
        ],
        key="right: dots are the dense layer's weights, lines the convolution's",
    )
