"""Vectorised products against loops over elements and columns: the same descent to the last digits, at other speeds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import torch
from torch import Tensor

from fathom import optim, seeding
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import descent
from fathom.recipes.common.inputs import numbers
from fathom.records import Prediction, Result, RunFolder, dump_json, load_json, write_text
from fathom.train import Listener
from fathom.train.experiment import prepare

SECTION = "d2l-zh 11.5"
DATA = "none"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "column_difference",
        "value": None,
        "split": "a product of two 256 × 256 matrices",
        "source": "d2l-zh 11.5.1",
        "note": "the book prints Gflop/s of its own machine by element, column, whole and blocks of 64 columns",
    },
]
REFERENCE = "whole"

Product = Callable[[Tensor, Tensor], Tensor]
"""B `(rows, inner)` and C `(inner, columns)` to BC."""


def by_element(b: Tensor, c: Tensor) -> Tensor:
    """BC, an inner product for each element."""
    return torch.stack([torch.stack([torch.dot(row, column) for column in c.T]) for row in b])


def by_block(b: Tensor, c: Tensor, width: int = 1) -> Tensor:
    """BC, a product for each so many columns; for 1, a matrix times a vector each time."""
    return torch.cat([b @ part for part in c.split(width, dim=1)], dim=1)


PRODUCTS: Mapping[str, Product] = {"whole": torch.matmul, "column": by_block, "element": by_element}


@dataclass(frozen=True, kw_only=True)
class Config(descent.DescentConfig):
    """Gradient descent on ½|BC - A|² in C, with the product computed in three ways.

    Args:
        size: rows and columns of the matrices that descent works on.
        matrix: rows and columns of those whose product is timed for the picture.
    """

    epochs: int = 20
    lr: float = 0.3
    size: int = 12
    matrix: int = 256

    UNUSED: ClassVar[tuple[str, ...]] = descent.PLAIN

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("size", "matrix"):
            self._check(name, at_least=1)


def matrices(config: Config) -> tuple[Tensor, Tensor]:
    """A and B, `(size, size)`, float64; B is near the identity, so that descent gets somewhere."""
    random = seeding.generator(config.seed, 8)
    a, b = torch.randn(2, config.size, config.size, generator=random, dtype=torch.float64)
    return a, torch.eye(config.size, dtype=torch.float64) + 0.2 * b / config.size**0.5


def misfit(product: Product, a: Tensor, b: Tensor, flat: Tensor) -> Tensor:
    """½|BC - A|² for C as one row of numbers, `(size²,)`."""
    return 0.5 * (product(b, flat.reshape(a.shape)) - a).square().sum()


def contenders(config: Config) -> dict[str, descent.Contender]:
    """The same descent three times; only the product differs."""
    a, b = matrices(config)
    return {
        name: descent.Contender(
            title=name,
            function=partial(misfit, product, a, b),
            start=(0.0,) * config.size**2,
            rule=partial(optim.create, "sgd", lr=config.lr, rung=config.rung),
        )
        for name, product in PRODUCTS.items()
    }


def inspect(paths: descent.Paths) -> dict[str, float]:
    """The largest difference between the descents, in any entry of C."""
    whole = paths[REFERENCE][-1]
    return {f"{name}_difference": float(abs(way[-1] - whole).max()) for name, way in paths.items() if name != REFERENCE}


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Descend by all three products; `NAME_difference` is from the descent by whole products.

    Times would not be the same twice and are no metrics: `draw` measures them and keeps them in `timings.json`.
    """
    return descent.run_descent(
        "vectorisation",
        config,
        contenders(config),
        REFERENCE,
        formula="½|BC - A|²",
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=inspect,
    )


def measure(folder: RunFolder) -> Result:
    """Read the differences from a run's paths again."""
    return descent.measure_descent(folder, Config(**folder.config), inspect, PUBLISHED)


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """½|BC - A|² for the C in `source`, its entries row by row; `extra` has it by each product."""
    config = Config(**folder.config)
    prepare(config)
    c = torch.tensor(numbers(source, config.size**2), dtype=torch.float64)
    found = {name: float(each.function(c)) for name, each in contenders(config).items()}
    return Prediction(input=str(source)[:200], label=found[REFERENCE], extra=found)


# --- times ----------------------------------------------------------------------------------------------------------


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """The least of several times, after one that does not count."""
    action()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return min(times)


def widths(columns: int) -> list[int]:
    """1, 2, 4, … and all columns."""
    return [2**power for power in range((columns - 1).bit_length())] + [columns]


def gigaflops(config: Config) -> dict[str, float]:
    """Billions of multiplications and additions a second in a float32 product, by element and by width of block."""
    n = config.matrix
    b, c = torch.randn(2, n, n, generator=seeding.generator(config.seed, 9))
    speeds = {"element": 2 * n**3 / seconds(partial(by_element, b, c)) / 1e9}
    for width in widths(n):
        speeds[str(width)] = 2 * n**3 / seconds(partial(by_block, b, c, width), repeats=7) / 1e9
    return speeds


def timings(folder: RunFolder, config: Config) -> dict[str, float]:
    """`gigaflops`, measured once for a run and kept in its `timings.json`."""
    kept = folder.path / "timings.json"
    if kept.is_file():
        return dict(load_json(kept.read_text(encoding="utf-8")))
    prepare(config)
    speeds = gigaflops(config)
    write_text(kept, dump_json(speeds))
    return speeds


def draw(folder: RunFolder) -> list[Path]:
    """Gflop/s of a product by how many columns are computed at once, and by element."""
    config = Config(**folder.config)
    speeds = timings(folder, config)
    blocks = [int(width) for width in speeds if width != "element"]
    chart = Panel(
        series={
            "by blocks": (blocks, [speeds[str(width)] for width in blocks]),
            "by element": (blocks, [speeds["element"]] * len(blocks)),
        },
        title=f"{config.matrix} × {config.matrix} times {config.matrix} × {config.matrix}, float32",
        xlabel="columns at once",
        ylabel="Gflop/s",
        logx=True,
        logy=True,
    )
    return [panels(folder.path / "vectorisation.png", [chart])]
