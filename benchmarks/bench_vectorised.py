"""One product of matrices, computed whole, by blocks of columns, by columns and by elements.

float32. Whole is one call; the loops call as often as there are blocks, columns or elements, and each result is put
together in the end. NumPy and torch each against their own loops; the whole product is what the others are held to.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.harness import Comparison, compare
from fathom.recipes.vectorisation import by_block, by_element

SIZES = (64, 256)
BLOCK = 64  # columns


def torch_products(size: int) -> dict[str, Callable[[], object]]:
    b, c = torch.randn(2, size, size, generator=torch.Generator().manual_seed(0))
    return {
        "whole": partial(torch.matmul, b, c),
        f"{BLOCK} columns": partial(by_block, b, c, BLOCK),
        "1 column": partial(by_block, b, c, 1),
        "1 element": partial(by_element, b, c),
    }


def numpy_products(size: int) -> dict[str, Callable[[], object]]:
    b, c = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    blocks = np.split(c, max(1, size // BLOCK), axis=1)
    return {
        "whole": partial(np.matmul, b, c),
        f"{BLOCK} columns": lambda: np.concatenate([b @ block for block in blocks], axis=1),
        "1 column": lambda: np.stack([b @ column for column in c.T], axis=1),
        "1 element": lambda: np.array([[row @ column for column in c.T] for row in b]),
    }


def repeat(function: Callable[[], object], times: int) -> None:
    for _ in range(times):
        function()


def products(library: str, size: int, rounds: int) -> Comparison:
    """All four, so many times each that the whole product is long enough for the clock."""
    each = torch_products(size) if library == "torch" else numpy_products(size)
    times = max(1, 2**24 // size**3)
    contenders = {name: partial(repeat, function, times) for name, function in each.items()}
    whole = contenders.pop("whole")
    title = f"{library}, {size} × {size} times {size} × {size}, {times} times"
    return compare(title, ("whole", whole), contenders, rounds)


def run(rounds: int) -> list[Comparison]:
    return [products(library, size, rounds) for library in ("NumPy", "torch") for size in SIZES]
