"""Kernel regression against loops, against SciPy and NumPy where they have the same, and laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError, UnknownNameError
from fathom.ops.kernel_regression import KERNELS, kernel_weights, left_out_error, nadaraya_watson

laws = settings(max_examples=20, deadline=None)
FORMULAS = {
    "gaussian": lambda u: math.exp(-u * u / 2),
    "boxcar": lambda u: float(abs(u) <= 1),
    "epanechnikov": lambda u: max(0.0, 1 - u * u),
}


def numbers(*shape):
    return torch.randn(shape, dtype=torch.float64)


@pytest.mark.parametrize("kernel", KERNELS)
@laws
@given(seed=st.integers(0, 10_000), width=st.floats(0.3, 3.0))
def test_it_is_its_formula_in_loops(kernel, seed, width):
    torch.manual_seed(seed)
    queries, keys, values = numbers(3, 2), numbers(7, 2), numbers(7, 5)
    expected = torch.zeros(3, 5, dtype=torch.float64)
    for i, query in enumerate(queries):
        powers = [FORMULAS[kernel](math.dist(query, key) / width) for key in keys]
        for power, value in zip(powers, values, strict=True):
            expected[i] += power / (sum(powers) or 1.0) * value
    torch.testing.assert_close(nadaraya_watson(queries, keys, values, width, kernel), expected)


def test_a_boxcar_on_a_grid_is_numpys_moving_average():
    x, y = torch.arange(11.0).double()[:, None], numbers(11, 1)
    moving = np.convolve(y[:, 0], np.ones(5), "valid") / 5
    ours = nadaraya_watson(x, x, y, 2.5, "boxcar")[2:-2, 0]
    np.testing.assert_allclose(ours, moving)


def test_a_gaussian_is_scipys_filter_where_there_is_no_border():
    filters = pytest.importorskip("scipy.ndimage")
    x, y = torch.arange(101.0).double()[:, None], numbers(101, 1)
    filtered = filters.gaussian_filter1d(y[:, 0].numpy(), 3.0, truncate=12)
    np.testing.assert_allclose(nadaraya_watson(x, x, y, 3.0)[40:61, 0], filtered[40:61], rtol=1e-9)


@laws
@given(seed=st.integers(0, 10_000))
def test_a_wide_kernel_gives_the_mean_and_a_narrow_one_the_nearest_value(seed):
    torch.manual_seed(seed)
    queries, keys, values = numbers(3, 2), numbers(7, 2), numbers(7, 5)
    mean = values.mean(0).expand(3, -1)
    torch.testing.assert_close(nadaraya_watson(queries, keys, values, 1e6), mean)
    nearest = values[torch.cdist(queries, keys).argmin(1)]
    torch.testing.assert_close(nadaraya_watson(queries, keys, values, 1e-5), nearest)


def test_out_of_reach_of_all_keys_there_is_nothing():
    weights = kernel_weights(torch.tensor([[0.0], [9.0]]), torch.tensor([[0.1], [0.2], [-3.0]]), 1.0, "boxcar")
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]))


def test_the_left_out_error_is_that_of_as_many_regressions():
    keys, values = numbers(7, 2), numbers(7, 3)
    errors = []
    for left in range(7):
        rest = [place for place in range(7) if place != left]
        told = nadaraya_watson(keys[[left]], keys[rest], values[rest], 0.7)
        errors.append((told - values[left]).square().mean())
    torch.testing.assert_close(left_out_error(keys, values, 0.7), torch.stack(errors).mean())


def test_wrong_input_is_refused():
    x = numbers(3, 2)
    with pytest.raises(UnknownNameError, match="unknown kernel 'gausian'; did you mean 'gaussian'"):
        kernel_weights(x, x, 1.0, "gausian")
    with pytest.raises(ShapeError, match=r"keys: expected 2 features, those of queries, got \(3, 5\)"):
        kernel_weights(x, numbers(3, 5), 1.0)
    with pytest.raises(InputError, match="width: expected a number above 0, got 0"):
        kernel_weights(x, x, 0)
