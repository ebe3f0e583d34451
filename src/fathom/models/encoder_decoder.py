"""What a model that turns one sequence into another offers: to training the whole, to a search one step further."""

from typing import Any

import torch
from torch import Tensor

from fathom.models.model import Model


class EncoderDecoder(Model):
    """An encoder that reads the source, and a decoder that writes the target from what the encoder made of it.

    A state is a nest of tensors whose first axis counts the rows, so that `ops.nests.pick` can take rows of it. What no
    step changes is in an `ops.nests.Fixed`.

    Source: Cho et al. 2014, arXiv 1406.1078; Dive into Deep Learning, "The Encoder-Decoder Architecture".
    """

    def encode(self, source: Tensor, source_length: Tensor) -> Any:
        """The state before the first target token.

        Args:
            source: `(batch, source steps)` of int; what stands behind a row's length changes nothing.
            source_length: `(batch,)` of int, from 1.
        """
        raise NotImplementedError

    def decode(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits `(batch, steps, vocab)` of the token after each of `tokens` `(batch, steps)`, and the state then."""
        raise NotImplementedError

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one example, of the usual shape."""
        return (torch.zeros(1, 35, dtype=torch.long), torch.full((1,), 35), torch.zeros(1, 35, dtype=torch.long))

    def forward(self, source: Tensor, source_length: Tensor, given: Tensor) -> Tensor:
        """Logits `(batch * steps, vocab)` under a teacher.

        Args:
            source, source_length: as of `encode`.
            given: `(batch, steps)` of int, the target one step late, `<bos>` first.
        """
        logits, _ = self.decode(given, self.encode(source, source_length))
        return logits.flatten(0, 1)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """A `decoding.Step`: logits `(batch, vocab)` of the token after the last, and the state."""
        logits, state = self.decode(tokens, state)
        return logits[:, -1], state
