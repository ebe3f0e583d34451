"""A recurrence whose weights stay orthogonal, so that no step stretches or shrinks the state."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fathom.errors import InputError, ShapeError
from fathom.layers import init
from fathom.ops.linear import linear
from fathom.ops.recurrence import unroll


def mod_relu(x: Tensor, bias: Tensor) -> Tensor:
    """sign(x) · ReLU(|x| + bias), `(..., features)`; a negative bias `(features,)` makes a dead zone around 0.

    Source: Arjovsky, Shah and Bengio 2016, arXiv 1511.06464, equation 8, here of real numbers.
    """
    return x.sign() * (x.abs() + bias).relu()


class OrthogonalRNN(nn.Module):
    """h' = modReLU(W x + Q h), Q = exp(A) with A = -Aᵀ, of one layer, batch first.

    Whatever the optimiser does to the numbers in A, Q is orthogonal, and modReLU's slope is 0 or 1: a gradient that
    goes back through any number of steps never explodes, and vanishes only where a unit is 0.

    Source: Lezcano-Casado and Martínez-Rubio 2019, arXiv 1901.08428, section 3; the start of A from Henaff, Szlam and
    LeCun 2016, arXiv 1602.06662: turns of ±π in planes of two units each.

    Args:
        input_size: features of the input; `weight_ih` is `(hidden_size, input_size)`.
        hidden_size: features of the state, at least 2. `turns` is `(hidden_size * (hidden_size - 1) / 2,)`, the numbers
            of A above its diagonal; `bias` `(hidden_size,)` is modReLU's.
    """

    above: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        if hidden_size < 2:
            raise InputError(f"hidden_size: expected at least 2, a plane to turn in, got {hidden_size}")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = nn.Parameter(torch.empty(hidden_size, input_size))
        self.turns = nn.Parameter(torch.empty(hidden_size * (hidden_size - 1) // 2))
        self.bias = nn.Parameter(torch.empty(hidden_size))
        self.register_buffer("above", torch.triu_indices(hidden_size, hidden_size, 1), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights; biases 0, with which modReLU changes nothing."""
        init.kaiming_normal_(self.weight_ih, nonlinearity="linear")
        init.zeros_(self.bias)
        row, column = self.above
        in_plane = (column == row + 1) & (row % 2 == 0)
        with torch.no_grad():
            self.turns.zero_()
            self.turns[in_plane] = torch.empty(int(in_plane.sum())).uniform_(-math.pi, math.pi)

    @property
    def weight_hh(self) -> Tensor:
        """Q, `(hidden_size, hidden_size)`."""
        upper = self.turns.new_zeros(self.hidden_size, self.hidden_size).index_put(tuple(self.above), self.turns)
        return torch.linalg.matrix_exp(upper - upper.T)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All states, and the last.

        Args:
            input: `(batch, steps, input_size)`.
            hx: `(1, batch, hidden_size)`; zeros if not given.

        Returns:
            `(batch, steps, hidden_size)` and `(1, batch, hidden_size)`.
        """
        if input.dim() != 3 or input.shape[2] != self.input_size or not input.shape[1]:
            raise ShapeError(f"input: expected (batch, steps, {self.input_size}), got {tuple(input.shape)}")
        step = self.transition()
        start = input.new_zeros(len(input), self.hidden_size) if hx is None else hx[0]

        outputs, (last,) = unroll(
            lambda product, state: (step(product, state[0]),), linear(input, self.weight_ih).transpose(0, 1), (start,)
        )
        return outputs.transpose(0, 1), last[None]

    def transition(self) -> Callable[[Tensor, Tensor], Tensor]:
        """One step with the weights as they are: W x `(batch, hidden_size)` and the state to the next state."""
        turned, bias = self.weight_hh.T, self.bias
        return lambda product, h: mod_relu(torch.addmm(product, h, turned), bias)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return f"{self.input_size}, {self.hidden_size}"
