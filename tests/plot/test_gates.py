import numpy as np
import pytest
from matplotlib.image import imread

from fathom.errors import InputError
from fathom.plot.gates import over_steps


def test_a_map_for_each_gate_and_a_column_for_each_step(tmp_path):
    maps = {"reset": np.zeros((3, 5)), "update": np.ones((3, 5))}
    both = imread(over_steps(tmp_path / "both.png", maps, "a bcd"))
    one = imread(over_steps(tmp_path / "one.png", {"reset": maps["reset"]}, "a bcd"))
    assert both.shape[0] > 1.5 * one.shape[0]


def test_as_many_steps_as_names_are_needed(tmp_path):
    with pytest.raises(InputError, match=r"expected reset as \(units, 4\), got \(3, 5\)"):
        over_steps(tmp_path / "x.png", {"reset": np.zeros((3, 5))}, "abcd")
    with pytest.raises(InputError, match="expected at least one map"):
        over_steps(tmp_path / "x.png", {}, "abcd")
