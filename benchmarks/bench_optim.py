"""A step of every update rule over ResNet-18's 11.7 million parameters, float32: ours beside torch.optim's.

The shapes are those of the published architecture (62 tensors). *one by one* changes a tensor after the other, torch
with `foreach=False`; *all at once* changes the whole list with each operation, torch with `foreach=True`. torch has no
Yogi, LARS or LAMB: there its Adam or SGD stands beside. Every contender has parameters, gradients and state of its own.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from benchmarks.harness import Comparison, compare
from fathom import optim

CHANNELS = (64, 128, 256, 512)
RULES: dict[str, dict[str, Any]] = {
    "sgd": {"weight_decay": 1e-4},
    "momentum": {"weight_decay": 1e-4},
    "nesterov": {"weight_decay": 1e-4},
    "adagrad": {},
    "rmsprop": {},
    "adadelta": {},
    "adam": {},
    "amsgrad": {},
    "adamw": {"weight_decay": 1e-2},
    "yogi": {},
    "lars": {"weight_decay": 1e-4},
    "lamb": {"weight_decay": 1e-2},
}
STAND_INS = {"yogi": "adam", "lars": "momentum", "lamb": "adamw"}


def shapes() -> list[tuple[int, ...]]:
    """Every parameter of ResNet-18 (He et al. 2016, table 1): convolutions without bias, each with two for its norm."""

    def convolution(out: int, into: int, kernel: int) -> list[tuple[int, ...]]:
        return [(out, into, kernel, kernel), (out,), (out,)]

    found = convolution(64, 3, 7)
    into = 64
    for out in CHANNELS:
        found += convolution(out, into, 3) + convolution(out, out, 3)
        found += convolution(out, into, 1) if out != into else []
        found += convolution(out, out, 3) * 2
        into = out
    return [*found, (1000, 512), (1000,)]


def contender(name: str, rung: str, foreach: bool, device: str) -> Callable[[], object]:
    """A step with gradients that stay as they are."""
    generator = torch.Generator().manual_seed(0)
    parameters = []
    for shape in shapes():
        parameter = nn.Parameter(0.05 * torch.randn(shape, generator=generator).to(device))
        parameter.grad = 1e-3 * torch.randn(shape, generator=generator).to(device)
        parameters.append(parameter)
    optimizer = optim.create(name, parameters, 1e-4, rung=rung, foreach=foreach, **RULES[name])
    return partial(finished, optimizer.step, device)


def finished(step: Callable[[], object], device: str) -> None:
    step()
    if device != "cpu":
        torch.accelerator.synchronize()


def run(rounds: int) -> list[Comparison]:
    """Both ways of every rule; FATHOM_BENCH_OPTIM names some, FATHOM_BENCH_DEVICE another device than the CPU."""
    device = os.environ.get("FATHOM_BENCH_DEVICE", "cpu")
    names = os.environ.get("FATHOM_BENCH_OPTIM", ",".join(RULES)).split(",")
    comparisons = []
    for name in names:
        for way, foreach in (("one by one", False), ("all at once", True)):
            other = STAND_INS.get(name, name)
            peers = {f"torch's {other}": contender(other, "torch", foreach, device)}
            mine = contender(name, "scratch", foreach, device)
            comparisons.append(compare(f"{name}, {way}", ("fathom", mine), peers, rounds))
    return comparisons
