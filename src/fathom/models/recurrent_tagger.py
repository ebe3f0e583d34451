"""A recurrent net that says something at each step of a sequence, of what came before or of both sides.

Source: Dive into Deep Learning, "Bidirectional Recurrent Neural Networks", and, going one way, "Sequence Models".

    (batch, steps, in_features)
      ── RNN, GRU or LSTM, forth and, if asked, back ──> (batch, steps, directions * hidden_size)
      ── Linear ──> (batch, steps, num_classes)
"""

from typing import Any

import torch

from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice
from fathom.models.recurrent_language_model import CELLS

NAMES = ("recurrent_tagger",)


class RecurrentTagger(Model):
    """Rows of numbers to numbers at each step.

    Args:
        in_features: numbers at each step.
        num_classes: numbers that come out at each step.
        cell: `rnn`, `gru` or `lstm`.
        hidden_size: units of each layer in each direction.
        num_layers: layers on top of each other.
        bidirectional: a second recurrence goes from the last step to the first, so that every step sees all of them.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, or no such cell.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        cell: str = "gru",
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = False,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_features=in_features, num_classes=num_classes, hidden_size=hidden_size, num_layers=num_layers)
        check_choice("cell", cell, list(CELLS))
        self.recurrent = getattr(nn, CELLS[cell])(
            in_features, hidden_size, num_layers=num_layers, batch_first=True, bidirectional=bidirectional
        )
        self.output = nn.Linear(hidden_size * (2 if bidirectional else 1), num_classes)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Map `(batch, steps, in_features)` to `(batch, steps, num_classes)` and the state after the last step.

        Args:
            x: the sequences.
            state: `(num_layers * directions, batch, hidden_size)`, for the LSTM a pair; None starts with zeros.
        """
        x, state = self.recurrent(x, state)
        return self.output(x), state


recurrent_tagger = RecurrentTagger
