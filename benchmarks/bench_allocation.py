"""A training step of the book's networks on large pictures, in a process that keeps its memory, as `fathom train` does,
and in one with glibc's defaults."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from benchmarks.harness import Comparison, compare

NETWORKS = {
    "vgg11": (32, {"variant": "book", "ratio": 4}),
    "alexnet": (64, {"variant": "book"}),
    "nin": (32, {}),
    "lenet": (256, {}),
}
"""Pictures a step, and arguments; each as large as the book has them."""
STEP = """
import sys
keep, threads, name, size, batch, arguments = *map(eval, sys.argv[1:3]), sys.argv[3], *map(eval, sys.argv[4:])
if keep:
    from fathom.cli.process import keep_memory
    keep_memory()
import torch
from fathom import models
torch.set_num_threads(threads)
model = models.create(name, **arguments).to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.rand(batch, 1, size, size).contiguous(memory_format=torch.channels_last), torch.randint(10, (batch,))
for line in sys.stdin:
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    print("done", flush=True)
"""


@contextmanager
def stepper(keep: bool, name: str) -> Iterator[Callable[[], object]]:
    """A process that makes one step each time it is asked."""
    batch, changes = NETWORKS[name]
    size = 28 if name == "lenet" else 224
    arguments = {} if name == "lenet" else {"in_channels": 1, "num_classes": 10, **changes}
    words = [str(keep), str(torch.get_num_threads()), name, str(size), str(batch), repr(arguments)]
    with subprocess.Popen(
        [sys.executable, "-c", STEP, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answer = process.stdin, process.stdout

        def step() -> object:
            print("step", file=ask, flush=True)
            return answer.readline()

        try:
            yield step
        finally:
            ask.close()


def run(rounds: int) -> list[Comparison]:
    """Compare steps in processes that take turns."""
    found = []
    for name in NETWORKS:
        with stepper(True, name) as ours, stepper(False, name) as plain:
            found.append(compare(f"a step of {name}", ("memory kept", ours), {"glibc's defaults": plain}, rounds))
    return found
