import itertools

import pytest
import torch
from torch import nn

from fathom.decoding import PENALTIES, Fixed, beam, exhaustive, generate, pick
from fathom.decoding.beam import largest
from fathom.errors import InputError, UnknownNameError

VOCAB, END = 4, 2


class Model(nn.Module):
    """A recurrent net with an encoded source besides, whose rows are counted."""

    def __init__(self, seed=0, sharpness=3.0):
        super().__init__()
        torch.manual_seed(seed)
        self.embedding, self.cell = nn.Embedding(VOCAB, 5), nn.GRUCell(5, 7)
        self.output, self.sharpness, self.rows = nn.Linear(7, VOCAB), sharpness, 0
        self.double()

    def start(self, rows):
        torch.manual_seed(rows)
        return {"hidden": torch.randn(rows, 7).double(), "source": Fixed([torch.randn(rows, VOCAB).double()])}

    def forward(self, tokens, state):
        self.rows += len(tokens)
        hidden, (source,) = state["hidden"], state["source"]
        for token in tokens.T:
            hidden = self.cell(self.embedding(token), hidden)
        return self.sharpness * (self.output(hidden) + source), {"hidden": hidden, "source": state["source"]}


def first(rows):
    return torch.zeros(rows, 1, dtype=torch.long)


@torch.no_grad()
def score(model, row, rows, sequence, divisor):
    """One sequence by itself, from the beginning on."""
    state, token, total = pick(model.start(rows), torch.tensor([row])), first(1), 0.0
    for wanted in sequence:
        logits, state = model(token, state)
        total += logits.log_softmax(1)[0, wanted].item()
        token = torch.tensor([[wanted]])
    return total / divisor


def by_brute_force(model, row, rows, length, alpha, penalty):
    """Every sequence's score."""
    found = []
    for steps in range(1, length + 1):
        for sequence in itertools.product(range(VOCAB), repeat=steps):
            if END not in sequence[:-1] and (sequence[-1] == END or steps == length):
                found.append((score(model, row, rows, sequence, PENALTIES[penalty](steps, alpha)), sequence))
    return sorted(found, reverse=True)


def sequences(found, row):
    return [
        tuple(tokens[:length].tolist()) for tokens, length in zip(found.tokens[row], found.lengths[row], strict=True)
    ]


@pytest.mark.parametrize(("alpha", "penalty"), [(0.0, "gnmt"), (0.6, "gnmt"), (0.75, "power"), (2.0, "power")])
def test_exhaustive_search_is_brute_force(alpha, penalty):
    model, rows = Model(), 3
    found = exhaustive(model, first(rows), model.start(rows), end=END, length=3, alpha=alpha, penalty=penalty, best=5)
    for row in range(rows):
        expected = by_brute_force(model, row, rows, 3, alpha, penalty)[:5]
        assert sequences(found, row) == [sequence for _, sequence in expected]
        assert found.scores[row].tolist() == pytest.approx([score for score, _ in expected])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("alpha", "penalty"), [(0.0, "gnmt"), (0.6, "gnmt"), (1.5, "power")])
def test_a_beam_of_full_width_is_exhaustive_search(seed, alpha, penalty):
    model, options = Model(seed), {"end": END, "length": 4, "alpha": alpha, "penalty": penalty, "best": 7}
    everything = exhaustive(model, first(2), model.start(2), **options)
    found = beam(model, first(2), model.start(2), width=VOCAB**4, early_stop=False, **options)
    assert torch.equal(found.tokens, everything.tokens)
    assert torch.equal(found.lengths, everything.lengths)
    torch.testing.assert_close(found.scores, everything.scores)
    torch.testing.assert_close(found.log_probabilities, everything.log_probabilities)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_that_does_not_make_up_for_length_is_greedy_search(seed):
    model = Model(seed)
    expected = generate(model, first(7), 11, state=model.start(7), end=END)
    found = beam(model, first(7), model.start(7), width=1, alpha=0.0, end=END, length=11)
    assert torch.equal(found.tokens[:, 0], expected[:, : found.tokens.shape[2]])


@pytest.mark.parametrize("early_stop", [True, False])
@pytest.mark.parametrize("width", [1, 3, 5])
def test_rows_searched_together_find_what_each_finds_alone(width, early_stop):
    model, options = Model(1), {"width": width, "end": END, "length": 13, "best": 2, "early_stop": early_stop}
    together = beam(model, first(5), model.start(5), **options)
    for row in range(5):
        alone = beam(model, first(1), pick(model.start(5), torch.tensor([row])), **options)
        assert sequences(alone, 0) == sequences(together, row)
        torch.testing.assert_close(alone.scores[0], together.scores[row])


def test_a_wider_beam_finds_no_worse_on_the_whole_and_a_score_is_that_of_its_sequence():
    model = Model(2)
    totals = []
    for width in (1, 2, 8, 64):
        found = beam(model, first(5), model.start(5), width=width, alpha=0.6, end=END, length=5, early_stop=False)
        totals.append(round(found.scores[:, 0].sum().item(), 9))
        for row in range(5):
            (sequence,) = sequences(found, row)
            expected = score(model, row, 5, sequence, PENALTIES["gnmt"](len(sequence), 0.6))
            assert found.scores[row, 0].item() == pytest.approx(expected)
    assert totals == sorted(totals)
    assert totals[0] < totals[-1]


def test_hypotheses_come_the_best_first_and_differ():
    model = Model(3)
    found = beam(model, first(5), model.start(5), width=4, end=END, length=7, best=4)
    assert bool((found.scores[:, :-1] >= found.scores[:, 1:]).all())
    assert all(len(set(sequences(found, row))) == 4 for row in range(5))
    behind = torch.arange(found.tokens.shape[2]) >= found.lengths[..., None]
    assert bool((found.tokens[behind] == END).all())


def test_to_stop_early_saves_steps_and_finished_rows_cost_nothing():
    model = Model(1, sharpness=6.0)
    counts = []
    for early_stop in (True, False):
        model.rows = 0
        beam(model, first(11), model.start(11), width=3, end=END, length=40, alpha=1.0, early_stop=early_stop)
        counts.append(model.rows)
    assert counts[0] < counts[1] < 11 + 11 * 3 * 39


def test_a_sequence_that_does_not_end_is_a_hypothesis_of_the_greatest_length():
    def never(tokens, state):
        return torch.tensor([[0.0, 1.0, -torch.inf]]).expand(len(tokens), -1), state

    found = beam(never, first(2), end=2, length=3, width=2)
    assert found.tokens.tolist() == [[[1, 1, 1]]] * 2
    assert exhaustive(never, first(2), end=2, length=3).tokens.tolist() == [[[1, 1, 1]]] * 2


def test_where_there_are_fewer_sequences_than_asked_the_rest_is_empty():
    def certain(tokens, state):
        return torch.tensor([[0.0, -torch.inf, -torch.inf]]).expand(len(tokens), -1), state

    found = beam(certain, first(1), end=0, length=3, width=2, best=3)
    assert found.lengths.tolist() == [[1, 0, 0]]
    assert found.scores[0].tolist() == [0.0, -torch.inf, -torch.inf]


@pytest.mark.parametrize(("vocab", "count"), [(7, 3), (1283, 2), (1283, 10), (640, 5), (641, 4), (1283, 11)])
def test_the_largest_by_blocks_are_those_of_an_order(vocab, count):
    torch.manual_seed(vocab)
    logits = torch.randn(5, vocab)
    logits[1, : vocab - 3] = -torch.inf
    values, places = largest(logits, count)
    expected = logits.topk(count, dim=1)
    assert torch.equal(values, expected.values)
    assert torch.equal(logits.gather(1, places), values)
    assert all(len(set(row)) == count for row in places.tolist())
    assert torch.equal(places[0], expected.indices[0])


def test_a_state_is_picked_through_all_its_nests():
    x = torch.arange(6.0).view(3, 2)
    state = {"a": (x, [x + 10]), "b": Fixed([x]), "c": None}
    rows = torch.tensor([2, 0, 2])
    picked = pick(state, rows)
    assert torch.equal(picked["a"][0], x[[2, 0, 2]])
    assert torch.equal(picked["a"][1][0], x[[2, 0, 2]] + 10)
    assert torch.equal(picked["b"][0], x[[2, 0, 2]])
    assert isinstance(picked["b"], Fixed)
    assert picked["c"] is None
    assert pick(state, rows, fixed=False)["b"][0] is x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width: expected a beam of at least 1, got 0"),
        ({"length": 0}, "length: expected a whole number of at least 1, got 0"),
        ({"best": 0}, "best: expected a whole number of at least 1, got 0"),
        ({"alpha": -1.0}, "alpha: expected a number of at least 0"),
        ({"alpha": float("nan")}, "alpha: expected a number of at least 0"),
    ],
)
def test_a_search_that_can_not_be_is_said(changes, message):
    with pytest.raises(InputError, match=message):
        beam(Model(), first(1), Model().start(1), **{"end": END, "length": 3, **changes})


def test_other_bad_input_of_a_search_is_said():
    with pytest.raises(UnknownNameError, match="unknown penalty 'gmnt'; did you mean 'gnmt'"):
        beam(Model(), first(1), Model().start(1), end=END, length=3, penalty="gmnt")
    with pytest.raises(InputError, match=r"first: expected \(rows, steps\) with at least one token"):
        beam(Model(), first(1)[:, :0], Model().start(1), end=END, length=3)
    with pytest.raises(InputError, match="length: expected at most 1,048,576 beginnings, got 1 × 3"):
        exhaustive(Model(), first(1), Model().start(1), end=END, length=20)
