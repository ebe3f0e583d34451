"""Elementary costs: the exponential against a product, and forward against reverse mode by the number of inputs.

float32 numbers go through `exp`, `tanh` or a sigmoid, and through one multiplication, into memory that is there
already: once as many as the cache holds, once more than that. A gradient takes a forward pass for each input, or one
backward pass in all. The first contender of a comparison, the product or reverse mode, is what the others are held to.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.harness import Comparison, compare
from fathom import autograd

NUMBERS = (10_000, 1_000_000)  # fits the nearest cache; does not
INPUTS = (1, 2, 4, 16, 64)


def elementwise(library: str, numbers: int, rounds: int) -> Comparison:
    """A product against functions that exponentiate, without allocating."""
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal(numbers, dtype=np.float32) for _ in range(2))
    if library == "NumPy":
        out = np.empty_like(a)
        peers: dict[str, Callable[[], object]] = {
            "exp": partial(np.exp, a, out=out),
            "tanh": partial(np.tanh, a, out=out),
            "divide": partial(np.divide, a, b, out=out),
        }
        product = partial(np.multiply, a, b, out=out)
    else:
        x, y = torch.from_numpy(a), torch.from_numpy(b)
        result = torch.empty_like(x)
        peers = {
            "exp": partial(torch.exp, x, out=result),
            "tanh": partial(torch.tanh, x, out=result),
            "sigmoid": partial(torch.sigmoid, x, out=result),
            "divide": partial(torch.div, x, y, out=result),
        }
        product = partial(torch.mul, x, y, out=result)
    times = 20_000_000 // numbers
    many = {name: partial(repeat, function, times) for name, function in peers.items()}
    title = f"{library}, {numbers:,} float32, {times:,} times"
    return compare(title, ("multiply", partial(repeat, product, times)), many, rounds)


def repeat(function: Callable[[], object], times: int) -> None:
    for _ in range(times):
        function()


def height(x: Tensor) -> Tensor:
    """A scalar of any vector, for torch and for our engine alike."""
    return ((x * x + 1.0).log() * x.tanh()).sum()


def modes(library: str, inputs: int, rounds: int) -> Comparison:
    """The gradient of a scalar function of so many inputs, by one backward pass and by a forward pass for each."""
    point = np.random.default_rng(1).standard_normal(inputs)
    if library == "torch":
        x, basis = torch.from_numpy(point), torch.eye(inputs, dtype=torch.float64)
        leaf = x.clone().requires_grad_()

        def reverse() -> object:
            return torch.autograd.grad(height(leaf), leaf)

        def forward() -> list[Tensor]:
            return [torch.func.jvp(height, (x,), (row,))[1] for row in basis]

        def forward_at_once() -> Tensor:
            return torch.func.jacfwd(height)(x)

        peers = {"forward, one by one": forward, "forward, all at once (vmap)": forward_at_once}
    else:
        ours, rows = autograd.tensor(point), [autograd.tensor(row) for row in np.eye(inputs)]

        leaf = ours.detach().requires_grad_()

        def reverse() -> object:
            return autograd.grad(height(leaf), leaf)

        peers = {"forward, one by one": lambda: [autograd.jvp(height, (ours,), (row,))[1] for row in rows]}
    times = max(8, 256 // inputs)  # so that a measured run is long enough for the clock
    many = {name: partial(repeat, function, times) for name, function in peers.items()}
    title = f"{library}, {inputs} input{'s' if inputs > 1 else ''}, {times} gradients"
    return compare(title, ("reverse", partial(repeat, reverse, times)), many, rounds)


def run(rounds: int) -> list[Comparison]:
    """Both questions, for each library."""
    return [
        *(elementwise(library, numbers, rounds) for library in ("NumPy", "torch") for numbers in NUMBERS),
        *(modes(library, inputs, rounds) for library in ("torch", "fathom.autograd") for inputs in INPUTS),
    ]
