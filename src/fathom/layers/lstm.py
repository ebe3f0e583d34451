"""Long short-term memory."""

from torch import Tensor

from fathom.errors import InputError
from fathom.layers.recurrent import Cell, Recurrent, State, Weights, as_state
from fathom.ops.linear import linear
from fathom.ops.recurrence import lstm_step
from fathom.ops.sequences import lstm


class LSTM(Recurrent):
    """c' = f c + i g, h' = o tanh(c'): a cell state that the gates forget (f), write to (i) and read (o).

    Twin: `torch.nn.LSTM`. Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; Dive into
    Deep Learning, "Long Short-Term Memory".

    Args:
        input_size: features of the input.
        hidden_size: features of both states. `weight_ih_l0` is `(4 * hidden_size, input_size)` in the order i, f, g, o,
            `weight_hh_l0` `(4 * hidden_size, hidden_size)`, both biases `(4 * hidden_size,)`; the names of other layers
            end in `_l1` and so on, those of the way back in `_reverse`.
        num_layers: each above the first takes the outputs of the one below.
        bias: whether there are biases.
        batch_first: `(batch, steps, features)` in place of `(steps, batch, features)`; states stay as they are.
        dropout: `0 <= p <= 1`, of the outputs of all layers but the last.
        bidirectional: a second recurrence runs from the last step to the first; outputs of both stand side by side.
        proj_size: 0; torch's projected LSTM is not here.
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
        proj_size: int = 0,
    ) -> None:
        if proj_size:
            raise InputError(f"proj_size: expected 0, got {proj_size}; put a Linear after the LSTM")
        super().__init__(4, 2, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """All outputs, and the last hidden and cell state of each layer and direction.

        Args:
            input: `(steps, batch, input_size)`, or `(steps, input_size)` without a batch.
            hx: the hidden and the cell state, both `(num_layers * directions, batch, hidden_size)`; zeros if not given.

        Returns:
            `(steps, batch, directions * hidden_size)`, and two states like `hx`.
        """
        outputs, (h, c) = self.run(input, as_state(hx, 2))
        return outputs, (h, c)

    def sequence(self, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, State]:
        """All outputs `(steps, batch, hidden_size)` and the last states of one layer in one direction."""
        outputs, h, c = lstm(x, state[0], state[1], *weights)
        return outputs, (h, c)


class LSTMCell(Cell):
    """One step of an `LSTM`.

    Twin: `torch.nn.LSTMCell`. Source: as `LSTM`.

    Args:
        input_size: features of the input; `weight_ih` is `(4 * hidden_size, input_size)`.
        hidden_size: features of both states; `weight_hh` is `(4 * hidden_size, hidden_size)`, both biases
            `(4 * hidden_size,)`.
        bias: whether there are biases.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__(4, 2, input_size, hidden_size, bias)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Map `(batch, input_size)` and two `(batch, hidden_size)` to the next states; zeros before the first."""
        h, c = self.run(input, as_state(hx, 2))
        return h, c

    def step(self, x: Tensor, state: State) -> State:
        """The next states of `(batch, input_size)` and two of `(batch, hidden_size)`."""
        h, c = state
        return lstm_step(linear(x, self.weight_ih, self.bias_ih), h, c, self.weight_hh, self.bias_hh)
