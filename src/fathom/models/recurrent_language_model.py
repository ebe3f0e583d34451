"""A recurrent language model: what comes next, from all that came before.

Source: Dive into Deep Learning, "Recurrent Neural Networks" and "Modern Recurrent Neural Networks".

    tokens (batch, steps)
      ── one-hot, or Embedding ──> (batch, steps, vocab_size or embedding_size)
      ── RNN, GRU or LSTM ──> (batch, steps, hidden_size)      the state goes on to the next call
      ── Linear ──> (batch, steps, vocab_size) logits
"""

from typing import Any

import torch

from fathom.errors import InputError
from fathom.models.model import Model
from fathom.models.parts import at_least
from fathom.registry import unknown

NAMES = ("recurrent_language_model",)
CELLS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}


class RecurrentLanguageModel(Model):
    """Tokens to logits of the token after each, with a state that is handed on.

    Args:
        vocab_size: how many tokens there are.
        cell: `rnn`, `gru` or `lstm`.
        hidden_size: units of each layer's state.
        num_layers: layers on top of each other.
        embedding_size: features of a token; 0 gives each its one-hot vector.
        dropout: probability `0 <= p < 1` between layers.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, or a dropout that is no probability.
    """

    def __init__(
        self,
        vocab_size: int,
        cell: str = "rnn",
        hidden_size: int = 256,
        num_layers: int = 1,
        embedding_size: int = 0,
        dropout: float = 0.0,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, vocab_size=vocab_size, hidden_size=hidden_size, num_layers=num_layers)
        at_least(0, embedding_size=embedding_size)
        if cell not in CELLS:
            raise unknown("cell", cell, CELLS)
        if not 0 <= dropout < 1:
            raise InputError(f"dropout: expected a probability 0 <= p < 1, got {dropout}")
        if embedding_size:
            self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.vocab_size, self.embedding_size = vocab_size, embedding_size
        recurrent = getattr(nn, CELLS[cell])
        between = dropout if num_layers > 1 else 0.0  # torch warns of a dropout that would act nowhere
        self.recurrent = recurrent(
            embedding_size or vocab_size, hidden_size, num_layers=num_layers, dropout=between, batch_first=True
        )
        self.output = nn.Linear(hidden_size, vocab_size)

    def forward(self, tokens: Any, state: Any = None) -> tuple[Any, Any]:
        """Map `(batch, steps)` of int to logits `(batch, steps, vocab_size)` and the state after the last step.

        Args:
            tokens: numbers from 0 to `vocab_size - 1`.
            state: `(num_layers, batch, hidden_size)`, for the LSTM a pair of them; None starts with zeros.
        """
        x, state = self.recurrent(self._features(tokens), state)
        return self.output(x), state

    def _features(self, tokens: Any) -> Any:
        if self.embedding_size:
            return self.embedding(tokens)
        return self.nn.functional.one_hot(tokens, self.vocab_size).to(self.output.weight.dtype)


recurrent_language_model = RecurrentLanguageModel
