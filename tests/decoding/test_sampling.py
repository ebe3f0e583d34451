import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.decoding import Sampler, generate, greedy, probabilities
from fathom.errors import InputError

rows = st.lists(st.integers(-50, 50), min_size=7, max_size=7, unique=True).map(
    lambda row: torch.tensor([row]).double() / 10
)
quick = settings(deadline=None, max_examples=60)


def by_hand(logits, temperature, top_k, top_p):
    """The definition, element by element."""
    weights = [math.exp(logit / temperature) for logit in logits]
    order = sorted(range(len(weights)), key=lambda place: -weights[place])[: top_k or None]
    total, kept, mass = sum(weights[place] for place in order), [], 0.0
    for place in order:
        if mass < top_p:
            kept.append(place)
        mass += weights[place] / total
    whole = sum(weights[place] for place in kept)
    return [weights[place] / whole if place in kept else 0.0 for place in range(len(weights))]


@quick
@given(rows, st.floats(0.2, 3), st.integers(0, 9), st.floats(0.05, 1))
def test_the_distribution_is_its_definition(logits, temperature, top_k, top_p):
    expected = torch.tensor(by_hand(logits[0].tolist(), temperature, top_k, top_p))
    torch.testing.assert_close(probabilities(logits, temperature, top_k, top_p)[0], expected.double())


@quick
@given(rows)
def test_the_first_one_and_a_small_nucleus_are_greedy(logits):
    assert Sampler(top_k=1)(logits) == greedy(logits)
    assert Sampler(top_p=1e-9)(logits) == greedy(logits)
    assert Sampler(temperature=1e-9)(logits) == greedy(logits)


def test_tokens_come_as_often_as_they_are_probable():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    drawn = Sampler(0.7, generator=torch.Generator().manual_seed(0))(logits.expand(20_000, -1))
    shares = torch.bincount(drawn, minlength=4) / 20_000
    torch.testing.assert_close(shares, probabilities(logits, 0.7)[0], atol=0.011, rtol=0)  # three standard deviations


def test_one_seed_draws_one_sequence():
    logits = torch.randn(5, 11)
    samplers = [Sampler(generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(samplers[0](logits), samplers[1](logits))


def counting(tokens, state):
    """After a token comes the one after it; the state is how many have been taken in."""
    return torch.nn.functional.one_hot((tokens[:, -1] + 1) % 7, 7).float(), (state or 0) + tokens.shape[1]


def test_a_prefix_is_taken_in_whole_and_then_one_token_at_a_time():
    seen = []

    def step(tokens, state):
        seen.append(tokens.tolist())
        return counting(tokens, state)

    assert generate(step, torch.tensor([[1, 2], [4, 5]]), 3).tolist() == [[3, 4, 5], [6, 0, 1]]
    assert seen == [[[1, 2], [4, 5]], [[3], [6]], [[4], [0]]]


def test_a_row_that_ended_stays_ended_and_all_ended_stop():
    assert generate(counting, torch.tensor([[2], [0]]), 9, end=4).tolist() == [[3, 4, 4, 4], [1, 2, 3, 4]]


def test_nothing_is_added_to_nothing():
    assert generate(counting, torch.tensor([[2]]), 0).shape == (1, 0)
    with pytest.raises(InputError, match="prefix: expected at least one token"):
        generate(counting, torch.zeros(1, 0, dtype=torch.long), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature: expected a number above 0, got 0"),
        ({"temperature": math.nan}, "temperature: expected a number above 0, got nan"),
        ({"top_k": -1}, "top_k: expected a whole number from 0"),
        ({"top_p": 0.0}, "top_p: expected a probability 0 < p <= 1, got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        probabilities(torch.zeros(1, 3), **options)
