"""The likelihood of a recurrent net's sequences is the product of its steps, and over all sequences there is one."""

import itertools
import math

import pytest
import torch

from fathom import layers
from fathom.errors import InputError, ShapeError
from fathom.models.sequence_model import ENDINGS, SequenceModel, packed
from fathom.ops.discrete_sequences import every_sequence

LENGTHS = (0.1, 0.5, 0.0, 0.4)
END = 3
every_ending = pytest.mark.parametrize("ending", ENDINGS)


def model_of(ending, **options):
    torch.manual_seed(2)
    lengths = LENGTHS if ending == "count" else ()
    model = SequenceModel(END, ending, hidden_size=5, lengths=lengths, **options).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # far from a uniform distribution
    return model


def gru_step(gru, x, h):
    """One step of a GRU, by its equations."""
    own, kept = gru.weight_ih_l0 @ x + gru.bias_ih_l0, gru.weight_hh_l0 @ h + gru.bias_hh_l0
    reset, update = (own[:5] + kept[:5]).sigmoid(), (own[5:10] + kept[5:10]).sigmoid()
    return (1 - update) * (own[10:] + reset * kept[10:]).tanh() + update * h


@torch.no_grad()
def probability(model, sequence):
    """P of one sequence: the product over its steps, in plain numbers."""
    h, x, product = torch.zeros(5, dtype=torch.float64), torch.zeros(END, dtype=torch.float64), 1.0
    if model.ending == "count":
        product *= LENGTHS[len(sequence) - 1] if len(sequence) <= len(LENGTHS) else 0.0
    for place, symbol in enumerate([*sequence, END]):
        to_come = torch.zeros(len(LENGTHS) * model.told, dtype=torch.float64)
        if model.told and symbol != END:
            to_come[len(sequence) - place - 1] = 1.0
        h = gru_step(model.recurrent, torch.cat([x, to_come]), h)
        outputs = model.output.weight @ h + model.output.bias
        if model.ending == "symbol":
            chances = outputs.exp() / outputs.exp().sum() if place else [*(outputs[:END].softmax(0)), 0.0]
            product *= float(chances[symbol])
        else:
            stop = 1 / (1 + math.exp(-outputs[END])) if model.ending == "stop" and place else 0.0
            if model.ending == "count" and symbol == END:
                break
            product *= stop if symbol == END else (1 - stop) * float(outputs[:END].softmax(0)[symbol])
        x = torch.nn.functional.one_hot(torch.tensor(symbol), END + 1)[:END].double()
    return product


@every_ending
def test_a_likelihood_is_the_product_of_the_steps(ending):
    model = model_of(ending)
    sequences = [row for steps in (1, 2, 4) for row in itertools.product(range(END), repeat=steps)]
    found = model.log_likelihood(packed(sequences, END)).exp()
    expected = torch.tensor([probability(model, row) for row in sequences], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("told", [True, False])
def test_over_all_lengths_that_are_counted_there_is_one(told):
    model = model_of("count", told=told)
    total = sum(
        model.log_likelihood(packed(every_sequence(END, steps).tolist(), END)).exp().sum() for steps in (1, 2, 3, 4)
    )
    assert abs(total.item() - 1) < 1e-10


@pytest.mark.parametrize("ending", ["symbol", "stop"])
def test_what_has_ended_and_what_goes_on_make_one(ending):
    model = model_of(ending)
    ended = 0.0
    for steps in range(1, 7):
        rows = every_sequence(END, steps)
        ended += model.log_likelihood(packed(rows.tolist(), END)).exp().sum().item()
        longer = sum(
            model.log_likelihood(torch.cat([rows, torch.full((len(rows), 1), symbol)], dim=1)).exp().sum().item()
            for symbol in range(END)
        )
        assert abs(ended + longer - 1) < 1e-10


@every_ending
def test_each_step_is_a_distribution(ending):
    model = model_of(ending)
    rows = packed([[0], [1, 2], [2, 0, 1, 1]], END)
    sums = model(rows).exp().sum(dim=2)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-12)


@every_ending
def test_padding_costs_nothing(ending):
    model = model_of(ending)
    short = packed([[2, 1]], END)
    long = packed([[2, 1], [0, 0, 1, 2]], END)
    torch.testing.assert_close(model.log_likelihood(short)[0], model.log_likelihood(long)[0], rtol=1e-13, atol=0)


@every_ending
def test_samples_come_as_often_as_the_likelihood_says(ending):
    model, count = model_of(ending), 20_000
    drawn = model.sample(count, 4, torch.Generator().manual_seed(0))
    likely = [row for steps in (1, 2, 4) for row in itertools.product(range(END), repeat=steps)]
    rows = packed(likely, END)
    shares = model.log_likelihood(rows).exp()
    often = shares > 0.01
    assert often.sum() >= 5
    found = (drawn[:, None, :] == rows[often][None]).all(dim=2).double().mean(dim=0)
    spread = (shares[often] * (1 - shares[often]) / count).sqrt()
    assert ((found - shares[often]).abs() < 4.5 * spread).all()


def test_samples_are_sequences_and_have_the_lengths_that_were_drawn():
    drawn = model_of("count").sample(5000, 4, torch.Generator().manual_seed(1))
    assert ((drawn == END).cumsum(1) == (drawn == END).int().cummax(1).values.cumsum(1)).all()
    shares = torch.bincount((drawn != END).sum(1), minlength=5) / 5000
    assert shares[0] == shares[3] == 0
    assert (shares[1:] - torch.tensor(LENGTHS)).abs().max() < 0.03


@every_ending
def test_both_rungs_give_one_likelihood(ending):
    model = model_of(ending)
    ours = SequenceModel(END, ending, hidden_size=5, lengths=LENGTHS if ending == "count" else (), nn=layers).double()
    ours.load_state_dict(model.state_dict())
    rows = packed([[0], [1, 2], [2, 0, 1, 1]], END)
    torch.testing.assert_close(ours.log_likelihood(rows), model.log_likelihood(rows), rtol=1e-12, atol=0)


# --- bad input ------------------------------------------------------------------------------------------------------


def test_lengths_that_do_not_sum_to_one_are_refused():
    with pytest.raises(InputError, match=r"lengths: expected probabilities that sum to 1, got a sum of 0\.9; divide"):
        SequenceModel(END, "count", lengths=(0.5, 0.4))
    with pytest.raises(InputError, match="lengths: expected the probability of at least one value, got none"):
        SequenceModel(END, "count")


def test_an_empty_sequence_is_refused():
    with pytest.raises(InputError, match="expected sequences of at least one symbol, got an empty one in row 1; drop"):
        packed([[0], [], [2, 1]], END)
    with pytest.raises(InputError, match="sequences: expected at least one, got none"):
        packed([], END)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([[0, END, 1]], InputError, "nothing but the end behind an end, got a symbol"),
        ([[0, 4, 3]], InputError, "symbols from 0 to 2 and 3 for the end, got 0 to 4"),
        ([0, 1], ShapeError, r"expected \(batch, steps\), at least one of each, got \(2,\)"),
    ],
)
def test_rows_that_are_no_sequences_are_refused(rows, error, message):
    with pytest.raises(error, match=message):
        model_of("stop").log_likelihood(torch.tensor(rows))


def test_a_symbol_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="expected symbols from 0 to 2, got others; leave the end out"):
        packed([[0, END]], END)


def test_a_beginning_has_no_likelihood_where_the_length_is_drawn_first():
    with pytest.raises(InputError, match="expected sequences with their end"):
        model_of("count").log_likelihood(torch.tensor([[0, 1]]))
