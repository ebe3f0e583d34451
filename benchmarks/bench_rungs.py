"""A training step (forward, backward, SGD) at batch 256: layers from bare tensor operations beside torch.nn's.

Memory is what the process grows by, at its peak, in its first whole step, each rung in a process of its own.
"""

from collections.abc import Callable

import torch

from benchmarks.harness import Comparison, compare
from benchmarks.memory import growth_apart, measurable
from fathom import layers, models

BATCH = 256
STEPS = {"lenet": 1, "mlp": 10}  # in one measurement, so that it lasts tens of milliseconds


def stepper(model_name: str, rung: str) -> Callable[[int], None]:
    torch.manual_seed(0)
    x, y = torch.rand(BATCH, 1, 28, 28), torch.randint(10, (BATCH,))
    model, loss = models.on_rung(model_name, rung), layers.namespace(rung).CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def step(examples: int) -> None:
        optimizer.zero_grad()
        loss(model(x[:examples]), y[:examples]).backward()
        optimizer.step()

    return step


def first_step(model_name: str, rung: str) -> Callable[[], None]:
    step = stepper(model_name, rung)
    step(2)  # what is loaded and made once
    return lambda: step(BATCH)


def _several(model_name: str, rung: str) -> Callable[[], None]:
    step = stepper(model_name, rung)

    def steps() -> None:
        for _ in range(STEPS[model_name]):
            step(BATCH)

    return steps


def run(rounds: int) -> list[Comparison]:
    comparisons = []
    for name, steps in STEPS.items():
        title = f"{name}, {steps} step{'s' if steps > 1 else ''}"
        if measurable():
            ours, theirs = (growth_apart(first_step, name, rung) for rung in ("scratch", "torch"))
            title += f", memory {ours:.1f} MiB beside {theirs:.1f}"
        peers = {"torch.nn": _several(name, "torch")}
        comparisons.append(compare(title, ("fathom.layers", _several(name, "scratch")), peers, rounds))
    return comparisons
