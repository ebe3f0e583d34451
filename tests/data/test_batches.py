import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Batches
from fathom.errors import InputError, ShapeError

SIZES = st.fixed_dictionaries(
    {
        "total": st.integers(1, 40),
        "batch_size": st.integers(1, 13),
        "shuffle": st.booleans(),
        "seed": st.integers(0, 2**32 - 1),
        "limit": st.integers(0, 5),
        "drop_last": st.booleans(),
    }
)


def build(settings):
    settings = dict(settings)
    total = settings.pop("total")
    if settings["drop_last"] and total < settings["batch_size"]:
        settings["drop_last"] = False
    numbers = torch.arange(total)
    return Batches(numbers[:, None].float() * 2, numbers, **settings), total


@given(SIZES)
def test_an_epoch_loses_and_doubles_nothing(settings):
    batches, total = build(settings)
    seen = list(batches)
    numbers = torch.cat([y for _, y in seen])
    assert len(seen) == len(batches)
    assert len(numbers) == batches.examples
    assert len(set(numbers.tolist())) == len(numbers)
    if not settings["limit"] and not batches.examples < total:
        assert sorted(numbers.tolist()) == list(range(total))
    for x, y in seen:
        assert torch.equal(x[:, 0], y.float() * 2)
        assert len(y) <= settings["batch_size"]


@given(SIZES, st.integers(0, 30))
def test_resumed_equals_never_stopped(settings, stop):
    def stream(batches, count):
        taken = []
        while len(taken) < count:
            for _, y in batches:
                taken.append(y.tolist())
                if len(taken) == count:
                    break
        return taken

    whole = stream(build(settings)[0], 31)
    first, second = build(settings)[0], build(settings)[0]
    beginning = stream(first, stop)
    second.load_state_dict(first.state_dict())
    assert beginning + stream(second, 31 - stop) == whole


def test_epochs_are_different_permutations_and_the_seed_repeats_them():
    first, again, other = (Batches(torch.arange(50), batch_size=7, shuffle=True, seed=seed) for seed in (3, 3, 4))
    epochs = [[torch.cat([y for (y,) in batches]) for _ in range(3)] for batches in (first, again, other)]
    assert not torch.equal(epochs[0][0], epochs[0][1])
    assert not torch.equal(epochs[0][0], epochs[2][0])
    assert all(torch.equal(a, b) for a, b in zip(epochs[0], epochs[1], strict=True))


def test_the_batch_being_worked_on_counts_as_handed_out():
    batches = Batches(torch.arange(6), batch_size=2)
    states = [batches.state_dict() for _ in batches]
    assert states == [{"epoch": 0, "position": position} for position in (1, 2, 3)]
    assert batches.state_dict() == {"epoch": 1, "position": 0}


def test_a_state_of_the_last_step_resumes_at_the_epochs_end():
    batches = Batches(torch.arange(6), batch_size=2, shuffle=True)
    batches.load_state_dict({"epoch": 0, "position": 3})
    assert list(batches) == []
    assert len(list(batches)) == 3
    assert batches.epoch == 2


def test_without_shuffle_batches_are_views():
    x = torch.arange(6.0)
    (first,) = next(iter(Batches(x, batch_size=2)))
    assert first.data_ptr() == x.data_ptr()


def test_tensors_go_to_the_device():
    (x,) = next(iter(Batches(torch.zeros(4), batch_size=2, shuffle=True, device="cpu")))
    assert x.device.type == "cpu"


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "message"),
    [
        ((torch.zeros(3), torch.zeros(4)), {"batch_size": 2}, ShapeError, r"one length, got \[3, 4\]"),
        ((torch.zeros(3),), {"batch_size": 0}, InputError, "batch_size: expected at least 1, got 0"),
        ((torch.zeros(3),), {"batch_size": 2, "limit": -1}, InputError, "limit: expected 0"),
        ((torch.zeros(0),), {"batch_size": 2}, InputError, "there are no examples"),
        ((torch.zeros(3),), {"batch_size": 5, "drop_last": True}, InputError, "3 examples do not fill a batch of 5"),
        ((), {"batch_size": 5}, InputError, "at least one tensor"),
    ],
)
def test_wrong_arguments_are_refused(arguments, settings, error, message):
    with pytest.raises(error, match=message):
        Batches(*arguments, **settings)


@pytest.mark.parametrize("state", [{"epoch": 0, "position": 4}, {"epoch": -1, "position": 0}])
def test_a_state_of_other_batches_is_refused(state):
    with pytest.raises(InputError, match="expected a position from 0 to 3"):
        Batches(torch.arange(6), batch_size=2).load_state_dict(state)


def test_repr_says_how_many():
    assert repr(Batches(torch.zeros(1000), batch_size=32)) == "Batches(32 an epoch of 32, 1,000 examples, in order)"
