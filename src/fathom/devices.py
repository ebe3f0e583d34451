"""Which device computes, with how many threads, and what the machine is called."""

import platform
from collections.abc import Callable

import torch

from fathom.errors import DeviceError

KINDS = ("cuda", "xpu", "mps", "cpu")  # in order of preference


def available() -> list[str]:
    """The kinds of device that this machine has, best first; `cpu` is always the last."""
    checks: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "xpu": lambda: hasattr(torch, "xpu") and torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    return [kind for kind in KINDS if checks[kind]()]


def choose(wish: str = "auto") -> torch.device:
    """The device that `wish` names: `auto` (the best there is), a kind, or a kind with an index (`cuda:1`).

    Raises:
        DeviceError: there is no such device here.
    """
    here = available()
    if wish == "auto":
        return torch.device(here[0])
    kind, _, index = wish.partition(":")
    if kind not in KINDS or (index and not index.isdecimal()):
        raise DeviceError(
            f"unknown device {wish!r}; expected auto, {', '.join(KINDS)}, or one with its number, as cuda:0"
        )
    if kind not in here:
        raise DeviceError(f"no {kind} device here, only {', '.join(here)}; leave --device out to take {here[0]}")
    count = getattr(torch, kind).device_count() if kind != "cpu" else 1
    if index and int(index) >= count:
        raise DeviceError(f"no device {wish!r}: this machine has {count} of kind {kind}, numbered from 0")
    return torch.device(wish)


def describe(device: torch.device) -> str:
    """The device in words: `cuda:0 (NVIDIA H200)`, `cpu (x86_64, 2 threads)`."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"
    return str(device)


def use_threads(count: int) -> int:
    """Make torch compute with `count` threads (0 leaves its choice) and return how many it uses now."""
    if count:
        torch.set_num_threads(count)
    return torch.get_num_threads()
