"""Batches of pairs: every pair once, little padding, given one step behind target, the place put back."""

import functools
from itertools import pairwise

import pytest
import torch

from fathom import data
from fathom.data import batches as plain
from fathom.data.pair_batches import PairBatches
from fathom.data.pairs import BOS, EOS, PAD
from fathom.errors import InputError


@functools.cache
def numbers():
    return data.load("number-words,pairs=97,test=0")


def rebuilt(source, source_length, given, target):
    """The pairs of a batch as tuples of their own tokens."""
    targets = [tuple(row[row != PAD].tolist()) for row in target]
    return [(tuple(row[:n].tolist()), y) for row, n, y in zip(source, source_length.tolist(), targets, strict=True)]


def every_pair():
    tensors = [numbers().tensors[name] for name in ("x", "y", "x_length", "y_length")]
    rows = zip(*(tensor.tolist() for tensor in tensors), strict=True)
    return sorted((tuple(x[:n]), tuple(y[:m])) for x, y, n, m in rows)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 7},
        {"batch_size": 7, "shuffle": True},
        {"batch_size": 13, "by_length": False, "shuffle": True},
        {"batch_size": 1},
        {"batch_size": 1000},
        {"tokens": 61},
        {"tokens": 61, "shuffle": True},
        {"tokens": 1},
    ],
)
def test_an_epoch_has_every_pair_once_cut_to_the_longest(options):
    batches = PairBatches(numbers(), **options)
    found = list(batches)
    assert sorted(pair for batch in found for pair in rebuilt(*batch)) == every_pair()
    assert len(found) == len(batches)
    assert batches.examples == 97
    for source, source_length, given, target in found:
        assert source.dtype == source_length.dtype == given.dtype == target.dtype == torch.int64
        assert source.shape[1] == source_length.max()
        assert target.shape == given.shape
        assert (target[:, -1] != PAD).any()
        assert (target == EOS).sum(dim=1).eq(1).all()


def test_what_is_given_is_the_target_one_step_later():
    for _, _, given, target in PairBatches(numbers(), 5, shuffle=True):
        assert (given[:, 0] == BOS).all()
        assert torch.equal(given[:, 1:], target[:, :-1])


def test_rows_say_which_pair_is_where():
    batches = PairBatches(numbers(), 7, shuffle=True, seed=3)
    for rows, (source, source_length, _, target) in zip(batches.rows(), batches, strict=True):
        assert torch.equal(source, numbers().tensors["x"][rows, : source.shape[1]].long())
        assert torch.equal(source_length, numbers().tensors["x_length"][rows])
        assert torch.equal(target, numbers().tensors["y"][rows, : target.shape[1]].long())
    in_order = PairBatches(numbers(), 7, by_length=False)
    assert torch.cat(in_order.rows()).tolist() == list(range(97))


def test_batches_by_tokens_are_full_and_none_has_more():
    batches = list(PairBatches(numbers(), tokens=61))
    sizes = [max(source.numel(), target.numel()) for source, _, _, target in batches]
    assert max(sizes) <= 61
    for (source, _, _, target), (more, _, _, more_target) in pairwise(batches):
        added = max(int((more[0] != PAD).sum()), int((more_target[0] != PAD).sum()))
        assert (len(source) + 1) * max(source.shape[1], target.shape[1], added) > 61  # one more would not have fitted


def test_like_lengths_together_take_less_padding():
    def padding(**options):
        return sum(int((target == PAD).sum()) for *_, target in PairBatches(numbers(), 8, shuffle=True, **options))

    assert padding() < padding(by_length=False) / 4


def test_epochs_differ_and_a_seed_gives_the_same_ones_again():
    def two_epochs(seed):
        batches = PairBatches(numbers(), 8, shuffle=True, seed=seed)
        orders = []
        for _ in range(2):
            orders.append(torch.cat(batches.rows()).tolist())
            list(batches)
        return orders

    assert two_epochs(1) == two_epochs(1)
    assert two_epochs(1)[0] != two_epochs(1)[1]
    assert two_epochs(1) != two_epochs(2)
    in_order = PairBatches(numbers(), 8)
    assert [target.tolist() for *_, target in in_order] == [target.tolist() for *_, target in in_order]


@pytest.mark.parametrize("options", [{"batch_size": 8}, {"tokens": 61}])
def test_a_place_that_was_saved_is_gone_on_from(options):
    whole = PairBatches(numbers(), shuffle=True, **options)
    list(whole)
    second = list(whole)
    stopped = PairBatches(numbers(), shuffle=True, **options)
    list(stopped)
    for count, _ in enumerate(stopped, 1):
        if count == 3:
            break
    state = stopped.state_dict()
    assert state == {"epoch": 1, "position": 3}
    again = PairBatches(numbers(), shuffle=True, **options)
    again.load_state_dict(state)
    for ours, theirs in zip(again, second[3:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert again.state_dict() == {"epoch": 2, "position": 0}
    with pytest.raises(InputError, match="expected a position from 0 to"):
        again.load_state_dict({"epoch": 0, "position": 1000})


def test_a_limit_takes_some_batches_of_all_lengths():
    limited = PairBatches(numbers(), 8, shuffle=True, limit=3)
    assert (len(list(limited)), len(limited), limited.examples) == (3, 3, round(97 * 3 / 13))
    assert len({target.shape[1] for *_, target in limited}) > 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"limit": -1}, r"expected 0 \(no limit\) or more, got limit -1 and tokens 0"),
        ({"tokens": -5}, r"got limit 0 and tokens -5"),
        ({"tokens": 9, "by_length": False}, "tokens: expected by_length=True"),
    ],
)
def test_numbers_out_of_range_are_refused(options, reason):
    with pytest.raises(InputError, match=reason):
        PairBatches(numbers(), **options)


def test_their_state_is_that_of_other_batches():
    assert PairBatches(numbers(), 8).state_dict() == plain.Batches(numbers().tensors["x"], batch_size=8).state_dict()
