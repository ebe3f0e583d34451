"""One step of a recurrent layer, and the loop over all steps.

The product of the weights with the input does not depend on the step before: it is one matmul for all steps, made
before the loop. The gates of a step are blocks of `hidden_size` rows in the weights, so one matmul serves them all.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from fathom.ops.activations import relu, sigmoid, tanh
from fathom.ops.linear import linear

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], State]


def rnn_step(
    product: Tensor, h: Tensor, weight_hh: Tensor, bias_hh: Tensor | None = None, nonlinearity: str = "tanh"
) -> Tensor:
    """The next hidden state, h' = tanh(product + U h + c), or ReLU of it.

    Args:
        product: `(batch, hidden_size)`, what the input adds: W x + b.
        h: `(batch, hidden_size)`.
        weight_hh: U, `(hidden_size, hidden_size)`.
        bias_hh: c, `(hidden_size,)`.
        nonlinearity: `"tanh"` or `"relu"`.

    Source: Elman 1990; Dive into Deep Learning, "Recurrent Neural Networks".
    """
    total = product + linear(h, weight_hh, bias_hh)
    return tanh(total) if nonlinearity == "tanh" else relu(total)


def gru_step(
    product: Tensor, h: Tensor, weight_hh: Tensor, bias_hh: Tensor | None = None, reset_after: bool = True
) -> Tensor:
    """The next hidden state, h' = (1 - z) n + z h, with the reset gate r, the update gate z and the candidate n.

    Args:
        product: `(batch, 3 * hidden_size)`, what the input adds to r, z and n, in this order.
        h: `(batch, hidden_size)`.
        weight_hh: `(3 * hidden_size, hidden_size)`.
        bias_hh: `(3 * hidden_size,)`.
        reset_after: if true, n = tanh(product + r (U h + c)), torch's form, in which one matmul serves all gates; else
            the paper's and the book's, n = tanh(product + U (r h) + c).

    Source: Cho et al. 2014, arXiv 1406.1078, equations 5 to 8; Dive into Deep Learning, "Gated Recurrent Units".
    """
    size = h.shape[-1]
    if reset_after:
        recurrent = linear(h, weight_hh, bias_hh)
        reset, update = sigmoid(product[..., : 2 * size] + recurrent[..., : 2 * size]).chunk(2, dim=-1)
        candidate = tanh(product[..., 2 * size :] + reset * recurrent[..., 2 * size :])
    else:
        gate_bias, candidate_bias = (None, None) if bias_hh is None else bias_hh.split((2 * size, size))
        gate_weight, candidate_weight = weight_hh.split((2 * size, size))
        gates = sigmoid(product[..., : 2 * size] + linear(h, gate_weight, gate_bias))
        reset, update = gates.chunk(2, dim=-1)
        candidate = tanh(product[..., 2 * size :] + linear(reset * h, candidate_weight, candidate_bias))
    return candidate + update * (h - candidate)


def lstm_step(
    product: Tensor, h: Tensor, c: Tensor, weight_hh: Tensor, bias_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The next hidden and cell state: c' = f c + i g, h' = o tanh(c'), with the gates i, f, o and the candidate g.

    Args:
        product: `(batch, 4 * hidden_size)`, what the input adds to i, f, g and o, in this order.
        h: `(batch, hidden_size)`.
        c: `(batch, hidden_size)`.
        weight_hh: `(4 * hidden_size, hidden_size)`.
        bias_hh: `(4 * hidden_size,)`.

    Source: Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000; Dive into Deep Learning, "Long
    Short-Term Memory".
    """
    i, f, g, o = (product + linear(h, weight_hh, bias_hh)).chunk(4, dim=-1)
    cell = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(cell), cell


def unroll(step: Step, products: Tensor, state: State) -> tuple[Tensor, State]:
    """Go through all steps, autograd recording each.

    Args:
        step: `(product, state)` to the next state, whose first tensor is the output.
        products: `(steps, batch, gates * hidden_size)`.
        state: tensors `(batch, hidden_size)`.

    Returns:
        The outputs, `(steps, batch, hidden_size)`, and the last state.
    """
    outputs = []
    for product in products.unbind(0):
        state = step(product, state)
        outputs.append(state[0])
    return torch.stack(outputs), state


def rnn_by_steps(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    nonlinearity: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """All outputs `(steps, batch, hidden_size)` and the last state of `rnn_step` from `h` on.

    Args:
        x: `(steps, batch, input_size)`.
        h: `(batch, hidden_size)`.
        weight_ih: W, `(hidden_size, input_size)`.
        weight_hh: as in `rnn_step`; so are the others.
        bias_ih: b, `(hidden_size,)`.
    """

    def step(product: Tensor, state: State) -> State:
        return (rnn_step(product, state[0], weight_hh, bias_hh, nonlinearity),)

    outputs, (last,) = unroll(step, linear(x, weight_ih, bias_ih), (h,))
    return outputs, last


def gru_by_steps(
    x: Tensor,
    h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    reset_after: bool = True,
) -> tuple[Tensor, Tensor]:
    """All outputs `(steps, batch, hidden_size)` and the last state of `gru_step` from `h` on.

    Args:
        x: `(steps, batch, input_size)`.
        h: `(batch, hidden_size)`.
        weight_ih: `(3 * hidden_size, input_size)`.
        weight_hh: as in `gru_step`; so are the others.
        bias_ih: `(3 * hidden_size,)`.
    """

    def step(product: Tensor, state: State) -> State:
        return (gru_step(product, state[0], weight_hh, bias_hh, reset_after),)

    outputs, (last,) = unroll(step, linear(x, weight_ih, bias_ih), (h,))
    return outputs, last


def lstm_by_steps(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """All outputs `(steps, batch, hidden_size)` and the last two states of `lstm_step` from `h` and `c` on.

    Args:
        x: `(steps, batch, input_size)`.
        h: `(batch, hidden_size)`.
        c: `(batch, hidden_size)`.
        weight_ih: `(4 * hidden_size, input_size)`.
        weight_hh: as in `lstm_step`; so are the others.
        bias_ih: `(4 * hidden_size,)`.
    """

    def step(product: Tensor, state: State) -> State:
        return lstm_step(product, state[0], state[1], weight_hh, bias_hh)

    outputs, (last, cell) = unroll(step, linear(x, weight_ih, bias_ih), (h, c))
    return outputs, last, cell
