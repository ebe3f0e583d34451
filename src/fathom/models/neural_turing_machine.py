"""A neural Turing machine: a small network that reads from and writes to a memory beside it, by weights over its rows.

Source: Graves, Wayne and Danihelka 2014, arXiv 1410.5401.

    x_t (batch, in_features) ─┬─> controller (LSTM or one tanh layer) ──> h_t (batch, hidden_size)
    reads_(t-1) ──────────────┘        │
                                       ├─ heads ──> weights over the rows of the memory, (batch, heads, rows)
                                       ├─ write heads: memory_t = memory_(t-1) (1 - w e) + w a
                                       └─ read heads: reads_t = w memory_t
    y_t = Linear(h_t, reads_t), (batch, out_features)

The number of rows is no property of the weights: it may grow from one call to the next. A machine that goes by place
does not mind; one that goes by content looks less sharply, as every empty row takes a share of the softmax.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from fathom.errors import ShapeError
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice
from fathom.ops import addressing

NAMES = ("neural_turing_machine",)
CONTROLLERS = ("feed-forward", "lstm")
FIRST = 1e-6  # what fills the memory at first: Collier and Beel 2018, arXiv 1807.08518, section 4.1


class State(NamedTuple):
    """What goes on from step to step.

    Args:
        memory: `(batch, rows, width)`.
        weights: `(batch, heads, rows)`, the read heads before the write heads; each row sums to 1.
        reads: `(batch, read_heads * width)`.
        controller: the LSTM's two states, `(batch, hidden_size)` each; empty for a feed-forward controller.
    """

    memory: Any
    weights: Any
    reads: Any
    controller: tuple[Any, ...] = ()


class Look(NamedTuple):
    """How the heads came to their weights at one step.

    Args:
        content: `(batch, heads, rows)`, where the content pointed to.
        gates: `(batch, heads, 1)` in 0–1: 1 goes by the content, 0 on from the weights before.
        weights: `(batch, heads, rows)`, where they looked in the end.
    """

    content: Any
    gates: Any
    weights: Any


class NeuralTuringMachine(Model):
    """Rows of numbers to numbers at each step, by way of a memory.

    Args:
        in_features: numbers at each step.
        out_features: numbers that come out at each step.
        controller: `feed-forward` or `lstm`.
        hidden_size: units of the controller.
        rows: rows of the memory, unless the call says otherwise.
        width: numbers in a row.
        read_heads, write_heads: how many of each.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, fewer than 3 rows, or no such controller.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        controller: str = "lstm",
        hidden_size: int = 100,
        rows: int = 128,
        width: int = 20,
        read_heads: int = 1,
        write_heads: int = 1,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, in_features=in_features, out_features=out_features, hidden_size=hidden_size, width=width)
        at_least(1, read_heads=read_heads, write_heads=write_heads)
        at_least(3, rows=rows)
        check_choice("controller", controller, CONTROLLERS)
        self.rows, self.width, self.read_heads, self.write_heads = rows, width, read_heads, write_heads
        given = in_features + read_heads * width
        self.lstm = controller == "lstm"
        self.controller = nn.LSTMCell(given, hidden_size) if self.lstm else nn.Linear(given, hidden_size)
        # key, strength, gate, three shifts and power of every head; what each write head erases and adds
        self.heads = nn.Linear(hidden_size, (read_heads + write_heads) * (width + 6) + write_heads * 2 * width)
        self.output = nn.Linear(hidden_size + read_heads * width, out_features)
        self.in_features, self.hidden_size = in_features, hidden_size

    def first_state(self, x: Any, rows: int = 0) -> State:
        """An empty memory with all heads at its first row, for sequences `x` `(batch, steps, in_features)`."""
        batch, rows = len(x), rows or self.rows
        weights = x.new_zeros(batch, self.read_heads + self.write_heads, rows)
        weights[..., 0] = 1.0
        hidden = (x.new_zeros(batch, self.hidden_size), x.new_zeros(batch, self.hidden_size)) if self.lstm else ()
        memory = x.new_full((batch, rows, self.width), FIRST)
        return State(memory, weights, x.new_zeros(batch, self.read_heads * self.width), hidden)

    def example(self) -> tuple[Tensor, ...]:
        """Inputs of one example, of the usual shape."""
        return (torch.zeros(1, 35, self.in_features),)

    def forward(self, x: Any, state: State | None = None, rows: int = 0) -> tuple[Any, State]:
        """Map `(batch, steps, in_features)` to `(batch, steps, out_features)` and the state after the last step.

        Args:
            x: the sequences.
            state: where to go on from; None starts with an empty memory.
            rows: of an empty memory; 0 is the model's own number.

        Raises:
            ShapeError: `x` is not of that shape, or the state is of another batch.
            InputError: the state's weights are no probabilities.
        """
        outputs, state, _ = self.trace(x, state, rows)
        return outputs, state

    def trace(self, x: Any, state: State | None = None, rows: int = 0) -> tuple[Any, State, list[Look]]:
        """`forward`, and where the heads looked at each step."""
        if x.dim() != 3 or x.shape[1] == 0:
            raise ShapeError(f"x: expected sequences (batch, steps, features) of a step or more, got {tuple(x.shape)}")
        if state is None:
            state = self.first_state(x, rows)
        else:
            self._check(x, state)
        hidden, looks = [], []
        for step in x.unbind(1):
            out, state, look = self._step(step, state)
            hidden.append(torch.cat([out, state.reads], dim=1))
            looks.append(look)
        return self.output(torch.stack(hidden, dim=1)), state, looks

    def _check(self, x: Any, state: State) -> None:
        heads = self.read_heads + self.write_heads
        expected = len(x), heads, state.memory.shape[1]
        if state.weights.shape != expected:
            raise ShapeError(f"state: expected weights {expected}, got {tuple(state.weights.shape)}")
        addressing.check_probabilities("state: weights", state.weights)

    def _step(self, x: Any, state: State) -> tuple[Any, State, Look]:
        given = torch.cat([x, state.reads], dim=1)
        controller: tuple[Any, ...] = ()
        if self.lstm:
            controller = self.controller(given, state.controller)
            out = controller[0]
        else:
            out = self.controller(given).tanh()
        numbers = self.heads(out)
        heads, writers = self.read_heads + self.write_heads, self.write_heads
        places, changes = numbers.split((heads * (self.width + 6), writers * 2 * self.width), dim=1)
        look = self._look(places.unflatten(1, (heads, -1)), state)
        erase, add = changes.unflatten(1, (writers, -1)).chunk(2, dim=2)
        memory = addressing.written(state.memory, look.weights[:, self.read_heads :], erase.sigmoid(), add)
        reads = (look.weights[:, : self.read_heads] @ memory).flatten(1)
        return out, State(memory, look.weights, reads, controller), look

    def _look(self, numbers: Any, state: State) -> Look:
        """Where every head looks next, from its `(batch, heads, width + 6)` numbers."""
        keys, positive, gates, shifts = numbers.split((self.width, 2, 1, 3), dim=2)
        strengths, powers = self.nn.functional.softplus(positive).chunk(2, dim=2)
        content, gates = addressing.content_weights(keys, strengths, state.memory), gates.sigmoid()
        weights = addressing.located(content, state.weights, gates, shifts.softmax(dim=2), 1 + powers)
        return Look(content, gates, weights)


neural_turing_machine = NeuralTuringMachine
