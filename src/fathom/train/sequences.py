"""Recurrent models in the loop: a state that goes on from batch to batch, without its gradient; perplexity."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from fathom import autograd
from fathom.train.events import Progress


class Carried:
    """A recurrent model that is called with the state that its last call left behind.

    Tokens `(batch, steps)` go in, logits `(batch * steps, vocab)` come out, in the order of `target.flatten()`. It is
    `Stateful`, so that a training that was killed within an epoch goes on to the same bits, and a listener: an epoch
    begins without a state.

    Args:
        model: maps `(tokens, state)` to `(logits, state)`; of any rung.
        carry: False begins each call without a state, for windows in random order.

    Source: Dive into Deep Learning, "Implementation of Recurrent Neural Networks from Scratch": partitioning in
    sequence, the gradient cut between batches.
    """

    def __init__(self, model: Any, carry: bool = True) -> None:
        self.model, self.carry = model, carry
        self.state: Any = None

    def __call__(self, tokens: Any) -> Any:
        """The logits of the tokens after these."""
        if not self.carry:
            return self.model(tokens, None)[0].flatten(0, 1)
        logits, state = self.model(tokens, self.state)
        self.state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        return logits.flatten(0, 1)

    @property
    def training(self) -> bool:
        """The model's mode."""
        return bool(self.model.training)

    def train(self, mode: bool = True) -> "Carried":
        """Set the model's mode."""
        self.model.train(mode)
        return self

    def eval(self) -> "Carried":
        """`train(False)`."""
        return self.train(False)

    def parameters(self) -> Any:
        """The model's parameters."""
        return self.model.parameters()

    def step(self, progress: Progress) -> None:
        """The state goes on."""

    def epoch(self, progress: Progress) -> None:
        """Forget the state."""
        self.state = None

    def end(self, progress: Progress) -> None:
        """Nothing is left to do."""

    def state_dict(self) -> dict[str, Any]:
        """The carried tensors, none at an epoch's beginning."""
        if self.state is None or not self.carry:
            return {"carried": []}
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        return {"carried": [part if isinstance(part, torch.Tensor) else part.numpy() for part in parts]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave, on the model's device."""
        parameter = next(iter(self.model.parameters()))
        parts: list[Any] = list(state["carried"])
        if isinstance(parameter, torch.Tensor):
            parts = [torch.as_tensor(part, device=parameter.device) for part in parts]
        else:
            parts = [autograd.tensor(part) for part in parts]
        self.state = (parts[0] if len(parts) == 1 else tuple(parts)) if parts else None


class Perplexity:
    """Adds `train_perplexity` and `test_perplexity`, exp of the losses in nats a token, to each epoch's record."""

    def step(self, progress: Progress) -> None:
        """Only epochs count."""

    def epoch(self, progress: Progress) -> None:
        """Amend the record."""
        record = progress.history[-1]
        for split in ("train", "test"):
            if f"{split}_loss" in record:
                record[f"{split}_perplexity"] = math.exp(min(record[f"{split}_loss"], 700.0))

    def end(self, progress: Progress) -> None:
        """Nothing is left to do."""
