import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom import optim
from fathom.errors import UnknownNameError

names = st.sampled_from(optim.schedule_names())


@given(total=st.integers(1, 50), warmup=st.integers(0, 20), step=st.integers(0, 200), name=names)
def test_every_factor_lies_between_0_and_1(total, warmup, step, name):
    assert 0 <= optim.create_schedule(name, total, warmup)(step) <= 1


def test_cosine_equals_torch():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=13)
    ours = optim.create_schedule("cosine", 13)
    for step in range(13):
        assert ours(step) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


def test_warm_up_rises_to_one_and_the_end_is_zero():
    schedule = optim.create_schedule("linear", 10, warmup_steps=4)
    assert [schedule(step) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert schedule(10) == 0


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        optim.create("adan", [torch.zeros(1)], lr=0.1)


@pytest.mark.parametrize("name", optim.optimizer_names())
def test_every_optimizer_goes_downhill(name):
    point = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = optim.create(name, [point], lr=0.05)
    values = []
    for _ in range(50):
        optimizer.zero_grad()
        value = (point**2).sum()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]
    assert math.isfinite(values[-1])
