"""Recurrent layers: RNN, LSTM and GRU. Twins: torch's of the same names, whose equations and parameters these have."""

import math
from typing import Any

import numpy as np

from fathom.autograd.creation import cat, stack
from fathom.autograd.errors import ShapeError
from fathom.autograd.nn import functional as F
from fathom.autograd.nn import init
from fathom.autograd.nn.layers import fresh
from fathom.autograd.nn.module import Module
from fathom.autograd.tensor import Tensor

State = Tensor | tuple[Tensor, ...]


class _Recurrent(Module):
    """Steps through time, layer by layer and, if bidirectional, from both ends.

    The products with the inputs of all steps are one matmul before the loop; only those with the hidden state remain
    inside it.
    """

    gates = 1  # blocks of hidden_size rows in the weights
    states = 1  # tensors that a step hands on

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, dropout, bidirectional
        self.directions = 2 if bidirectional else 1
        rows = self.gates * hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else hidden_size * self.directions
            for direction in range(self.directions):
                end = self._end(layer, direction)
                self.register_parameter(f"weight_ih{end}", fresh(rows, features))
                self.register_parameter(f"weight_hh{end}", fresh(rows, hidden_size))
                if bias:
                    self.register_parameter(f"bias_ih{end}", fresh(rows))
                    self.register_parameter(f"bias_hh{end}", fresh(rows))
        for parameter in self.parameters():
            init.uniform_(parameter, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size))

    @staticmethod
    def _end(layer: int, direction: int) -> str:
        return f"_l{layer}" + ("_reverse" if direction else "")

    def step(self, x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The next state, its first tensor the output, from the products with input and hidden state."""
        raise NotImplementedError

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, State]:
        """All outputs, and the last state of each layer and direction.

        Args:
            input: `(steps, batch, input_size)`, or `(batch, steps, input_size)` if batch_first.
            hx: `(layers * directions, batch, hidden_size)`, for an LSTM a pair of them; zeros by default.

        Returns:
            `(steps, batch, directions * hidden_size)`, batch first if asked for, and a state like `hx`.
        """
        if input.ndim != 3 or input.shape[2] != self.input_size:
            name, order = type(self).__name__, "batch, steps" if self.batch_first else "steps, batch"
            raise ShapeError(f"{name}: expected an input of shape ({order}, {self.input_size}), got {input.shape}")
        x = input.transpose(0, 1) if self.batch_first else input
        starts = self._starts(hx, x)
        ends: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            passes = []
            for direction in range(self.directions):
                outputs, end = self._run(x, starts[len(ends)], self._end(layer, direction), direction == 1)
                passes.append(outputs)
                ends.append(end)
            x = passes[0] if len(passes) == 1 else cat(passes, dim=2)
            if layer + 1 < self.num_layers:
                x = F.dropout(x, self.dropout, self.training)
        states = tuple(stack([end[i] for end in ends]) for i in range(self.states))
        return (x.transpose(0, 1) if self.batch_first else x), states[0] if self.states == 1 else states

    def _starts(self, hx: Any, x: Tensor) -> list[tuple[Tensor, ...]]:
        shape = (self.num_layers * self.directions, x.shape[1], self.hidden_size)
        given = (hx,) if isinstance(hx, Tensor) else hx
        if given is None:
            given = tuple(Tensor(np.zeros(shape, x.dtype)) for _ in range(self.states))
        for state in given:
            if state.shape != shape:
                raise ShapeError(
                    f"{type(self).__name__}: expected an initial state of shape {shape}, got {state.shape}"
                )
        return [tuple(state[i] for state in given) for i in range(shape[0])]

    def _run(
        self, x: Tensor, state: tuple[Tensor, ...], end: str, backwards: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        weight, recurrent = getattr(self, f"weight_ih{end}"), getattr(self, f"weight_hh{end}")
        bias, recurrent_bias = (getattr(self, f"bias_{k}{end}") if self.bias else None for k in ("ih", "hh"))
        products = F.linear(x, weight, bias).unbind(0)
        outputs = []
        for product in products[::-1] if backwards else products:
            state = self.step(product, F.linear(state[0], recurrent, recurrent_bias), state)
            outputs.append(state[0])
        return stack(outputs[::-1] if backwards else outputs), state

    def extra_repr(self) -> str:
        """What stands between the brackets of its repr."""
        return f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}"


class RNN(_Recurrent):
    """h' = tanh(W x + b + U h + c), or relu of it. Elman 1990."""

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
        if nonlinearity not in ("tanh", "relu"):
            raise ShapeError(f"RNN: nonlinearity {nonlinearity!r}; use 'tanh' or 'relu'")
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)
        self.nonlinearity = nonlinearity

    def step(self, x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step: `(batch, hidden_size)` each."""
        return ((x + h).tanh() if self.nonlinearity == "tanh" else (x + h).relu(),)


class LSTM(_Recurrent):
    """c' = f c + i g, h' = o tanh(c'), with the gates i, f, o and the candidate g. Hochreiter and Schmidhuber 1997."""

    gates, states = 4, 2

    def step(self, x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step: `(batch, 4 * hidden_size)` in the order i, f, g, o, and the pair of states."""
        i, f, g, o = (x + h).chunk(4, dim=1)
        cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell


class GRU(_Recurrent):
    """h' = (1 - z) n + z h with n = tanh(x_n + r h_n): the reset r comes after the product. Cho et al. 2014."""

    gates = 3

    def step(self, x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step: `(batch, 3 * hidden_size)` in the order r, z, n."""
        size = 2 * self.hidden_size
        reset, update = (x[:, :size] + h[:, :size]).sigmoid().chunk(2, dim=1)
        candidate = (x[:, size:] + reset * h[:, size:]).tanh()
        return (candidate + update * (state[0] - candidate),)
