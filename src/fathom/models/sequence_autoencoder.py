"""A recurrent encoder and decoder between which there is one vector of fixed size, or all of the encoder's states.

Source: Cho et al. 2014, arXiv 1406.1078, and Sutskever, Vinyals and Le 2014, arXiv 1409.3215, for the fixed vector;
Luong, Pham and Manning 2015, arXiv 1508.04025, section 3.1, for the attention; Goodfellow, Bengio and Courville 2016,
section 10.4.

    tokens ── GRU ──> its last state ── Linear ──> context (batch, context_size)
    tokens before each step, and the context at every step ── GRU ──> states [+ attention to the encoder's] ──> logits
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from fathom.models.model import Model
from fathom.models.parts import at_least
from fathom.ops.attention import scaled_dot_product_attention

NAMES = ("sequence_autoencoder",)


class SequenceAutoencoder(Model):
    """Sequences through a vector and back.

    A row of tokens is a sequence and behind it the end, which has the number `vocab_size`, at every place that is left.

    Args:
        vocab_size: how many symbols there are, without the end.
        context_size: numbers in the vector.
        hidden_size: units of encoder and decoder.
        attention: whether the decoder also looks at all states of the encoder.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1.
    """

    def __init__(
        self,
        vocab_size: int,
        context_size: int = 16,
        hidden_size: int = 64,
        attention: bool = False,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, vocab_size=vocab_size, context_size=context_size, hidden_size=hidden_size)
        self.vocab_size, self.attention = vocab_size, attention
        self.encoder = nn.GRU(vocab_size, hidden_size, batch_first=True)
        self.context = nn.Linear(hidden_size, context_size)
        self.decoder = nn.GRU(vocab_size + context_size, hidden_size, batch_first=True)
        if attention:
            self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.output = nn.Linear(hidden_size * (2 if attention else 1), vocab_size + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map `(batch, steps)` of int to logits `(batch, steps, vocab_size + 1)` under a teacher: of each token given
        the context and the right tokens before it.
        """
        context, seen, there = self.encode(tokens)
        before = self._one_hot(pad(tokens, (1, 0), value=self.vocab_size)[:, :-1])
        return self._decode(before, None, context, seen, there)[0]

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The context `(batch, context_size)`, the encoder's states, and at which steps of those there was a symbol.

        Sequences are read such that all end at the last step.
        """
        lengths = (tokens != self.vocab_size).sum(dim=1, keepdim=True)
        places = torch.arange(tokens.shape[1], device=tokens.device) + lengths - tokens.shape[1]
        read = tokens.gather(1, places.clamp_min(0)).masked_fill(places < 0, self.vocab_size)
        states, _ = self.encoder(self._one_hot(read))
        return self.context(states[:, -1]), states, places >= 0

    @torch.no_grad()
    def reproduce(self, tokens: Tensor) -> Tensor:
        """What the decoder makes of the context by itself, always taking the likeliest: `(batch, steps)` of int."""
        context, seen, there = self.encode(tokens)
        token, state, said = torch.full_like(tokens[:, :1], self.vocab_size), None, []
        for _ in range(tokens.shape[1]):
            logits, state = self._decode(self._one_hot(token), state, context, seen, there)
            token = logits.argmax(dim=2)
            said.append(token)
        return torch.cat(said, dim=1)

    def _decode(self, before: Tensor, state: Any, context: Tensor, seen: Tensor, there: Tensor) -> tuple[Tensor, Any]:
        given = context[:, None].expand(-1, before.shape[1], -1)
        states, state = self.decoder(torch.cat([before, given], dim=2), state)
        if self.attention:
            found = scaled_dot_product_attention(self.query(states), seen, seen, there[:, None])
            states = torch.cat([states, found], dim=2)
        return self.output(states), state

    def _one_hot(self, tokens: Tensor) -> Tensor:
        """One-hot vectors of symbols, zeros for the end."""
        return one_hot(tokens, self.vocab_size + 1)[..., :-1].to(self.output.weight.dtype)


sequence_autoencoder = SequenceAutoencoder
