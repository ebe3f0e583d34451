"""Laws of recurrent layers, the book's GRU against a loop over its definition, and wrong input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fathom import layers
from fathom.errors import InputError, ShapeError, UnknownNameError

KINDS = ("RNN", "GRU", "LSTM")
every_kind = pytest.mark.parametrize("kind", KINDS)
seeds = st.integers(0, 10_000)
sizes = st.tuples(*[st.integers(1, 5)] * 4)  # steps, batch, features, hidden
laws = settings(max_examples=20, deadline=None)


def drawn(kind, sizes, seed, **options):
    steps, batch, features, hidden = sizes
    torch.manual_seed(seed)
    layer = getattr(layers, kind)(features, hidden, **options).double()
    return layer, torch.randn(steps, batch, features, dtype=torch.float64)


def hidden_of(state):
    return state[0] if isinstance(state, tuple) else state


@every_kind
@laws
@given(sizes=sizes, seed=seeds)
def test_hidden_states_stay_between_minus_one_and_one(kind, sizes, seed):
    layer, x = drawn(kind, sizes, seed)
    outputs, state = layer(10 * x)
    assert outputs.abs().max() <= 1
    assert hidden_of(state).abs().max() <= 1


@every_kind
@laws
@given(sizes=sizes, seed=seeds)
def test_the_last_output_is_the_last_hidden_state(kind, sizes, seed):
    layer, x = drawn(kind, sizes, seed, num_layers=2)
    outputs, state = layer(x)
    torch.testing.assert_close(outputs[-1], hidden_of(state)[-1])


@every_kind
@laws
@given(sizes=sizes, seed=seeds)
def test_examples_of_a_batch_do_not_see_each_other(kind, sizes, seed):
    layer, x = drawn(kind, sizes, seed, num_layers=2, bidirectional=True)
    order = torch.randperm(x.shape[1])
    torch.testing.assert_close(layer(x)[0][:, order], layer(x[:, order])[0])


@every_kind
@laws
@given(sizes=sizes, seed=seeds, cut=st.integers(1, 4))
def test_a_sequence_in_two_parts_with_the_state_handed_on_is_the_whole(kind, sizes, seed, cut):
    layer, x = drawn(kind, (cut + sizes[0], *sizes[1:]), seed, num_layers=2)
    whole, end = layer(x)
    first, state = layer(x[:cut])
    second, last = layer(x[cut:], state)
    torch.testing.assert_close(torch.cat((first, second)), whole)
    torch.testing.assert_close(last, end)


@every_kind
@laws
@given(sizes=sizes, seed=seeds)
def test_outputs_do_not_depend_on_later_steps(kind, sizes, seed):
    layer, x = drawn(kind, sizes, seed)
    torch.testing.assert_close(layer(torch.cat((x, torch.randn_like(x))))[0][: len(x)], layer(x)[0])


@every_kind
@laws
@given(sizes=sizes, seed=seeds)
def test_a_bidirectional_layer_is_two_layers_that_go_one_way(kind, sizes, seed):
    both, x = drawn(kind, sizes, seed, bidirectional=True)
    forth, back = (getattr(layers, kind)(*sizes[2:]).double() for _ in range(2))
    state = both.state_dict()
    forth.load_state_dict({name: tensor for name, tensor in state.items() if "reverse" not in name})
    back.load_state_dict({name[: -len("_reverse")]: tensor for name, tensor in state.items() if "reverse" in name})
    expected = torch.cat((forth(x)[0], back(x.flip(0))[0].flip(0)), dim=-1)
    torch.testing.assert_close(both(x)[0], expected)


@every_kind
def test_a_layer_is_its_cell_in_a_loop(kind):
    layer, x = drawn(kind, (5, 3, 7, 11), 0)
    cell = getattr(layers, f"{kind}Cell")(7, 11).double()
    cell.load_state_dict({name[: -len("_l0")]: tensor for name, tensor in layer.state_dict().items()})
    state, outputs = None, []
    for step in x:
        state = cell(step, state)
        outputs.append(hidden_of(state))
    torch.testing.assert_close(torch.stack(outputs), layer(x)[0])


def book_gru(x, h, state):
    """One number after the other, as the book writes the GRU: the reset comes before the product."""
    (w_r, w_z, w_n), (u_r, u_z, u_n) = state["weight_ih_l0"].chunk(3), state["weight_hh_l0"].chunk(3)
    (b_r, b_z, b_n), (c_r, c_z, c_n) = state["bias_ih_l0"].chunk(3), state["bias_hh_l0"].chunk(3)
    outputs = []
    for step in x:
        size = len(h)

        def product(weight, vector, row):
            return sum(float(weight[row, column]) * vector[column] for column in range(len(vector)))

        inputs, states = [float(v) for v in step], [float(v) for v in h]

        def gate(w, b, u, c, row, inputs=inputs, states=states, product=product):
            total = product(w, inputs, row) + float(b[row]) + product(u, states, row) + float(c[row])
            return 1 / (1 + math.exp(-total))

        reset = [gate(w_r, b_r, u_r, c_r, row) for row in range(size)]
        update = [gate(w_z, b_z, u_z, c_z, row) for row in range(size)]
        cut = [r * v for r, v in zip(reset, states, strict=True)]
        candidate = [
            math.tanh(product(w_n, inputs, row) + float(b_n[row]) + product(u_n, cut, row) + float(c_n[row]))
            for row in range(size)
        ]
        h = [z * v + (1 - z) * n for z, v, n in zip(update, states, candidate, strict=True)]
        outputs.append(h)
    return torch.tensor(outputs, dtype=torch.float64)


def test_the_books_gru_resets_before_the_matmul():
    layer, x = drawn("GRU", (4, 1, 3, 5), 0, reset_after=False)
    expected = book_gru(x[:, 0], [0.0] * 5, layer.state_dict())
    torch.testing.assert_close(layer(x)[0][:, 0], expected)
    cell = layers.GRUCell(3, 5, reset_after=False).double()
    cell.load_state_dict({name[: -len("_l0")]: tensor for name, tensor in layer.state_dict().items()})
    torch.testing.assert_close(cell(x[0]), expected[:1])


def test_the_two_forms_of_the_gru_differ():
    layer, x = drawn("GRU", (4, 2, 3, 5), 0)
    book = layers.GRU(3, 5, reset_after=False).double()
    book.load_state_dict(layer.state_dict())
    assert (layer(x)[0] - book(x)[0]).abs().max() > 1e-3


@pytest.mark.parametrize("bias", [True, False])
def test_the_books_gru_has_right_gradients(bias):
    layer, x = drawn("GRU", (3, 2, 2, 3), 0, reset_after=False, bias=bias)
    assert torch.autograd.gradcheck(lambda x: layer(x)[0], x.requires_grad_())


@every_kind
def test_a_state_of_the_wrong_shape_is_told_the_right_one(kind):
    layer, x = drawn(kind, (5, 3, 7, 11), 0)
    state = torch.zeros(1, 5, 11, dtype=torch.float64)
    with pytest.raises(ShapeError, match=r"hx: expected .* of shape \(1, 3, 11\)"):
        layer(x, (state, state) if kind == "LSTM" else state)


@every_kind
def test_a_cell_says_which_state_it_expects(kind):
    cell, x = getattr(layers, f"{kind}Cell")(7, 11), torch.zeros(3, 7)
    state = torch.zeros(2, 11)
    with pytest.raises(ShapeError, match=r"hx: expected .* of shape \(3, 11\)"):
        cell(x, (state, state) if kind == "LSTM" else state)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("GRU", (torch.zeros(1, 3, 11),) * 2), ("LSTM", torch.zeros(1, 3, 11))],
    ids=["a pair for a GRU", "one for an LSTM"],
)
def test_the_number_of_states_is_checked(kind, state):
    with pytest.raises(ShapeError, match=r"hx: expected a tensor, got a tuple|hx: expected a tuple of 2 tensors"):
        getattr(layers, kind)(7, 11)(torch.zeros(5, 3, 7), state)


@every_kind
@pytest.mark.parametrize("shape", [(5, 3, 6), (7,), (0, 3, 7), (2, 2, 3, 7)])
def test_an_input_of_the_wrong_shape_is_told_the_right_one(kind, shape):
    with pytest.raises(ShapeError, match=r"input: expected \(steps, batch, 7\)"):
        getattr(layers, kind)(7, 11)(torch.zeros(shape))
    with pytest.raises(ShapeError, match="input: expected"):
        getattr(layers, f"{kind}Cell")(7, 11)(torch.zeros(2, 6))


def test_impossible_settings_are_refused_at_the_door():
    with pytest.raises(InputError, match="proj_size: expected 0"):
        layers.LSTM(7, 11, proj_size=3)
    with pytest.raises(InputError, match="dropout: expected a probability"):
        layers.GRU(7, 11, dropout=1.5)
    with pytest.raises(InputError, match="hidden_size, num_layers: expected at least 1"):
        layers.GRU(7, 0)
    with pytest.raises(UnknownNameError, match="unknown nonlinearity 'tan'"):
        layers.RNN(7, 11, nonlinearity="tan")
    with pytest.raises(UnknownNameError, match="unknown nonlinearity 'relo'"):
        layers.RNNCell(7, 11, nonlinearity="relo")


def test_a_recurrent_layer_shows_its_sizes():
    assert repr(layers.LSTM(7, 11, 2)).startswith("LSTM(7, 11, num_layers=2")
    assert repr(layers.GRUCell(7, 11)) == "GRUCell(7, 11, bias=True)"


def test_no_layer_of_torchs_is_inside():
    parts = [part for kind in KINDS for part in getattr(layers, kind)(7, 11, 2, bidirectional=True).modules()]
    assert all(not type(part).__module__.startswith("torch.nn") for part in parts)
    assert all(isinstance(part, nn.Module) for part in parts)
