"""Scheduled sampling: a decoder that learns to go on from its own tokens, not from the right ones alone."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.train.events import Progress


class ScheduledSampling:
    """An encoder-decoder that in training is given, at each step, the right token or one of its own.

    A coin decides for each row and step; its own token is drawn from what it just said. The share of right tokens falls
    linearly over the training, from 1 to `teacher`. In evaluation it is the model under a teacher. It is a listener,
    which hears how far the training is, and `Stateful`. Randomness: torch's global generator.

    Args:
        model: has `encode`, `decode` and a forward, as `fathom.models.encoder_decoder` says.
        teacher: share of right tokens at the end, from 0 to 1; 1 is teacher forcing throughout.

    Raises:
        InputError: `teacher` is no share.

    Source: Bengio, Vinyals, Jaitly and Shazeer 2015, arXiv 1506.03099, section 2.4; their decay may also be exponential
    or an inverse sigmoid.
    """

    def __init__(self, model: Any, teacher: float) -> None:
        if not 0 <= teacher <= 1:
            raise InputError(f"teacher: expected a share from 0 to 1, got {teacher}")
        self.model, self.teacher, self.share = model, teacher, 1.0

    def __call__(self, source: Tensor, source_length: Tensor, given: Tensor) -> Tensor:
        """Logits `(batch * steps, vocab)`, as of the model's forward."""
        if not self.training or self.share == 1:
            return self.model(source, source_length, given)
        state = self.model.encode(source, source_length)
        token, said = given[:, :1], []
        for place in range(given.shape[1]):
            logits, state = self.model.decode(token, state)
            said.append(logits)
            if place + 1 < given.shape[1]:
                token = self._choose(given[:, place + 1], logits[:, 0])[:, None]
        return torch.cat(said, dim=1).flatten(0, 1)

    def _choose(self, right: Tensor, logits: Tensor) -> Tensor:
        """The right token of each row, or one drawn by its logits, `(batch,)`."""
        own = torch.multinomial(logits.detach().float().softmax(1), 1)[:, 0]
        return torch.where(torch.rand(len(right), device=right.device) < self.share, right, own)

    @property
    def training(self) -> bool:
        """The model's mode."""
        return bool(self.model.training)

    def train(self, mode: bool = True) -> "ScheduledSampling":
        """Set the model's mode."""
        self.model.train(mode)
        return self

    def eval(self) -> "ScheduledSampling":
        """`train(False)`."""
        return self.train(False)

    def step(self, progress: Progress) -> None:
        """Let the share fall."""
        done = progress.step / (progress.epochs * progress.steps_per_epoch)
        self.share = 1 - (1 - self.teacher) * min(done, 1.0)

    def epoch(self, progress: Progress) -> None:
        """Only steps count."""

    def end(self, progress: Progress) -> None:
        """Nothing is left to do."""

    def state_dict(self) -> dict[str, Any]:
        """The share."""
        return {"share": self.share}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.share = float(state["share"])
