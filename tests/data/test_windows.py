import itertools

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fathom.data.windows import Windows
from fathom.errors import InputError, ShapeError


def windows(length=100, **options):
    tokens = torch.arange(length + 1, dtype=torch.int16)
    return Windows(tokens[:-1], tokens[1:], **options)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(20, 200),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from(["random", "sequential", "fixed"]),
    st.integers(0, 9),
)
def test_no_step_comes_twice_in_an_epoch_and_each_is_followed_by_the_next(length, batch, steps, sampling, seed):
    assume(length >= (batch + 1) * steps)  # a shorter text is refused
    seen = []
    for x, y in windows(length, batch_size=batch, steps=steps, sampling=sampling, seed=seed):
        assert x.shape == y.shape == (batch, steps)
        assert x.dtype == torch.int64
        assert torch.equal(x + 1, y)
        assert torch.equal(x, x[:, :1] + torch.arange(steps))
        seen += x.flatten().tolist()
    assert len(set(seen)) == len(seen)
    assert len(seen) > length - steps - batch * (steps + 1)


@pytest.mark.parametrize("sampling", ["sequential", "fixed"])
def test_in_sequence_a_row_goes_on_where_it_stopped(sampling):
    batches = [x for x, _ in windows(batch_size=3, steps=7, sampling=sampling)]
    assert len(batches) == 4
    for before, after in itertools.pairwise(batches):
        assert torch.equal(after[:, 0], before[:, -1] + 1)


def test_epochs_are_cut_elsewhere_and_seeds_repeat():
    first, again, other = (windows(batch_size=2, steps=11, seed=seed) for seed in (3, 3, 4))
    one, two = ([x for x, _ in first] for _ in range(2))
    assert not torch.equal(one[0], two[0])
    assert torch.equal(next(iter(again))[0], one[0])
    assert not torch.equal(next(iter(other))[0], one[0])


def test_a_saved_place_goes_on_with_the_next_batch():
    whole, stopped = windows(batch_size=2, steps=5), windows(batch_size=2, steps=5)
    expected = [x for _ in range(2) for x, _ in whole]
    seen = []
    for x, _ in stopped:
        seen.append(x)
        if len(seen) == 4:
            break
    resumed = windows(batch_size=2, steps=5)
    resumed.load_state_dict(stopped.state_dict())
    seen += [x for _ in range(2) for x, _ in resumed]
    assert all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))


def test_a_limit_takes_so_many_batches():
    limited = windows(batch_size=2, steps=5, limit=3)
    assert len(list(limited)) == len(limited) == 3
    assert limited.examples == 6


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(InputError, match="expected at least 30 tokens for 2 windows of 10 steps, got 21"):
        windows(20, batch_size=2, steps=10)
    with pytest.raises(InputError, match="sampling: expected random, sequential or fixed, got 'other'"):
        windows(batch_size=2, steps=10, sampling="other")
    with pytest.raises(InputError, match="expected a position from 0 to 4, got 9"):
        windows(batch_size=2, steps=10).load_state_dict({"epoch": 0, "position": 9})
    with pytest.raises(ShapeError, match="expected tensors of one length"):
        Windows(torch.arange(5), torch.arange(4), batch_size=1, steps=1)
