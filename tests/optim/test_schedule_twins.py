"""Schedules, clipping and averages from scratch equal the framework's, step for step."""

import pytest
import torch

from fathom import optim
from fathom.models.lenet import lenet
from fathom.optim.schedule_twins import PAIRS, schedules
from fathom.optim.twins import compare, network

by_name = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)


@by_name
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_scratch_equals_twin(pair, dtype):
    row = compare(pair, dtype)
    assert row.output_difference <= row.tolerance
    assert row.gradient_difference <= row.tolerance


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.engine], ids=lambda pair: pair.name)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_the_engine_equals_the_twin(pair, dtype):
    row = compare(pair, dtype, rung="numpy")
    assert row.output_difference <= row.tolerance
    assert row.gradient_difference <= row.tolerance


def test_every_schedule_and_average_has_a_row():
    rows = {pair.layer for pair in PAIRS}
    assert {*optim.schedule_names(), *optim.average_names(), "clip_grad_norm_", "clip_grad_value_"} <= rows


@pytest.mark.parametrize("name", ["factor", "cosine-restarts", "plateau"])
def test_a_row_would_notice_another_option(name):
    rows = [pair for pair in PAIRS if pair.layer == name]
    first, second = (row.scratch(torch.float64)[0][0] for row in rows[:2])
    assert float((first - second).abs().max()) > 1e-3


TAUGHT = {pair.layer: pair for pair in schedules(network(lenet, (1, 28, 28), 10, batch=2))}


@pytest.mark.slow
@pytest.mark.parametrize("pair", TAUGHT.values(), ids=TAUGHT)
def test_a_lenet_under_it_ends_in_the_same_weights(pair):
    assert compare(pair).within
