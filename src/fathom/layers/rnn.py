"""The plain recurrent layer."""

from torch import Tensor

from fathom.layers.recurrent import Cell, Recurrent, State, Weights, as_state
from fathom.ops.linear import linear
from fathom.ops.recurrence import rnn_step
from fathom.ops.sequences import rnn
from fathom.registry import unknown

NONLINEARITIES = ("tanh", "relu")


class RNN(Recurrent):
    """h' = tanh(W x + b + U h + c), step by step, or ReLU of it.

    Twin: `torch.nn.RNN`. Source: Elman 1990; Dive into Deep Learning, "Recurrent Neural Networks".

    Args:
        input_size: features of the input.
        hidden_size: features of the hidden state. `weight_ih_l0` is `(hidden_size, input_size)`, `weight_hh_l0`
            `(hidden_size, hidden_size)`, both biases `(hidden_size,)`; the names of other layers end in `_l1` and so
            on, those of the way back in `_reverse`.
        num_layers: each above the first takes the outputs of the one below.
        nonlinearity: `"tanh"` or `"relu"`.
        bias: whether there are biases.
        batch_first: `(batch, steps, features)` in place of `(steps, batch, features)`; states stay as they are.
        dropout: `0 <= p <= 1`, of the outputs of all layers but the last.
        bidirectional: a second recurrence runs from the last step to the first; outputs of both stand side by side.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        _check(nonlinearity)
        super().__init__(1, 1, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        self.nonlinearity = nonlinearity

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
        outputs, last = rnn(x, state[0], *weights, self.nonlinearity)
        return outputs, (last,)


class RNNCell(Cell):
    """One step of an `RNN`.

    Twin: `torch.nn.RNNCell`. Source: as `RNN`.

    Args:
        input_size: features of the input; `weight_ih` is `(hidden_size, input_size)`.
        hidden_size: features of the hidden state; `weight_hh` is `(hidden_size, hidden_size)`, both biases
            `(hidden_size,)`.
        bias: whether there are biases.
        nonlinearity: `"tanh"` or `"relu"`.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh") -> None:
        _check(nonlinearity)
        super().__init__(1, 1, input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Map `(batch, input_size)` and `(batch, hidden_size)` to the next hidden state; zeros before the first."""
        return self.run(input, as_state(hx, 1))[0]

    def step(self, x: Tensor, state: State) -> State:
        """The next state of `(batch, input_size)` and `(batch, hidden_size)`."""
        product = linear(x, self.weight_ih, self.bias_ih)
        return (rnn_step(product, state[0], self.weight_hh, self.bias_hh, self.nonlinearity),)


def _check(nonlinearity: str) -> None:
    """UnknownNameError unless it is one of `NONLINEARITIES`."""
    if nonlinearity not in NONLINEARITIES:
        raise unknown("nonlinearity", nonlinearity, NONLINEARITIES)
