"""The loop."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, Protocol

from torch import Tensor

from fathom.errors import DivergedError, SaveError, Stopped
from fathom.train.events import Listener, Progress, Stateful

CHECK_EVERY = 50  # steps between looks at a loss that lives on an accelerator, each of which waits for it

Step = Callable[[Any], Mapping[str, float | Tensor]]
"""Trains on one batch and gives the batch's means by name, `loss` among them."""


class Epochs(Protocol):
    """Batches that can be gone through again and again; see `fathom.data.Batches`."""

    def __iter__(self) -> Iterator[Any]:
        """The batches of an epoch that are still to come."""

    def __len__(self) -> int:
        """Batches in a whole epoch."""


def fit(
    step: Step,
    batches: Epochs,
    *,
    epochs: int,
    state: dict[str, Stateful],
    evaluate: Callable[[], Mapping[str, float]] | None = None,
    listeners: Sequence[Listener] = (),
) -> Progress:
    """Train until `epochs` epochs are done, from wherever `state` stands.

    Args:
        step: trains on one batch, as `supervised` builds it.
        batches: gives tuples of tensors whose first axis counts the examples.
        epochs: how many epochs there shall be in all, earlier sittings included.
        state: all that changes. `progress` is added if it is not there; a checkpoint that has been loaded into
            these objects is where the training goes on.
        evaluate: called after each epoch; what it gives joins the epoch's record (`test_accuracy`, …).
        listeners: hear of every step, in this order.

    Returns:
        The progress, with one record an epoch in `history`.

    Raises:
        DivergedError: a loss that is NaN or infinite.
        Stopped: SIGINT or SIGTERM came; the step was finished first and listeners have been told.
    """
    progress = state.setdefault("progress", Progress())
    assert isinstance(progress, Progress)
    progress.epochs, progress.steps_per_epoch, progress.status = epochs, len(batches), "running"
    clock = time.perf_counter() - progress.seconds
    status = "failed"
    try:
        with _signals() as received:
            while progress.epoch < epochs and not progress.enough:
                for batch in batches:
                    values = step(batch)
                    progress.step += 1
                    progress.examples += len(batch[0])
                    progress.running.update(values, len(batch[0]))
                    loss = values["loss"]
                    if (isinstance(loss, float) or progress.step % CHECK_EVERY == 0) and not math.isfinite(loss):
                        raise _diverged(float(loss), progress, state)
                    progress.seconds = time.perf_counter() - clock
                    for listener in listeners:
                        listener.step(progress)
                    if received:
                        break
                if not received:
                    measured = evaluate() if evaluate else {}
                    if math.isnan(measured.get("test_loss", 0.0)):  # the last update alone may have spoilt the model
                        raise _diverged(measured["test_loss"], progress, state)
                    _end_epoch(progress, measured)
                    progress.seconds = time.perf_counter() - clock
                    for listener in listeners:
                        listener.epoch(progress)
                if received:
                    status = "stopped"
                    raise Stopped(f"stopped by {signal.Signals(received[0]).name}", received[0])
        status = "finished"
    finally:
        progress.status = status
        with contextlib.suppress(*((SaveError, OSError) if status == "failed" else ())):  # the first error tells more
            _tell_the_end(listeners, progress)
    return progress


def _end_epoch(progress: Progress, measured: Mapping[str, float]) -> None:
    means = {f"train_{name}": value for name, value in progress.running.means().items()}
    progress.running.reset()
    progress.epoch += 1
    progress.history.append({"epoch": progress.epoch, **means, **measured})


def _tell_the_end(listeners: Iterable[Listener], progress: Progress) -> None:
    with contextlib.ExitStack() as stack:  # each hears of it, even if the one before raised
        for listener in reversed(list(listeners)):
            stack.callback(listener.end, progress)


def _diverged(loss: float, progress: Progress, state: Mapping[str, Any]) -> DivergedError:
    named = [
        (name, parameter)
        for thing in state.values()
        if hasattr(thing, "named_parameters")
        for name, parameter in thing.named_parameters()
    ]
    broken = [name for name, parameter in named if not bool(parameter.isfinite().all())]
    where = f"not finite: {', '.join(broken[:4])}" if broken else "all parameters are still finite"
    if len(broken) > 4:
        where += f" and {len(broken) - 4} more"
    return DivergedError(
        f"the loss became {loss} at step {progress.step} (epoch {progress.epoch + 1}); {where}; "
        "lower the learning rate, clip the gradient or look at the data"
    )


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM in a list instead of dying of them; a second SIGINT does interrupt."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def receive(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
