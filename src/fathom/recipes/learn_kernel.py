"""A kernel that detects edges, and kernels learnt from a picture and its edges: what the picture can not tell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fathom import seeding
from fathom.ops.convolution import conv2d
from fathom.plot.panels import Panel, panels
from fathom.plot.windows import fields
from fathom.recipes.common import descent
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 6.2"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "edge_kernel_error",
        "value": None,
        "split": "the book's picture of 6×8 pixels",
        "source": "d2l-zh 6.2.4",
        "note": "the book prints the kernel of one run, which starts at random: within a few hundredths of 1 and -1",
    },
]
FORMULA = "squared difference between a picture's edges and its convolution with the kernel"
REFERENCE = "edge"
EDGE = ((1.0, -1.0),)  # the book's
SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))  # Sobel and Feldman 1968
KERNELS = {"edge": EDGE, "noise": SOBEL, "stripes": SOBEL}
TITLES = {"edge": "1×2, from the book's picture", "noise": "3×3, from noise", "stripes": "3×3, from the book's picture"}


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """The book's ten updates at 0.03 on the sum of squares; the 3×3 kernels learn at ten times that on the mean.

    Args:
        size: height and width of the picture of noise, in pixels.
    """

    size: int = 16
    epochs: int = 10
    lr: float = 0.03

    RANDOM: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("size", at_least=3)


def stripes() -> Tensor:
    """The book's picture `(6, 8)`: white, with four black columns in the middle."""
    picture = torch.ones(6, 8, dtype=torch.float64)
    picture[:, 2:6] = 0
    return picture


def noise(config: Config) -> Tensor:
    """A picture `(size, size)` of independent normal numbers."""
    return torch.randn(config.size, config.size, generator=seeding.generator(config.seed, 1), dtype=torch.float64)


def convolve(picture: Tensor, kernels: Tensor, shape: tuple[int, int]) -> Tensor:
    """The picture `(height, width)` cross-correlated with each kernel: `(..., rows, columns)`.

    Args:
        kernels: `(..., entries)`, the kernel's rows one after the other.
        shape: of a kernel.
    """
    maps = conv2d(picture[None, None], kernels.reshape(-1, 1, *shape))[0]
    return maps.reshape(*kernels.shape[:-1], *maps.shape[1:])


def misfit(kernels: Tensor, picture: Tensor, true: Sequence[Sequence[float]], mean: bool) -> Tensor:
    """Squared differences between the maps of `(..., entries)` and of the true kernel, summed or averaged: `(...)`."""
    kernel = torch.tensor(true, dtype=torch.float64)
    height, width = kernel.shape
    squares = (
        convolve(picture, kernels, (height, width)) - convolve(picture, kernel.flatten(), (height, width))
    ).square()
    return squares.mean((-2, -1)) if mean else squares.sum((-2, -1))


def contenders(config: Config) -> dict[str, descent.Contender]:
    """The book's kernel, and Sobel's from noise and from the book's picture; each starts as torch's layer would."""
    pictures = {"edge": stripes(), "noise": noise(config), "stripes": stripes()}
    random, found = seeding.generator(config.seed, 2), {}
    for name, true in KERNELS.items():
        entries = sum(map(len, true))
        start = (2 * torch.rand(entries, generator=random, dtype=torch.float64) - 1) / math.sqrt(entries)
        found[name] = descent.Contender(
            title=TITLES[name],
            function=partial(misfit, picture=pictures[name], true=true, mean=name != "edge"),
            start=tuple(start.tolist()),
            rule=descent.by_name("sgd", config.lr * (1 if name == "edge" else 10), config.rung),
        )
    return found


def inspect(paths: descent.Paths) -> dict[str, float]:
    """How far the entries are from the true ones at most, and so the sums of the columns of the 3×3 kernels."""
    numbers = {}
    for name, true in KERNELS.items():
        off = paths[name][-1].reshape(np.shape(true)) - np.asarray(true)
        numbers[f"{name}_kernel_error"] = float(np.abs(off).max())
        if name != "edge":
            numbers[f"{name}_columns_error"] = float(np.abs(off.sum(axis=0)).max())
    return numbers


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Learn three kernels from pictures and their edges.

    `NAME_kernel_error` is the largest difference to the true kernel's entries, `NAME_columns_error` to the sums of its
    columns. In the book's picture all rows are alike, so it tells the sums alone: its 3×3 kernel comes to detect the
    edges as Sobel's does, and is another.
    """
    return descent.run_descent(
        "learn-kernel",
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
    """Read the errors from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """Where a 1×2 kernel that starts at the two numbers in `source` (as in `0.5,-1`) ends."""
    config = Config(**folder.config)
    return descent.predict_descent(folder, source, config, contenders(config))


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """The edges by the kernel as it learns, the kernels themselves, and their errors."""
    ways, config = descent.paths(folder), Config(**folder.config)
    return [
        draw_edges(folder.path / "edges.png", ways),
        draw_kernels(folder.path / "kernels.png", ways),
        draw_errors(folder.path / "errors.png", ways, contenders(config)),
    ]


def draw_edges(path: Path, ways: descent.Paths) -> Path:
    """The book's picture, its edges, none in it lying down, and the edges by the kernel after some updates."""
    picture, true = stripes(), torch.tensor(EDGE, dtype=torch.float64).flatten()
    updates = [number for number in (0, 2, 5, len(ways["edge"]) - 1) if number < len(ways["edge"])]
    shown = {"picture": picture, "by (1, -1)": convolve(picture, true, (1, 2))}
    shown |= {"picture, turned": picture.T, "by (1, -1): nothing": convolve(picture.T, true, (1, 2))}
    for number in dict.fromkeys(updates):
        kernel = torch.from_numpy(ways["edge"][number])
        left, right = kernel.tolist()
        shown[f"{number} updates: ({left:.2f}, {right:.2f})"] = convolve(picture, kernel, (1, 2))
    return fields(path, list(shown.values()), list(shown), signed=True, key="blue: above 0; white: 0; red: below 0")


def draw_kernels(path: Path, ways: descent.Paths) -> Path:
    """Sobel's kernel, and the two that were learnt."""
    shown = {"Sobel's": np.asarray(SOBEL)}
    shown |= {f"learnt from {name}": ways[name][-1].reshape(3, 3) for name in ("noise", "stripes")}
    return fields(path, list(shown.values()), list(shown), signed=True)


def draw_errors(path: Path, ways: descent.Paths, known: dict[str, descent.Contender]) -> Path:
    """The loss by update, and the largest error of an entry."""
    losses = {TITLES[name]: descent.values(known[name].function, way) for name, way in ways.items()}
    errors = {TITLES[name]: np.abs(way - np.ravel(KERNELS[name])).max(axis=1) for name, way in ways.items()}
    return panels(
        path,
        [
            Panel(series=losses, title="Loss", xlabel="update", logy=True, whole=True, names=False),
            Panel(series=errors, title="Largest error of an entry", xlabel="update", logy=True, whole=True),
        ],
    )
