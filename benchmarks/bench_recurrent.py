"""Forward and backward of recurrent layers at batch 32, 35 steps and 256 features in and out, in float32.

`one Function` is what `fathom.layers` runs: a whole sequence as one operation whose derivative is written by hand.
`steps` is the same layer step by step, autograd recording each. `torch.nn` is torch's own layer, on the CPU oneDNN's
fused kernels for the LSTM. With FATHOM_BENCH_COMPILE=1 `compiled`, the steps under `torch.compile`, takes part too;
compiling takes minutes.
"""

import os
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.harness import Comparison, compare
from fathom.ops import recurrence, sequences

BATCH, STEPS, HIDDEN = 32, 35, 256
LAYERS = {"RNN": ("rnn", 1), "GRU": ("gru", 1), "LSTM": ("lstm", 2)}  # the function, how many states


def training(run: Callable[[Tensor], tuple], x: Tensor, parameters: list[Tensor]) -> Callable[[], object]:
    def step() -> None:
        for tensor in (x, *parameters):
            tensor.grad = None
        run(x)[0].square().sum().backward()

    return step


def run(rounds: int) -> list[Comparison]:
    """Each layer against torch's and against its plain steps, all with the same weights."""
    comparisons = []
    for name, (function, states) in LAYERS.items():
        torch.manual_seed(0)
        layer = getattr(nn, name)(HIDDEN, HIDDEN)
        parameters = list(layer.parameters())
        x = torch.randn(STEPS, BATCH, HIDDEN, requires_grad=True)
        start = [torch.zeros(BATCH, HIDDEN) for _ in range(states)]
        one, steps = getattr(sequences, function), getattr(recurrence, f"{function}_by_steps")
        contenders = {
            "torch.nn": layer,
            "steps": lambda x, steps=steps, start=start, parameters=parameters: steps(x, *start, *parameters),
        }
        if os.environ.get("FATHOM_BENCH_COMPILE") == "1":
            compiled = torch.compile(steps)
            contenders["compiled"] = lambda x, run=compiled, start=start, weights=parameters: run(x, *start, *weights)
        ours = training(lambda x, one=one, start=start, weights=parameters: one(x, *start, *weights), x, parameters)
        peers = {peer: training(contender, x, parameters) for peer, contender in contenders.items()}
        comparisons.append(compare(f"{name}, training", ("one Function", ours), peers, rounds))
    return comparisons
