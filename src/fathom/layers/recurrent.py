"""What the recurrent layers share: parameters, layers on layers, both directions, and the checks at the door."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from fathom.errors import InputError, ShapeError
from fathom.layers import init
from fathom.ops.dropout import dropout

State = tuple[Tensor, ...]


class Weights(NamedTuple):
    """The parameters of one layer in one direction; the biases may be None."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor | None
    bias_hh: Tensor | None


class Recurrent(nn.Module):
    """Layers on layers of one recurrence, each from the first step to the last and, if bidirectional, back.

    Args:
        gates: blocks of `hidden_size` rows in the weights.
        states: tensors that a step hands to the next; the first is the output.
        input_size: features of the input.
        hidden_size: features of the state. `weight_ih_l0` is `(gates * hidden_size, input_size)`, in higher layers
            `(gates * hidden_size, directions * hidden_size)`; `weight_hh_l0` is `(gates * hidden_size, hidden_size)`;
            `bias_ih_l0` and `bias_hh_l0` are `(gates * hidden_size,)`. Those that go back end in `_reverse`.
        num_layers: each above the first takes the outputs of the one below.
        bias: whether there are biases.
        batch_first: `(batch, steps, features)` in place of `(steps, batch, features)`; states stay as they are.
        dropout: `0 <= p <= 1`, of the outputs of all layers but the last.
        bidirectional: a second recurrence runs from the last step to the first; outputs of both stand side by side.
    """

    def __init__(
        self,
        gates: int,
        states: int,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
    ) -> None:
        super().__init__()
        if hidden_size < 1 or num_layers < 1:
            raise InputError(
                f"hidden_size, num_layers: expected at least 1, got {hidden_size} and {num_layers}; give both a size"
            )
        if not 0 <= dropout <= 1:
            raise InputError(f"dropout: expected a probability from 0 to 1, got {dropout}")
        self.states = states
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.directions = 2 if bidirectional else 1
        rows = gates * hidden_size
        for layer in range(num_layers):
            features = input_size if layer == 0 else hidden_size * self.directions
            for direction in range(self.directions):
                end = _ending(layer, direction)
                register(self, rows, features, hidden_size, bias, f"_l{end}")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, as torch does: evenly in ±1 / √hidden_size."""
        draw(self, self.hidden_size)

    def sequence(self, x: Tensor, state: State, weights: Weights) -> tuple[Tensor, State]:
        """All outputs `(steps, batch, hidden_size)` and the last state of one layer in one direction."""
        raise NotImplementedError

    def run(self, x: Any, state: State | None) -> tuple[Any, State]:
        """Outputs and last states of the whole stack, checked and in the order of axes that the caller chose.

        Args:
            x: as the layer's `forward` takes it, or packed by `torch.nn.utils.rnn`, and so are then the outputs.
            state: tensors `(num_layers * directions, batch, hidden_size)`; None is zeros.
        """
        if isinstance(x, PackedSequence):
            return self._run_packed(x, state)
        batched = x.dim() == 3
        self._check(x, batched)
        if not batched:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.transpose(0, 1)
        outputs, states = self._stack(x, self._start(x, state, batched))
        if not batched:
            return outputs.squeeze(1), tuple(tensor.squeeze(1) for tensor in states)
        return outputs.transpose(0, 1) if self.batch_first else outputs, states

    def _run_packed(self, packed: PackedSequence, state: State | None) -> tuple[PackedSequence, State]:
        x, lengths = pad_packed_sequence(packed)
        self._check(x, batched=True)
        there = torch.arange(len(x))[:, None, None] < lengths[:, None]
        outputs, states = self._stack(x, self._start(x, state, batched=True), there.to(x.device))
        return pack_padded_sequence(outputs, lengths, enforce_sorted=packed.sorted_indices is None), states

    def _within(self, x: Tensor, state: State, weights: Weights, there: Tensor) -> tuple[Tensor, State]:
        """As `sequence`, but a row's state stays where `there`, `(steps, batch, 1)` of bool, is false."""
        outputs = []
        for step, here in zip(x.split(1), there, strict=True):
            _, after = self.sequence(step, state, weights)
            state = tuple(torch.where(here, new, old) for new, old in zip(after, state, strict=True))
            outputs.append(state[0])
        return torch.stack(outputs), state

    def _stack(self, x: Tensor, start: State, there: Tensor | None = None) -> tuple[Tensor, State]:
        ends: list[State] = []
        for layer in range(self.num_layers):
            both = []
            for direction in range(self.directions):
                place = len(ends)
                weights = self._weights(_ending(layer, direction))
                steps, state = x.flip(0) if direction else x, tuple(tensor[place] for tensor in start)
                if there is None:
                    outputs, end = self.sequence(steps, state, weights)
                else:
                    outputs, end = self._within(steps, state, weights, there.flip(0) if direction else there)
                both.append(outputs.flip(0) if direction else outputs)
                ends.append(end)
            x = both[0] if len(both) == 1 else torch.cat(both, dim=-1)
            if layer + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training)
        return x, tuple(torch.stack(tensors) for tensors in zip(*ends, strict=True))

    def _weights(self, ending: str) -> Weights:
        found: list[Any] = [getattr(self, name, None) for name in names(f"_l{ending}")]
        return Weights(*found)

    def _start(self, x: Tensor, state: State | None, batched: bool) -> State:
        expected: tuple[int, ...] = (self.num_layers * self.directions, x.shape[1], self.hidden_size)
        if state is None:
            return tuple(x.new_zeros(expected) for _ in range(self.states))
        if not batched:
            expected = (expected[0], expected[2])
        check_state(state, expected, self.states, "num_layers * directions, batch, hidden_size")
        return state if batched else tuple(tensor.unsqueeze(1) for tensor in state)

    def _check(self, x: Tensor, batched: bool) -> None:
        if x.dim() not in (2, 3) or x.shape[-1] != self.input_size or 0 in x.shape[:-1]:
            axes = "batch, steps" if self.batch_first else "steps, batch"
            raise ShapeError(
                f"input: expected ({axes}, {self.input_size}) or (steps, {self.input_size}), at least one step, "
                f"got {tuple(x.shape)}"
            )

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, bias={self.bias}, "
            f"batch_first={self.batch_first}, dropout={self.dropout}, bidirectional={self.bidirectional}"
        )


class Cell(nn.Module):
    """One step of a recurrence, as a layer.

    Args:
        gates: blocks of `hidden_size` rows in the weights.
        states: tensors that a step hands to the next; the first is the output.
        input_size: features of the input; `weight_ih` is `(gates * hidden_size, input_size)`.
        hidden_size: features of the state; `weight_hh` is `(gates * hidden_size, hidden_size)`, `bias_ih` and `bias_hh`
            are `(gates * hidden_size,)`.
        bias: whether there are biases.
    """

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(self, gates: int, states: int, input_size: int, hidden_size: int, bias: bool) -> None:
        super().__init__()
        self.states = states
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        register(self, gates * hidden_size, input_size, hidden_size, bias, "")
        if not bias:
            self.bias_ih = self.bias_hh = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, as torch does: evenly in ±1 / √hidden_size."""
        draw(self, self.hidden_size)

    def step(self, x: Tensor, state: State) -> State:
        """The next state of `(batch, input_size)` and `(batch, hidden_size)`."""
        raise NotImplementedError

    def run(self, x: Tensor, state: State | None) -> State:
        """The next state, checked; `(input_size,)` without a batch gives `(hidden_size,)`."""
        if x.dim() not in (1, 2) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"input: expected (batch, {self.input_size}) or ({self.input_size},), got {tuple(x.shape)}"
            )
        expected = (*x.shape[:-1], self.hidden_size)
        if state is None:
            state = tuple(x.new_zeros(expected) for _ in range(self.states))
        check_state(state, expected, self.states, "batch, hidden_size")
        return self.step(x, state)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return f"{self.input_size}, {self.hidden_size}, bias={self.bias}"


def names(ending: str) -> Iterator[str]:
    """The names of torch's parameters, in its order."""
    return (f"{kind}{ending}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))


def register(module: nn.Module, rows: int, features: int, hidden_size: int, bias: bool, ending: str) -> None:
    """Give `module` the parameters of one layer in one direction, not yet drawn."""
    shapes: list[tuple[int, ...]] = [(rows, features), (rows, hidden_size), *([(rows,)] * 2 if bias else [])]
    for name, shape in zip(names(ending), shapes, strict=False):
        module.register_parameter(name, nn.Parameter(torch.empty(shape)))


def draw(module: nn.Module, hidden_size: int) -> None:
    """All parameters evenly in ±1 / √hidden_size."""
    bound = 1 / math.sqrt(hidden_size)
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


def check_state(state: State, expected: tuple[int, ...], count: int, axes: str) -> None:
    """ShapeError unless there are `count` tensors of the expected shape."""
    if len(state) != count or any(tensor.shape != expected for tensor in state):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in state)
        many = "a tensor" if count == 1 else f"a tuple of {count}"
        raise ShapeError(f"hx: expected {many} of shape {expected} ({axes}), got {shapes}")


def as_state(hx: Any, count: int) -> State | None:
    """What the caller gave, a tensor or a tuple of `count`, as a tuple; ShapeError if it is of the other kind."""
    if hx is None:
        return None
    if isinstance(hx, Tensor) != (count == 1):
        wanted = "a tensor" if count == 1 else f"a tuple of {count} tensors"
        raise ShapeError(f"hx: expected {wanted}, got a {type(hx).__name__}")
    return (hx,) if isinstance(hx, Tensor) else tuple(hx)


def _ending(layer: int, direction: int) -> str:
    return f"{layer}_reverse" if direction else f"{layer}"
