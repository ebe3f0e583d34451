"""A neural programmer-interpreter: one recurrent net that runs every program, by what it sees and which one it runs.

Source: Reed and de Freitas 2016, arXiv 1511.06279, section 3.

    digits (batch, steps, 4) ── one-hot, Linear, ReLU, Linear ──> s (batch, steps, state_size)
    program (batch, steps) ── Embedding ──> p (batch, steps, program_size)
    s, p ── LSTM ──> h ─┬─ Linear ──> the call ends
                        ├─ Linear ── times the programs' keys ──> which program next
                        └─ Linear ──> which action, and with which value
"""

from typing import Any

import torch
from torch import Tensor

from fathom.errors import ShapeError
from fathom.models.model import Model, concatenate
from fathom.models.parts import at_least

NAMES = ("programmer_interpreter",)


class ProgrammerInterpreter(Model):
    """What a call has seen so far to what it does next.

    Args:
        programs: how many there are.
        vocab_size: how many symbols a cell may show.
        cells: that are seen at once.
        actions, values: how many of each.
        hidden_size: units of the LSTM.
        state_size: features of what is seen.
        program_size: features of a program.
        key_size: features by which the next program is looked up.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1.
    """

    def __init__(
        self,
        programs: int = 5,
        vocab_size: int = 11,
        cells: int = 4,
        actions: int = 7,
        values: int = 12,
        hidden_size: int = 64,
        state_size: int = 64,
        program_size: int = 16,
        key_size: int = 8,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, programs=programs, vocab_size=vocab_size, cells=cells, actions=actions, values=values)
        at_least(1, hidden_size=hidden_size, state_size=state_size, program_size=program_size, key_size=key_size)
        self.vocab_size, self.cells, self.sizes = vocab_size, cells, (1, programs, actions, values)
        self.state = nn.Sequential(
            nn.Linear(cells * vocab_size, state_size), nn.ReLU(), nn.Linear(state_size, state_size)
        )
        self.program = nn.Embedding(programs, program_size)
        self.keys = nn.Embedding(programs, key_size)
        self.recurrent = nn.LSTM(state_size + program_size, hidden_size, batch_first=True)
        self.end = nn.Linear(hidden_size, 1)
        self.key = nn.Linear(hidden_size, key_size)
        self.arguments = nn.Linear(hidden_size, actions + values)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one example, of the usual shape."""
        return (torch.zeros(1, 35, self.cells + 1, dtype=torch.long),)

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Map `(batch, steps, cells + 1)` to `(batch, steps, 1 + programs + actions + values)` logits and the state.

        Args:
            x: of int, what each cell shows and, last, which program was called.
            state: a pair `(1, batch, hidden_size)`; None begins a call.

        Raises:
            ShapeError: another number of cells.
        """
        if x.dim() != 3 or x.shape[2] != self.cells + 1:
            expected = f"(batch, steps, {self.cells + 1}), the cells and the program"
            raise ShapeError(f"x: expected {expected}, got {tuple(x.shape)}")
        shown = self.nn.functional.one_hot(x[..., :-1], self.vocab_size).to(self.end.weight.dtype).flatten(2)
        hidden, state = self.recurrent(concatenate([self.state(shown), self.program(x[..., -1])], 2), state)
        next_program = self.key(hidden) @ self.keys.weight.T
        return concatenate([self.end(hidden), next_program, self.arguments(hidden)], 2), state


programmer_interpreter = ProgrammerInterpreter
