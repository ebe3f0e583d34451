"""A training step (forward, backward, SGD) at batch 256: layers from bare tensor operations beside torch.nn's.

Memory is what the process grows by, at its peak, in its first whole step, each rung in a process of its own.
"""

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from benchmarks.harness import Comparison, compare
from fathom import layers, models

BATCH = 256
STATUS = Path("/proc/self/status")  # Linux; elsewhere only times are compared
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


def growth(model_name: str, rung: str) -> int:
    """Kilobytes between the memory held before the step and its peak; to be called in a fresh process."""
    torch.set_num_threads(1)
    step = stepper(model_name, rung)
    step(2)  # what is loaded and made once
    before = _kilobytes("VmRSS")
    step(BATCH)
    return _kilobytes("VmHWM") - before


def _kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))


def _growth_apart(model_name: str, rung: str) -> int:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(growth, model_name, rung).result()


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
        if STATUS.is_file():
            ours, theirs = (_growth_apart(name, rung) / 1024 for rung in ("scratch", "torch"))
            title += f", memory {ours:.1f} MiB beside {theirs:.1f}"
        peers = {"torch.nn": _several(name, "torch")}
        comparisons.append(compare(title, ("fathom.layers", _several(name, "scratch")), peers, rounds))
    return comparisons
