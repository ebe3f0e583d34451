import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from fathom.errors import InputError, ShapeError
from fathom.ops.pooling import avg_pool2d, max_pool2d

kernels = st.tuples(st.integers(1, 3), st.integers(1, 3))
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))


def by_loops(x, kernel, stride, pool):
    height, width = x.shape[-2:]
    rows = range(0, height - kernel[0] + 1, stride[0])
    columns = range(0, width - kernel[1] + 1, stride[1])
    return torch.stack(
        [torch.stack([pool(x[..., i : i + kernel[0], j : j + kernel[1]]) for j in columns], -1) for i in rows], -2
    )


@settings(deadline=None, max_examples=30)
@given(height=st.integers(3, 9), width=st.integers(3, 9), kernel=kernels, stride=strides)
def test_pooling_is_its_definition(height, width, kernel, stride):
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    torch.testing.assert_close(
        avg_pool2d(x, kernel, stride), by_loops(x, kernel, stride, lambda window: window.mean((-2, -1)))
    )
    torch.testing.assert_close(
        max_pool2d(x, kernel, stride), by_loops(x, kernel, stride, lambda window: window.amax((-2, -1)))
    )


@settings(deadline=None, max_examples=50)
@given(height=st.integers(2, 11), width=st.integers(2, 11), kernel=kernels, stride=strides, padding=st.integers(0, 1))
def test_a_number_of_windows_is_rounded_up_as_torch_does(height, width, kernel, stride, padding):
    padding *= min(kernel) >= 2
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    try:
        expected = functional.max_pool2d(x, kernel, stride, padding, ceil_mode=True)
    except RuntimeError:
        return  # not even one window
    assert torch.equal(max_pool2d(x, kernel, stride, padding, ceil_mode=True), expected)


@settings(deadline=None, max_examples=30)
@given(kernel=kernels, stride=strides, padding=st.integers(0, 1), seed=st.integers(0, 99))
def test_ties_give_the_gradient_to_the_same_entry_as_torch(kernel, stride, padding, seed):
    if min(kernel) < 2 * padding:
        padding = 0
    generator = torch.Generator().manual_seed(seed)
    gradients = []
    for pool in (max_pool2d, functional.max_pool2d):
        x = torch.randint(0, 2, (2, 3, 7, 5), generator=generator.manual_seed(seed)).double().requires_grad_()
        y = pool(x, kernel, stride, padding)
        weights = torch.arange(1.0, y.numel() + 1, dtype=torch.float64).reshape(y.shape)
        gradients += torch.autograd.grad((y * weights).sum(), x)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("place", range(4))
def test_nan_in_a_window_is_not_hidden(place):
    x = torch.zeros(1, 1, 2, 2)
    x.view(-1)[place] = math.nan
    assert max_pool2d(x, 2).isnan().all()
    assert avg_pool2d(x, 2).isnan().all()


def test_pooling_a_constant_image_gives_the_constant():
    x = torch.full((2, 3, 7, 5), 1.5)
    assert (avg_pool2d(x, 2) == 1.5).all()
    assert (max_pool2d(x, 3, 1, 1) == 1.5).all()
    assert (avg_pool2d(x, 3, 1, 1, count_include_pad=False) == 1.5).all()


def test_too_much_padding_is_refused():
    with pytest.raises(InputError, match=r"padding: expected at most half of kernel_size \(2, 2\), got \(2, 2\)"):
        avg_pool2d(torch.zeros(1, 1, 5, 5), 2, padding=2)


def test_a_window_larger_than_the_image_is_refused():
    with pytest.raises(ShapeError, match="x: expected at least"):
        max_pool2d(torch.zeros(1, 1, 2, 5), 3)
