"""What the gates must do at their ends, and what must not matter to a recurrent net: padding, batches, cuts."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fathom import layers, models

SHUT, OPEN = -1e3, 1e3  # a sigmoid of these is 0 and 1 to the last bit
NAMESPACES = {"torch": nn, "scratch": layers}
CELLS = ("rnn", "gru", "lstm")
laws = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 10_000)
both_rungs = pytest.mark.parametrize("rung", NAMESPACES)
every_cell = pytest.mark.parametrize("cell", CELLS)


def drawn(rung, kind, **options):
    return getattr(NAMESPACES[rung], kind)(3, 5, **options).double()


def fix_gates(layer, gates):
    """Make gates constant; `gates` has the number of a block of rows, and the logit at which it stays."""
    with torch.no_grad():
        for parameter in layer.parameters():
            for block, logit in gates.items():
                rows = parameter[block * layer.hidden_size : (block + 1) * layer.hidden_size]
                rows.fill_(logit / 2 if parameter.dim() == 1 else 0.0)  # two biases


def sequence(seed, steps=7, batch=2):
    torch.manual_seed(seed)
    return torch.randn(steps, batch, 3, dtype=torch.float64), torch.randn(1, batch, 5, dtype=torch.float64).tanh()


@both_rungs
@laws
@given(seed=seeds)
def test_a_gru_that_neither_resets_nor_keeps_is_an_rnn(rung, seed):
    x, h = sequence(seed)
    gated, plain = drawn(rung, "GRU"), drawn(rung, "RNN")
    fix_gates(gated, {0: OPEN, 1: SHUT})  # reset 1, update 0
    plain.load_state_dict({name: tensor[-5:] for name, tensor in gated.state_dict().items()})
    torch.testing.assert_close(gated(x, h)[0], plain(x, h)[0])


@laws
@given(seed=seeds)
def test_so_is_the_books_gru(seed):
    x, h = sequence(seed)
    gated, plain = drawn("scratch", "GRU", reset_after=False), drawn("scratch", "RNN")
    fix_gates(gated, {0: OPEN, 1: SHUT})
    plain.load_state_dict({name: tensor[-5:] for name, tensor in gated.state_dict().items()})
    torch.testing.assert_close(gated(x, h)[0], plain(x, h)[0])


@both_rungs
@laws
@given(seed=seeds)
def test_a_gru_that_only_keeps_copies_its_state(rung, seed):
    x, h = sequence(seed)
    layer = drawn(rung, "GRU")
    fix_gates(layer, {1: OPEN})
    torch.testing.assert_close(layer(x, h)[0], h.expand(7, 2, 5), rtol=0, atol=1e-15)


@both_rungs
@laws
@given(seed=seeds)
def test_a_gru_that_resets_and_renews_forgets_all_that_was(rung, seed):
    x, h = sequence(seed)
    layer = drawn(rung, "GRU")
    fix_gates(layer, {0: SHUT, 1: SHUT})
    outputs = layer(x, h)[0]
    torch.testing.assert_close(outputs, layer(x, -h)[0])
    torch.testing.assert_close(outputs[3:], layer(x[3:])[0])


@both_rungs
@laws
@given(seed=seeds, scale=st.sampled_from([1.0, 50.0]))
def test_an_lstm_that_neither_forgets_nor_takes_in_keeps_its_cell(rung, seed, scale):
    x, h = sequence(seed)
    layer, cell = drawn(rung, "LSTM"), scale * torch.randn_like(h)
    fix_gates(layer, {0: SHUT, 1: OPEN})
    outputs, (_, last) = layer(x, (h, cell))
    torch.testing.assert_close(last, cell, rtol=1e-15, atol=0)
    assert (outputs.abs() <= cell.tanh().abs()).all()  # the output gate only ever takes away


@both_rungs
@laws
@given(seed=seeds)
def test_an_lstm_that_forgets_all_and_takes_in_all_has_only_the_candidate(rung, seed):
    x, h = sequence(seed)
    layer = drawn(rung, "LSTM")
    fix_gates(layer, {0: OPEN, 1: SHUT, 3: OPEN})
    plain = drawn(rung, "RNN")
    plain.load_state_dict({name: tensor[10:15] for name, tensor in layer.state_dict().items()})
    first = plain(x[:1], h)[0]
    torch.testing.assert_close(layer(x[:1], (h, 9 * h))[0], first.tanh())


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@both_rungs
@laws
@given(seed=seeds)
def test_a_state_that_begins_within_minus_one_and_one_stays_there(rung, kind, seed):
    x, h = sequence(seed)
    layer = drawn(rung, kind)
    outputs = layer(3 * x, (h, h) if kind == "LSTM" else h)[0]
    assert outputs.abs().max() < 1


@both_rungs
@laws
@given(seed=seeds)
def test_an_rnn_without_its_hidden_input_is_an_mlp_at_each_step(rung, seed):
    x, h = sequence(seed)
    layer, linear = drawn(rung, "RNN"), NAMESPACES[rung].Linear(3, 5).double()
    with torch.no_grad():
        layer.weight_hh_l0.zero_()
    state = layer.state_dict()
    linear.load_state_dict(
        {"weight": state["weight_ih_l0"], "bias": state["bias_ih_l0"] + state["bias_hh_l0"]},
    )
    torch.testing.assert_close(layer(x, h)[0], linear(x).tanh())


# --- what must not matter -------------------------------------------------------------------------------------------


def language_model(cell, seed, **options):
    torch.manual_seed(seed)
    model = models.create("recurrent_language_model", vocab_size=11, cell=cell, hidden_size=5, num_layers=2, **options)
    return model.double().eval(), torch.randint(11, (3, 7))


@every_cell
@laws
@given(seed=seeds, padding=st.integers(1, 5))
def test_padding_at_the_end_changes_nothing_before_it(cell, seed, padding):
    model, tokens = language_model(cell, seed)
    padded = torch.cat([tokens, torch.randint(11, (3, padding))], dim=1)
    torch.testing.assert_close(model(padded)[0][:, :7], model(tokens)[0])


@every_cell
@laws
@given(seed=seeds, cut=st.integers(1, 2))
def test_splitting_a_batch_and_its_order_change_nothing(cell, seed, cut):
    model, tokens = language_model(cell, seed, embedding_size=3)
    whole = model(tokens)[0]
    torch.testing.assert_close(torch.cat([model(part)[0] for part in tokens.split(cut)]), whole)
    order = torch.randperm(3)
    torch.testing.assert_close(model(tokens[order])[0], whole[order])


@every_cell
@laws
@given(seed=seeds, cuts=st.lists(st.integers(1, 6), max_size=4))
def test_a_carried_state_gives_what_one_long_run_gives(cell, seed, cuts):
    model, tokens = language_model(cell, seed)
    places = sorted({0, *cuts, 7})
    state, parts = None, []
    for start, end in itertools.pairwise(places):
        logits, state = model(tokens[:, start:end], state)
        parts.append(logits)
    whole, last = model(tokens)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    torch.testing.assert_close(state, last)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@laws
@given(seed=seeds)
def test_going_both_ways_a_reversed_sequence_gives_the_reversed_outputs_of_swapped_weights(kind, seed):
    x, _ = sequence(seed)
    layer, mirrored = (drawn("scratch", kind, bidirectional=True) for _ in range(2))
    swapped = {
        name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse": tensor
        for name, tensor in layer.state_dict().items()
    }
    mirrored.load_state_dict(swapped)
    forth, back = layer(x)[0].chunk(2, dim=-1)
    torch.testing.assert_close(mirrored(x.flip(0))[0].flip(0), torch.cat([back, forth], dim=-1))


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_only_the_way_back_sees_what_comes_later(kind):
    x, _ = sequence(0)
    layer = drawn("scratch", kind, bidirectional=True)
    other = torch.cat([x[:4], torch.randn_like(x[4:])])
    (forth, back), (same, changed) = (layer(each)[0].chunk(2, dim=-1) for each in (x, other))
    torch.testing.assert_close(forth[:4], same[:4])
    assert (back[:4] - changed[:4]).abs().amax(dim=-1).min() > 1e-6
