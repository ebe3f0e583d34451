"""Cuts at random have no bias: over all ways to cut, exactly; over many draws, within the standard error."""

import itertools

import pytest
import torch

from fathom.errors import InputError
from fathom.recipes import truncated_bptt as bptt
from fathom.recipes.common import rivals
from fathom.recipes.truncated_bptt import Truncated

STEPS, BATCH, SPAN = 6, 2, 3


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    config = bptt.Config(hidden_size=5, steps=STEPS, span=SPAN)
    net = Truncated(rivals.reader(config, 7, 7, cell="rnn").tagger, 7, "random", SPAN).double()
    with torch.no_grad():
        net.tagger.recurrent.weight_hh_l0.mul_(3)  # so that far steps count
    return net, torch.randint(7, (BATCH, STEPS)), torch.randint(7, (BATCH, STEPS))


def test_the_mean_over_all_ways_to_cut_is_the_whole_gradient(parts):
    net, x, y = parts
    mean, together = 0.0, 0.0
    for kept in itertools.product((False, True), repeat=STEPS - 1):  # both rows cut alike: their gradients just add
        kept = torch.tensor(kept)
        chance = torch.where(kept, 1 - 1 / SPAN, 1 / SPAN).double().prod()
        factors = (kept / (1 - 1 / SPAN))[:, None].expand(STEPS - 1, BATCH)
        mean = mean + chance * bptt.gradient(net, x, y, range(1, STEPS), factors)
        together += float(chance)
    assert together == pytest.approx(1)
    torch.testing.assert_close(mean, bptt.whole_gradient(net, x, y), rtol=1e-6, atol=1e-8)  # factors are float32


def test_the_mean_over_many_draws_is_the_whole_gradient_and_that_of_regular_cuts_is_not(parts):
    net, x, y = parts
    torch.manual_seed(1)
    drawn, whole = bptt.random_gradients(net, x, y, SPAN, 400), bptt.whole_gradient(net, x, y)
    error = drawn.std(dim=0) / 400**0.5
    assert ((drawn.mean(dim=0) - whole).abs() <= 5 * error + 1e-12).all()
    regular = bptt.regular_gradient(net, x, y, SPAN)
    assert ((regular - whole).abs() > 5 * error + 1e-12).any()


def test_factors_have_mean_one_and_the_stated_share_is_cut():
    torch.manual_seed(0)
    factors = bptt.random_cuts(1000, 11, 4)
    assert factors.shape == (10, 1000)
    assert (factors == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert factors.mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("cuts", ["full", "regular", "random"])
def test_cuts_change_no_value(parts, cuts):
    net, x, _ = parts
    other = Truncated(net.tagger, 7, cuts, SPAN)
    torch.testing.assert_close(other.train()(x), other.eval()(x))


def test_regular_cuts_are_those_of_a_detached_state(parts):
    net, x, y = parts
    state, logits = None, []
    for start in range(0, STEPS, SPAN):
        told, state = net.tagger(net.encode(x[:, start : start + SPAN]), state)
        logits.append(told)
        state = state.detach()
    loss = torch.nn.functional.cross_entropy(torch.cat(logits, dim=1).transpose(1, 2), y)
    expected = torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(net.parameters()))])
    torch.testing.assert_close(bptt.regular_gradient(net, x, y, SPAN), expected)


def test_a_span_of_all_steps_cuts_nothing(parts):
    net, x, y = parts
    torch.testing.assert_close(bptt.regular_gradient(net, x, y, STEPS), bptt.whole_gradient(net, x, y))


def test_a_span_out_of_range_is_refused():
    with pytest.raises(InputError, match="--span: expected from 2 to 40, the value of --steps, got 1"):
        bptt.Config(span=1)
