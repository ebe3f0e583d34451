"""What holds while code runs: is the graph recorded, is a trace taken, are NaNs looked for. One set a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from types import TracebackType
from typing import Any


class _State(threading.local):
    recording = True  # do operations on tensors that require gradients leave a node?
    anomaly = False  # is every result searched for NaN?
    level = 0  # how many `jvp` calls we are inside of
    tracer: Callable[..., None] | None = None  # called after every operation with what went in and came out


STATE = _State()


class _GradMode(ContextDecorator):
    recording: bool

    def __init__(self) -> None:
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(STATE.recording)
        STATE.recording = self.recording

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        STATE.recording = self._before.pop()


class no_grad(_GradMode):
    """Context or decorator inside which operations leave no graph. Twin: `torch.no_grad`."""

    recording = False


class enable_grad(_GradMode):
    """Context or decorator that records again inside `no_grad`. Twin: `torch.enable_grad`."""

    recording = True


def is_grad_enabled() -> bool:
    """Do operations leave a graph here?"""
    return STATE.recording


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Look for NaN in every result, forward and backward, inside this context.

    Raises:
        AnomalyError: names the first operation that made a NaN, its input shapes, and for a backward pass the line that
            called its forward.
    """
    before, STATE.anomaly = STATE.anomaly, True
    try:
        yield
    finally:
        STATE.anomaly = before


@contextmanager
def changed(**values: Any) -> Iterator[None]:
    """Some of the state, set for a while."""
    before = {name: getattr(STATE, name) for name in values}
    vars(STATE).update(values)
    try:
        yield
    finally:
        vars(STATE).update(before)
