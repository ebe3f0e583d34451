"""Every row of the update rules: a hundred steps equal the framework's, in parameters and state."""

import dataclasses

import pytest
import torch

from fathom import models, optim
from fathom.layers.engine import NotCarried
from fathom.optim.optimizers import OPTIMIZERS
from fathom.optim.problems import quadratic
from fathom.optim.twins import SETTINGS, compare, table, trajectory

PAIRS = table(lambda: models.create("lenet"))
QUADRATIC = [pair for pair in PAIRS if "LeNet" not in pair.name]
LENET = [pair for pair in PAIRS if "LeNet" in pair.name]
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])


def rows(pairs):
    return pytest.mark.parametrize("pair", pairs, ids=lambda pair: pair.name)


def within(row):
    assert row.output_difference <= row.tolerance
    assert row.gradient_difference <= row.tolerance


@rows(QUADRATIC)
@DTYPES
def test_scratch_equals_twin(pair, dtype):
    within(compare(pair, dtype))


@rows([pair for pair in QUADRATIC if pair.engine])
@DTYPES
def test_the_engine_equals_the_twin(pair, dtype):
    within(compare(pair, dtype, rung="numpy"))


@pytest.mark.slow
@rows(LENET)
def test_lenet_is_taught_step_for_step_alike(pair):
    within(compare(pair))


@pytest.mark.slow
@rows([pair for pair in LENET if pair.engine])
def test_lenet_is_taught_alike_by_the_engine(pair):
    within(compare(pair, rung="numpy"))


@rows([pair for pair in QUADRATIC if "beside" not in pair.name])
def test_rules_of_the_framework_are_equal_to_the_last_bit(pair):
    row = compare(pair, torch.float32)
    assert (row.output_difference, row.gradient_difference) == (0, 0)


def test_every_rule_has_a_row_on_both_problems():
    classes = {OPTIMIZERS.get(name).rule.__name__ for name in optim.optimizer_names()}
    for pairs in (QUADRATIC, LENET):
        assert {pair.layer for pair in pairs} == classes
    assert any("amsgrad" in pair.name for pair in LENET)


@pytest.mark.parametrize("entry", SETTINGS, ids=lambda entry: entry.name)
def test_a_rate_that_is_off_in_the_seventh_digit_would_show(entry):
    def off(parameters):
        optimizer = entry.ours(parameters)
        optimizer.param_groups[0]["lr"] *= 1 + 1e-7
        return optimizer

    pair = next(
        pair for pair in QUADRATIC if pair.name.startswith(f"{entry.name}{', ' if ':' in entry.name else ': '}")
    )
    assert not compare(dataclasses.replace(pair, scratch=trajectory(off, quadratic))).within


def test_what_the_engine_lacks_is_said():
    pair = next(pair for pair in QUADRATIC if pair.layer == "LAMB")
    with pytest.raises(NotCarried, match="the engine has none of its own"):
        compare(pair, rung="numpy")
