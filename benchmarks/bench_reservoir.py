"""An echo state net of 1,000 units with a read-out by ridge regression, in float32, beside loops as commonly written.

`dense NumPy` keeps the recurrent weights dense, 4 MB that are read anew in each step, and all states for the end.
`sparse SciPy` has them as sparse rows, one in a hundred there, and also keeps all states. `reservoirpy` takes part
where it is installed. `python -m benchmarks.bench_reservoir` runs 100,000 steps once and prints seconds and memory.
"""

import importlib.util
import resource
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.harness import Comparison, compare
from fathom import models
from fathom.recipes.common.reservoir import ReservoirConfig, Solving

UNITS, DENSITY, PENALTY, WASHOUT, STEPS = 1000, 0.01, 1e-4, 100, 4000
Fit = Callable[[], object]


def reservoir() -> torch.nn.Module:
    torch.manual_seed(0)
    return models.create("echo_state_network", hidden_size=UNITS, density=DENSITY, spectral_radius=0.9)


def series(steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    values = torch.sin(0.2 * torch.arange(steps + 1)) + 0.1 * torch.randn(steps + 1)
    return values[:-1, None], values[1:, None]


def ours(net: torch.nn.Module, steps: int, block: int = 1000) -> Fit:
    x, y = series(steps)
    config = ReservoirConfig(
        hidden_size=UNITS, washout=WASHOUT, penalty=PENALTY, solver="sums", states="float32", batch_size=block
    )

    def fit() -> torch.Tensor:
        step = Solving(net, config, outputs=1)
        for batch in zip(x.split(block), y.split(block), strict=True):
            step(batch)
        step.solve()
        return net.readout.weight

    return fit


def by_numpy(net: torch.nn.Module, steps: int, sparse: bool) -> Fit:
    x, y = (part.numpy() for part in series(steps))
    recurrent, entering = net.recurrent.numpy(), net.input_weight.numpy()[:, 0]
    bias = net.bias.numpy()[:, 0]
    if sparse:
        from scipy.sparse import csr_array

        recurrent = csr_array(recurrent)

    def fit() -> np.ndarray:
        states = np.empty((steps, UNITS + 2), dtype=np.float32)
        states[:, UNITS], states[:, UNITS + 1] = x[:, 0], 1.0
        h = np.zeros(UNITS, dtype=np.float32)
        for t in range(steps):
            h = np.tanh(recurrent @ h + entering * x[t, 0] + bias)
            states[t, :UNITS] = h
        used = states[WASHOUT:]
        gram = used.T @ used + PENALTY * np.eye(UNITS + 2, dtype=np.float32)
        return np.linalg.solve(gram.astype(np.float64), (used.T @ y[WASHOUT:]).astype(np.float64))

    return fit


def by_reservoirpy(steps: int) -> Fit:
    from reservoirpy.nodes import Reservoir, Ridge

    x, y = (part.numpy() for part in series(steps))
    net = Reservoir(UNITS, lr=1.0, sr=0.9, rc_connectivity=DENSITY, seed=0) >> Ridge(ridge=PENALTY)
    return lambda: net.fit(x, y, warmup=WASHOUT)


def run(rounds: int) -> list[Comparison]:
    net = reservoir()
    peers = {"dense NumPy": by_numpy(net, STEPS, sparse=False)}
    if importlib.util.find_spec("scipy"):
        peers["sparse SciPy"] = by_numpy(net, STEPS, sparse=True)
    if importlib.util.find_spec("reservoirpy"):
        peers["reservoirpy"] = by_reservoirpy(STEPS)
    return [compare(f"ESN of {UNITS} units, {STEPS:,} steps", ("fathom", ours(net, STEPS)), peers, min(rounds, 3))]


def main(steps: int = 100_000) -> None:
    net = reservoir()
    fit = ours(net, steps)
    start, busy = time.perf_counter(), time.process_time()
    fit()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{steps:,} steps of {UNITS} units, float32, with read-out: {seconds:.1f} s, of the processor {busy:.1f} s")
    print(f"{torch.get_num_threads()} threads; at most {memory:.2f} GiB in all")


if __name__ == "__main__":
    main()
