"""Rung numpy in the loop: the step and the model of our own engine, behind the faces that rung torch has."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from fathom import autograd
from fathom import optim as rules
from fathom.autograd import nn, optim
from fathom.errors import InputError
from fathom.metrics import Running
from fathom.optim import Schedule
from fathom.train.shared_memory import SharedMemory
from fathom.train.supervised import Measure

OWN = {rules.SGD: optim.SGD, rules.Adam: optim.Adam}
"""Our rules that the engine has of its own."""


def optimizer(name: str, model: Any, lr: float, **options: Any) -> Any:
    """The optimiser called `name` over the model's parameters, as of `fathom.optim.create`.

    It is the engine's own where that has all the options asked for, else ours on the same memory.
    """
    rule, chosen = rules.resolve(name, lr, rung="scratch", **options)
    own = OWN.get(rule)
    if own is not None and chosen.keys() <= inspect.signature(own).parameters.keys():
        return own(model.parameters(), lr=lr, **chosen)
    return SharedMemory(model.parameters(), lambda views: rule(views, lr=lr, **chosen))


class EngineModel:
    """A model on the engine that takes and gives torch tensors, for whoever only wants its answers."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.training = True

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the model says, without a gradient."""
        with autograd.no_grad():
            return torch.from_numpy(self.model(*map(_to_engine, inputs)).numpy())

    def train(self, mode: bool = True) -> "EngineModel":
        """Switch dropout and running statistics on or off."""
        self.model.train(mode)
        self.training = mode
        return self

    def eval(self) -> "EngineModel":
        """`train(False)`."""
        return self.train(False)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Names and torch tensors over the same memory."""
        for name, parameter in self.model.named_parameters():
            yield name, torch.from_numpy(parameter.detach().numpy())

    def parameters(self) -> Iterator[Tensor]:
        """The tensors of `named_parameters`."""
        for _, parameter in self.named_parameters():
            yield parameter

    def buffers(self) -> Iterator[Tensor]:
        """Torch tensors over the memory of the running statistics."""
        for buffer in self.model.buffers():
            yield torch.from_numpy(buffer.detach().numpy())

    def modules(self) -> Iterator[Any]:
        """The engine's layers."""
        yield from self.model.modules()

    def state_dict(self) -> dict[str, Any]:
        """Arrays by torch's names."""
        return dict(self.model.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.model.load_state_dict(state)


class EngineStep:
    """As `Supervised`, on the engine: predict, compare, differentiate, update. It is `Stateful`."""

    def __init__(
        self,
        model: Any,
        loss: Callable[[Any, Any], Any],
        optimizer: Any,
        *,
        clip: float = 0.0,
        clip_value: float = 0.0,
        schedule: Schedule | None = None,
        accumulate: int = 1,
        measures: Mapping[str, Measure] | None = None,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.clip, self.clip_value, self.schedule = clip, clip_value, schedule
        self.accumulate, self.measures = accumulate, dict(measures or {})
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.updates = 0

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update the model from one batch and give its mean loss and measures, taken before the update."""
        self.optimizer.zero_grad()
        running, examples = Running(), len(batch[0])
        for part in zip(*(tensor.chunk(self.accumulate) for tensor in batch), strict=True):
            running.update(self._forward_backward(part, len(part[0]) / examples), len(part[0]))
        if self.schedule is not None:
            factor = self.schedule(self.updates)
            for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = base * factor
        if self.clip_value:
            nn.clip_grad_value_(self.model.parameters(), self.clip_value)
        if self.clip:
            nn.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        self.updates += 1
        return dict(running.means())

    def _forward_backward(self, batch: tuple[Tensor, ...], share: float) -> dict[str, float]:
        *inputs, target = batch
        outputs = self.model(*map(_to_engine, inputs))
        loss = self.loss(outputs, _to_engine(target))
        (loss if share == 1.0 else loss * share).backward()
        answers = torch.from_numpy(outputs.detach().numpy())
        return {
            "loss": float(loss.item()),
            **{name: float(measure(answers, target)) for name, measure in self.measures.items()},
        }

    def state_dict(self) -> dict[str, Any]:
        """The update count, and the state of the engine's generator."""
        return {"updates": self.updates, "generator": autograd.default_generator().bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.updates = int(state["updates"])
        autograd.default_generator().bit_generator.state = state["generator"]


def on_torch(loss: Callable[[Any, Any], Any]) -> Measure:
    """A loss of the engine as a measure over torch tensors, without a gradient."""

    def measure(outputs: Tensor, target: Tensor) -> Tensor:
        with autograd.no_grad():
            return torch.tensor(float(loss(_to_engine(outputs), _to_engine(target)).item()), dtype=torch.float64)

    return measure


def check(precision: str, device: str, compile: bool, channels_last: bool) -> None:
    """InputError if something is asked for that NumPy can't do."""
    for flag, value, wanted in (
        ("precision", precision, "fp32"),
        ("device", device, "cpu"),
        ("compile", compile, False),
        ("channels-last", channels_last, False),
    ):
        if value != wanted:
            raise InputError(f"--{flag}: rung numpy computes with NumPy, expected {wanted}, got {value}; leave it out")


def _to_engine(tensor: Tensor) -> Any:
    return autograd.from_numpy(tensor.numpy())
