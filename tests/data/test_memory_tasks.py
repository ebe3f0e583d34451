"""What memory tasks show and ask, row by row; batches of one length; what can't be is told."""

import pytest
import torch

from fathom import data
from fathom.data.by_length import BatchesByLength
from fathom.errors import InputError


def rows(name, **options):
    spelled = "".join(f",{key}={value}" for key, value in options.items())
    found = data.load(f"{name}{spelled}")
    return found, zip(found.tensors["x"], found.tensors["y"], strict=True)


def test_a_copy_asks_what_was_shown_after_the_sign():
    found, pairs = rows("copy", length=5, bits=3, examples=40)
    lengths = set()
    for x, y in pairs:
        sign = int(x[:, 3].argmax())
        lengths.add(sign)
        assert x[:, 3].sum() == 1
        assert torch.equal(y[sign + 1 : 2 * sign + 1], x[:sign, :3])
        assert not x[sign + 1 :].any()
        assert (y[: sign + 1] == -1).all()
        assert (y[2 * sign + 1 :] == -1).all()
    assert lengths == {1, 2, 3, 4, 5}
    assert found.about["length"] == 5


def test_a_repeated_copy_asks_as_often_as_told_and_then_the_end():
    _, pairs = rows("repeat-copy", length=3, bits=2, repeats=4, examples=60)
    seen = set()
    for x, y in pairs:
        sign = int(x[:, 2].argmax())
        times = round(float(x[sign, 3]) * 5)
        seen.add((sign, times))
        end = sign + 1 + sign * times
        assert torch.equal(y[sign + 1 : end, :2], x[:sign, :2].repeat(times, 1))
        assert not y[sign + 1 : end, 2].any()
        assert y[end].tolist() == [0, 0, 1]
        assert (y[end + 1 :] == -1).all()
    assert {times for _, times in seen} == {1, 2, 3, 4}


def test_recall_asks_for_the_item_after_the_one_shown_again():
    _, pairs = rows("associative-recall", length=4, bits=7, examples=40)
    for x, y in pairs:
        begin, end = x[:, 8].nonzero()[:, 0].tolist()
        items = x[:begin, :7].view(-1, 4, 7)
        assert torch.equal(x[:begin, 7].view(-1, 4), torch.tensor([1.0, 0, 0, 0]).expand(begin // 4, 4))
        (place,) = [number for number, item in enumerate(items) if torch.equal(item[1:], x[begin + 1 : end, :7])]
        asked = y[(y >= 0).any(dim=1)]
        assert torch.equal(asked, items[place + 1, 1:])
        assert torch.equal((y >= 0).any(dim=1).nonzero()[:, 0], torch.tensor([end + 1, end + 2, end + 3]))


def test_all_of_one_length_if_the_shortest_is_the_longest():
    _, pairs = rows("copy", length=4, shortest=4, examples=7)
    assert {int(x[:, 8].argmax()) for x, _ in pairs} == {4}


def test_splits_and_seeds_differ_and_come_again():
    first, again = (data.load("copy,examples=11").tensors["x"] for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, data.load("copy,examples=11", "test").tensors["x"])
    assert not torch.equal(first, data.load("copy,examples=11,seed=1").tensors["x"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("copy,shortest=7,length=5", "copy: shortest: expected a number from 1 to 5, got 7"),
        ("associative-recall,shortest=1", "associative-recall: shortest: expected a number from 2 to 6, got 1"),
        ("repeat-copy,repeats=2,fewest=3", "repeat-copy: fewest: expected a number from 1 to 2, got 3"),
        ("copy,bits=0", "copy: bits: expected a whole number from 1"),
    ],
)
def test_sizes_that_can_not_be_are_told(name, message):
    with pytest.raises(InputError, match=message):
        data.load(name)


# --- batches of one length ------------------------------------------------------------------------------------------


def by_length(**options):
    lengths = torch.tensor([5, 2, 3, 2, 5, 3, 2])
    x = torch.arange(7)[:, None].expand(7, 5)
    return BatchesByLength(x, lengths=lengths, batch_size=2, **options)


def test_rows_of_like_length_come_together_cut_to_the_longest():
    seen = [part for (part,) in by_length()]
    assert sorted(part.shape[1] for part in seen) == [2, 3, 5, 5]
    assert sorted(number for part in seen for number in part[:, 0].tolist()) == list(range(7))


def test_every_epoch_has_an_order_of_its_own_that_can_be_gone_on_with():
    batches = by_length(seed=1)
    epochs = [[part[0, 0].item() for (part,) in batches] for _ in range(5)]
    assert len({tuple(epoch) for epoch in epochs}) > 1
    half = by_length(seed=1)
    begun = iter(half)
    first = [next(begun)[0][0, 0].item() for _ in range(2)]
    other = by_length(seed=1)
    other.load_state_dict(half.state_dict())
    assert first + [part[0, 0].item() for (part,) in other] == epochs[0]
    assert [part[0, 0].item() for (part,) in other] == epochs[1]


def test_a_limit_leaves_batches_out():
    batches = by_length(limit=3)
    assert len(batches) == len(list(batches)) == 3
    assert batches.examples == 6
