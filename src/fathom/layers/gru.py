"""Gated recurrent units."""

from torch import Tensor

from fathom.layers.recurrent import Cell, Recurrent, State, Weights, as_state
from fathom.ops.linear import linear
from fathom.ops.recurrence import gru_by_steps, gru_step
from fathom.ops.sequences import gru


class GRU(Recurrent):
    """h' = (1 - z) n + z h: the update gate z mixes the last state with the candidate n, which the reset gate r cuts.

    Twin: `torch.nn.GRU`. Source: Cho et al. 2014, arXiv 1406.1078; Dive into Deep Learning, "Gated Recurrent Units".
    By default the reset comes after the matmul, n = tanh(W x + b + r (U h + c)), for that is the twin's form;
    `reset_after=False` is the paper's and the book's, n = tanh(W x + b + U (r h) + c).

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden state. `weight_ih_l0` is `(3 * hidden_size, input_size)` in the order r, z,
            n, `weight_hh_l0` `(3 * hidden_size, hidden_size)`, both biases `(3 * hidden_size,)`; the names of other
            layers end in `_l1` and so on, those of the way back in `_reverse`.
        num_layers: each above the first takes the outputs of the one below.
        bias: whether there are biases.
        batch_first: `(batch, steps, features)` in place of `(steps, batch, features)`; states stay as they are.
        dropout: `0 <= p <= 1`, of the outputs of all layers but the last.
        bidirectional: a second recurrence runs from the last step to the first; outputs of both stand side by side.
        reset_after: where the reset gate acts, as above.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        reset_after: bool = True,
    ) -> None:
        super().__init__(3, 1, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        self.reset_after = reset_after

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All outputs, and the last hidden state of each layer and direction.

        Args:
            input: `(steps, batch, input_size)`, or `(steps, input_size)` without a batch.
            hx: `(num_layers * directions, batch, hidden_size)`; zeros if not given.

        Returns:
            `(steps, batch, directions * hidden_size)`, and the shape of `hx`.
        """
        outputs, (h,) = self.run(input, as_state(hx, 1))
        return outputs, h

    def sequence(self, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, State]:
        """All outputs `(steps, batch, hidden_size)` and the last state of one layer in one direction."""
        if self.reset_after:
            outputs, last = gru(x, state[0], *weights)
        else:
            outputs, last = gru_by_steps(x, state[0], *weights, reset_after=False)
        return outputs, (last,)


class GRUCell(Cell):
    """One step of a `GRU`.

    Twin: `torch.nn.GRUCell`. Source: as `GRU`.

    Args:
        input_size: features of the input; `weight_ih` is `(3 * hidden_size, input_size)`.
        hidden_size: features of the hidden state; `weight_hh` is `(3 * hidden_size, hidden_size)`, both biases
            `(3 * hidden_size,)`.
        bias: whether there are biases.
        reset_after: where the reset gate acts, as in `GRU`.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, *, reset_after: bool = True) -> None:
        super().__init__(3, 1, input_size, hidden_size, bias)
        self.reset_after = reset_after

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Map `(batch, input_size)` and `(batch, hidden_size)` to the next hidden state; zeros before the first."""
        return self.run(input, as_state(hx, 1))[0]

    def step(self, x: Tensor, state: State) -> State:
        """The next state of `(batch, input_size)` and `(batch, hidden_size)`."""
        product = linear(x, self.weight_ih, self.bias_ih)
        return (gru_step(product, state[0], self.weight_hh, self.bias_hh, self.reset_after),)
