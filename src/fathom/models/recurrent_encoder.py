"""A recurrent net that reads rows of unequal length, each to its own end."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fathom.errors import InputError
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice

CELLS = {"gru": "GRU", "lstm": "LSTM"}


class RecurrentEncoder(Model):
    """Tokens to the outputs of all steps and the state behind each row's last.

    Args:
        vocab_size: how many tokens there are.
        embedding_size: features of a token.
        hidden_size: units of each layer; in both directions half of them each.
        num_layers: layers on top of each other.
        cell: `gru` or `lstm`.
        dropout: probability between layers.
        bidirectional: whether half of the units read from the end.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        cell: str = "gru",
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        check_sizes(cell, dropout, vocab_size, embedding_size, hidden_size, num_layers)
        if bidirectional and hidden_size % 2:
            raise InputError(f"hidden_size: expected an even number, half for each direction, got {hidden_size}")
        self.directions = 2 if bidirectional else 1
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.recurrent = getattr(nn, CELLS[cell])(
            embedding_size,
            hidden_size // self.directions,
            num_layers=num_layers,
            dropout=dropout if num_layers > 1 else 0.0,  # torch warns of a dropout that would act nowhere
            bidirectional=bidirectional,
            batch_first=True,
        )

    def forward(self, source: Tensor, source_length: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Outputs `(batch, steps, hidden_size)`, 0 behind a row's end, and states `(batch, num_layers, hidden_size)`.

        Args:
            source: `(batch, steps)` of int.
            source_length: `(batch,)` of int, from 1 to `steps`.

        Raises:
            InputError: a length is 0 or beyond the steps.
        """
        x, steps = self.embedding(source), source.shape[1]
        shortest, longest = (int(length) for length in source_length.aminmax())
        if shortest < 1 or longest > steps:
            got = longest if longest > steps else shortest
            raise InputError(f"source_length: expected 1 to {steps}, the steps of the source, got {got}")
        if shortest == steps:
            outputs, state = self.recurrent(x)
        else:
            packed = pack_padded_sequence(x, source_length.cpu(), batch_first=True, enforce_sorted=False)
            outputs, state = self.recurrent(packed)
            outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=steps)
        states = state if isinstance(state, tuple) else (state,)
        return outputs, tuple(self._by_row(tensor) for tensor in states)

    def _by_row(self, state: Tensor) -> Tensor:
        """`(num_layers * directions, batch, size)` as `(batch, num_layers, directions * size)`."""
        layers, batch, size = state.shape
        by_layer = state.view(layers // self.directions, self.directions, batch, size)
        return by_layer.permute(2, 0, 1, 3).flatten(2)


def check_sizes(cell: str, dropout: float, vocab_size: int, *sizes: int) -> None:
    """InputError unless the cell is known, the dropout a probability, and each size at least 1."""
    check_choice("cell", cell, list(CELLS))
    names = ("embedding_size", "hidden_size", "num_layers")
    at_least(1, vocab_size=vocab_size, **dict(zip(names, sizes, strict=False)))
    if not 0 <= dropout < 1:
        raise InputError(f"dropout: expected a probability 0 <= p < 1, got {dropout}")
