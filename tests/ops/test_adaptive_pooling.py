import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.pooling import adaptive_avg_pool2d, avg_pool2d


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 9), width=st.integers(1, 9), rows=st.integers(1, 9), columns=st.integers(1, 9))
def test_every_window_is_the_mean_from_floor_to_ceiling(height, width, rows, columns):
    x = torch.randn(2, height, width, dtype=torch.float64)
    y = adaptive_avg_pool2d(x, (rows, columns))
    assert y.shape == (2, rows, columns)
    for i in range(rows):
        for j in range(columns):
            top, bottom = math.floor(i * height / rows), math.ceil((i + 1) * height / rows)
            left, right = math.floor(j * width / columns), math.ceil((j + 1) * width / columns)
            torch.testing.assert_close(y[:, i, j], x[:, top:bottom, left:right].mean((1, 2)))


def test_a_size_that_divides_gives_plain_pooling():
    x = torch.randn(2, 3, 6, 10, dtype=torch.float64)
    torch.testing.assert_close(adaptive_avg_pool2d(x, (3, 2)), avg_pool2d(x, (2, 5)))


def test_infinity_stays_in_its_window():
    x = torch.zeros(1, 4, 4)
    x[0, 0, 0] = math.inf
    assert adaptive_avg_pool2d(x, 2).isfinite().sum() == 3


@pytest.mark.parametrize("size", [0, (1, 2, 3), 1.5, ("a", 1)])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(InputError, match="output_size: expected"):
        adaptive_avg_pool2d(torch.zeros(1, 4, 4), size)


def test_a_row_of_numbers_is_no_image():
    with pytest.raises(ShapeError, match=r"x: expected \(\.\.\., height, width\), got \(5,\)"):
        adaptive_avg_pool2d(torch.zeros(5), 1)
