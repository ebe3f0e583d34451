"""How much memory one call takes at its peak, in a process of its own; on Linux."""

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def measurable() -> bool:
    """Whether this system tells; elsewhere only times are compared."""
    return STATUS.is_file()


def growth_apart(measured: Callable[..., Callable[[], object]], *arguments: Any) -> float:
    """MiB between what a fresh process holds before a call and its peak in it.

    Args:
        measured: a function of a module; with the arguments it makes ready, in the fresh process, what is called.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_growth, measured, *arguments).result()


def _growth(measured: Callable[..., Callable[[], object]], *arguments: Any) -> float:
    import torch

    torch.set_num_threads(1)
    call = measured(*arguments)
    before = _kilobytes("VmRSS")
    call()
    return (_kilobytes("VmHWM") - before) / 1024


def _kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found.group(1))
