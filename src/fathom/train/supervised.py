"""The usual step: predict, compare, differentiate, update."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from fathom.metrics import Running
from fathom.optim import Schedule, clip_grad_norm_, clip_grad_value_

Measure = Callable[[Tensor, Tensor], Tensor]
"""`(outputs, target)` to the batch's mean, a scalar."""

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """A context in which matrix products run in `precision`: `fp32`, `bf16` or `fp16`."""
    dtype = PRECISIONS[precision]
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


class Supervised:
    """A step over `(input, …, target)` batches; what `supervised` gives. It is `Stateful`."""

    def __init__(
        self,
        model: Callable[..., Tensor],
        loss: Measure,
        optimizer: torch.optim.Optimizer,
        *,
        clip: float = 0.0,
        clip_value: float = 0.0,
        schedule: Schedule | None = None,
        precision: str = "fp32",
        accumulate: int = 1,
        measures: Mapping[str, Measure] | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.clip, self.clip_value, self.schedule = clip, clip_value, schedule
        self.precision, self.accumulate = precision, accumulate
        self.measures = dict(measures or {})
        self.updates = 0
        self.parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.device = self.parameters[0].device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        self._plain = clip == clip_value == 0 and schedule is None and precision == "fp32" and accumulate == 1

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update the model from one batch and give its mean loss and measures, taken before the update."""
        self.optimizer.zero_grad()
        if self._plain:
            values = self._forward_backward(batch, 1.0)
            self.optimizer.step()
        else:
            values = self._accumulated(batch)
            self._update()
        self.updates += 1
        return values

    def _forward_backward(self, batch: tuple[Tensor, ...], share: float) -> dict[str, float | Tensor]:
        *inputs, target = batch
        with autocast(self.precision, self.device):
            outputs = self.model(*inputs)
            loss = self.loss(outputs, target)
        self.scaler.scale(loss if share == 1.0 else loss * share).backward()
        values = {"loss": loss.detach()}
        with torch.no_grad():
            for name, measure in self.measures.items():
                values[name] = measure(outputs, target)
        if self.device.type == "cpu":  # elsewhere the numbers stay on the device, so that it need not be waited for
            return {name: value.item() for name, value in values.items()}
        return dict(values)

    def _accumulated(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        examples = len(batch[0])
        parts = zip(*(tensor.chunk(self.accumulate) for tensor in batch), strict=True)
        running = Running()
        for part in parts:
            running.update(self._forward_backward(part, len(part[0]) / examples), len(part[0]))
        return dict(running.means())

    def _update(self) -> None:
        if self.schedule is not None:
            factor = self.schedule(self.updates)
            for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = base * factor
        if self.clip or self.clip_value:
            self.scaler.unscale_(self.optimizer)
        if self.clip_value:
            clip_grad_value_(self.parameters, self.clip_value)
        if self.clip:
            clip_grad_norm_(self.parameters, self.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The update count and the loss scale."""
        return {"updates": self.updates, "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.updates = int(state["updates"])
        if state["scaler"]:
            self.scaler.load_state_dict(dict(state["scaler"]))


def supervised(
    model: Callable[..., Tensor],
    loss: Measure,
    optimizer: torch.optim.Optimizer,
    *,
    clip: float = 0.0,
    clip_value: float = 0.0,
    schedule: Schedule | None = None,
    precision: str = "fp32",
    accumulate: int = 1,
    measures: Mapping[str, Measure] | None = None,
) -> Supervised:
    """The step that `fit` needs to train `model` on `(input, …, target)` batches.

    Args:
        model: maps the inputs of a batch to outputs; may be compiled.
        loss: maps `(outputs, target)` to a scalar, the batch's mean.
        optimizer: over the model's parameters.
        clip: the gradient's global norm is brought down to this; 0 leaves it alone.
        clip_value: each number of the gradient is brought into ± this, before `clip`; 0 leaves it alone.
        schedule: updates done to a factor on each group's learning rate; None leaves the rates alone.
        precision: `fp32`, `bf16`, or `fp16` with a loss scale that adapts itself.
        accumulate: a batch goes through the model in so many parts, with one update from all of them together.
        measures: further numbers about a batch by name (`accuracy`).
    """
    return Supervised(
        model,
        loss,
        optimizer,
        clip=clip,
        clip_value=clip_value,
        schedule=schedule,
        precision=precision,
        accumulate=accumulate,
        measures=measures,
    )


def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, ...]],
    measures: Mapping[str, Measure],
    *,
    prefix: str = "test_",
    precision: str = "fp32",
) -> dict[str, float]:
    """Means of `measures` over all examples of `batches`, the model in evaluation mode; its mode is put back after.

    Returns:
        One float a measure, under `prefix` and its name.
    """
    running, was_training = Running(), model.training
    model.eval()
    try:
        with torch.inference_mode():
            for *inputs, target in batches:
                with autocast(precision, target.device):
                    outputs = model(*inputs)
                    values = {name: measure(outputs, target) for name, measure in measures.items()}
                running.update(values, len(target))
    finally:
        model.train(was_training)
    return {f"{prefix}{name}": value for name, value in running.means().items()}
