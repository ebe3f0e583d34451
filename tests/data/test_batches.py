import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.data import Batches, pixels
from fathom.data import batches as module
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


@pytest.mark.parametrize("shuffle", [False, True])
def test_pictures_kept_as_bytes_come_out_between_0_and_1(shuffle):
    x = torch.arange(7 * 3 * 5 * 2).remainder(256).to(torch.uint8).view(7, 3, 5, 2)
    numbers, letters = torch.arange(7), torch.arange(7, dtype=torch.uint8)
    for pictures, chosen, same in Batches(x, numbers, letters, batch_size=3, shuffle=shuffle):
        assert torch.equal(pictures, x[chosen].float() / 255)
        assert torch.equal(same, letters[chosen])  # bytes that are no pictures stay


def test_pixels_leave_floats_alone():
    x = torch.rand(2, 1, 3, 5)
    assert pixels(x) is x
    assert torch.equal(pixels(torch.tensor([0, 51, 255], dtype=torch.uint8)), torch.tensor([0, 0.2, 1]))


def test_tensors_go_to_the_device():
    (x,) = next(iter(Batches(torch.zeros(4), batch_size=2, shuffle=True, device="cpu")))
    assert x.device.type == "cpu"


@pytest.mark.parametrize("shuffle", [False, True])
def test_what_a_gpu_has_no_room_for_goes_there_batch_by_batch(monkeypatch, shuffle):
    monkeypatch.setattr("fathom.data.batches.placed", lambda tensor, device: tensor)  # as if there were no room
    x, y = torch.zeros(7, 3, 2, 5, dtype=torch.uint8), torch.arange(7)
    batches = Batches(x, y, batch_size=3, shuffle=shuffle, device="meta")
    assert batches.tensors[0] is x
    shapes = [(pictures.device.type, pictures.dtype, len(labels)) for pictures, labels in batches]
    assert shapes == [("meta", torch.float32, 3), ("meta", torch.float32, 3), ("meta", torch.float32, 1)]


def test_half_of_a_gpus_free_memory_is_the_most_that_is_kept_there(monkeypatch):
    monkeypatch.setattr(module, "_free", lambda device: 100)
    large = torch.zeros(51, dtype=torch.uint8)
    assert module.placed(large, "cuda") is large
    assert module.placed(large, "meta").device.type == "meta"


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
