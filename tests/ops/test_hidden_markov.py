"""Dynamic programming over a hidden chain equals the sum, and the maximum, over all chains."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import ShapeError
from fathom.ops.hidden_markov import backward_messages, forward_backward, forward_messages, viterbi

laws = settings(max_examples=15, deadline=None)
drawn = given(states=st.integers(1, 3), steps=st.integers(1, 5), seed=st.integers(0, 10_000))


def chain_model(states, steps, seed):
    torch.manual_seed(seed)
    start = torch.randn(states, dtype=torch.float64).log_softmax(0)
    transition = torch.randn(states, states, dtype=torch.float64).log_softmax(1)
    shows = torch.randn(states, 4, dtype=torch.float64).log_softmax(1)  # four things that may be seen
    return start, transition, shows[:, torch.randint(4, (steps,))].T


def every_chain(start, transition, seen):
    """ln P of each chain of states together with what was seen, one after the other."""
    steps, states = seen.shape
    found = {}
    for chain in itertools.product(range(states), repeat=steps):
        total = start[chain[0]] + sum(seen[step, state] for step, state in enumerate(chain))
        found[chain] = total + sum(transition[a, b] for a, b in itertools.pairwise(chain))
    return found


@laws
@drawn
def test_forward_backward_is_the_sum_over_all_chains(states, steps, seed):
    model = chain_model(states, steps, seed)
    found = every_chain(*model)
    posterior, total = forward_backward(*model)
    weights = torch.stack(list(found.values())).exp()
    torch.testing.assert_close(total.exp(), weights.sum())
    expected = torch.zeros(steps, states, dtype=torch.float64)
    for chain, weight in zip(found, weights, strict=True):
        expected[torch.arange(steps), list(chain)] += weight / weights.sum()
    torch.testing.assert_close(posterior, expected)


@laws
@drawn
def test_viterbi_is_the_best_of_all_chains(states, steps, seed):
    model = chain_model(states, steps, seed)
    found = every_chain(*model)
    chain, score = viterbi(*model)
    torch.testing.assert_close(score, max(found.values()))
    torch.testing.assert_close(found[tuple(chain.tolist())], score)


@laws
@drawn
def test_the_messages_meet_in_the_same_probability_at_every_step(states, steps, seed):
    model = chain_model(states, steps, seed)
    meeting = (forward_messages(*model) + backward_messages(*model)).logsumexp(dim=1)
    torch.testing.assert_close(meeting, meeting[:1].expand(steps))


def test_thousands_of_steps_do_not_underflow():
    model = chain_model(3, 5000, 0)
    posterior, total = forward_backward(*model)
    assert total < -5000
    torch.testing.assert_close(posterior.sum(dim=1), torch.ones(5000, dtype=torch.float64))


def test_what_comes_later_decides_what_was():
    """Two states that look alike at first: only the end tells them apart, which a look forwards does not know."""
    start, never = torch.tensor([0.5, 0.5]).log(), -1e9
    stay = torch.tensor([[0.0, never], [never, 0.0]])
    seen = torch.tensor([[0.0, 0.0], [0.0, 0.0], [never, 0.0]])  # the last step fits the second state alone
    posterior, _ = forward_backward(start, stay, seen)
    torch.testing.assert_close(posterior[:, 1], torch.ones(3))
    torch.testing.assert_close(forward_messages(start, stay, seen)[0].softmax(0), torch.tensor([0.5, 0.5]))


def test_shapes_that_do_not_fit_are_told():
    start, transition, seen = chain_model(3, 5, 0)
    with pytest.raises(ShapeError, match=r"expected \(states,\), \(states, states\), \(steps, states\), got \(3,\)"):
        forward_backward(start, transition[:2], seen)
    with pytest.raises(ShapeError, match="hidden Markov model: expected"):
        viterbi(start, transition, seen[:, :2])
