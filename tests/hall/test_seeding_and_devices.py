import random

import numpy as np
import pytest
import torch

from fathom import devices
from fathom.errors import DeviceError
from fathom.seeding import RandomStates, generator, seed_everything
from fathom.train import load_checkpoint, save_checkpoint


def draw():
    return random.random(), np.random.rand(), np.random.randn(), torch.rand(3).tolist()  # noqa: NPY002


def test_one_seed_gives_one_sequence():
    seed_everything(5)
    first = draw()
    seed_everything(5)
    assert draw() == first


def test_random_states_go_on_where_they_were_saved(tmp_path):
    seed_everything(5)
    draw()
    save_checkpoint(tmp_path / "x.safetensors", RandomStates().state_dict())
    expected = draw()
    seed_everything(6)
    RandomStates().load_state_dict(load_checkpoint(tmp_path / "x.safetensors"))
    assert draw() == expected


def test_every_stream_of_a_seed_is_its_own():
    def numbers(*stream):
        return torch.rand(4, generator=generator(*stream)).tolist()

    assert numbers(0, 1) == numbers(0, 1)
    assert len({tuple(numbers(*stream)) for stream in [(0,), (0, 1), (1, 0), (1,), (0, 2)]}) == 5


def test_auto_takes_the_best_there_is():
    assert devices.choose("auto").type == devices.available()[0]
    assert devices.choose("cpu") == torch.device("cpu")


def test_an_unknown_device_is_said():
    with pytest.raises(DeviceError, match="unknown device 'gpu'; expected auto, cuda"):
        devices.choose("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_said():
    with pytest.raises(DeviceError, match=r"no cuda device here, only .*cpu"):
        devices.choose("cuda")


def test_a_device_number_that_is_not_there_is_said():
    with pytest.raises(DeviceError, match="no device 'cpu:1': this machine has 1 of kind cpu"):
        devices.choose("cpu:1")
