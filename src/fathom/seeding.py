"""Seeds for Python, NumPy, torch and worker processes, and random states that can be saved and put back."""

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch (all devices).

    Args:
        seed: `0 <= seed < 2**32`, the range that NumPy takes.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (the global generator is what libraries draw from)
    torch.manual_seed(seed)


def seed_worker(worker_id: int) -> None:
    """Seed a DataLoader worker from torch's own per-worker seed; pass it as `worker_init_fn`."""
    seed = torch.initial_seed() % 2**32
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


def generator(seed: int, *stream: int) -> torch.Generator:
    """A CPU generator of its own for each `(seed, *stream)`, for instance one for each epoch.

    Streams are mixed by NumPy's SeedSequence, so neighbours are independent.
    """
    state = np.random.SeedSequence(seed, spawn_key=stream).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


class RandomStates:
    """The state of every global generator, as one thing to save (a `Stateful`)."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values; the accelerator's states are there when it is in use."""
        version, words, gauss = random.getstate()
        name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
        states: dict[str, Any] = {
            "python": {"words": torch.tensor(words), "rest": (version, gauss)},
            "numpy": {
                "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
                "rest": (str(name), int(position), int(has_gauss), float(cached)),
            },
            "torch": torch.get_rng_state(),
        }
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            states["cuda"] = torch.cuda.get_rng_state_all()
        return states

    def load_state_dict(self, states: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        version, gauss = states["python"]["rest"]
        random.setstate((version, tuple(states["python"]["words"].tolist()), gauss))
        name, position, has_gauss, cached = states["numpy"]["rest"]
        keys = states["numpy"]["keys"].numpy().astype(np.uint32)
        np.random.set_state((name, keys, position, has_gauss, cached))  # noqa: NPY002
        torch.set_rng_state(states["torch"])
        if "cuda" in states and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(states["cuda"])
