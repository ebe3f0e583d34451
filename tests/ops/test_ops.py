import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.activations import log_softmax, sigmoid, softmax
from fathom.ops.convolution import conv2d
from fathom.ops.dropout import dropout
from fathom.ops.losses import cross_entropy
from fathom.ops.pooling import avg_pool2d, max_pool2d

small = st.integers(1, 3)


def loop_conv2d(x, weight, bias, stride, padding, dilation, groups):
    """The definition, one number at a time."""
    batch, channels, height, width = x.shape
    out_channels, share, rows, columns = weight.shape
    padded = x.new_zeros(batch, channels, height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = x
    out_height = (height + 2 * padding - dilation * (rows - 1) - 1) // stride + 1
    out_width = (width + 2 * padding - dilation * (columns - 1) - 1) // stride + 1
    y = x.new_zeros(batch, out_channels, out_height, out_width)
    for n, o, i, j in itertools.product(*map(range, y.shape)):
        total = bias[o].clone()
        first = o // (out_channels // groups) * share
        for c, a, b in itertools.product(range(share), range(rows), range(columns)):
            total += weight[o, c, a, b] * padded[n, first + c, i * stride + a * dilation, j * stride + b * dilation]
        y[n, o, i, j] = total
    return y


@settings(max_examples=25, deadline=None)
@given(
    groups=st.integers(1, 2),
    share=st.integers(1, 2),
    rows=small,
    columns=small,
    stride=small,
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    height=st.integers(5, 7),
    width=st.integers(5, 7),
)
def test_convolution_equals_the_loop(groups, share, rows, columns, stride, padding, dilation, height, width):
    torch.manual_seed(0)
    x = torch.randn(2, groups * share, height, width, dtype=torch.float64)
    weight = torch.randn(2 * groups, share, rows, columns, dtype=torch.float64)
    bias = torch.randn(2 * groups, dtype=torch.float64)
    ours = conv2d(x, weight, bias, stride, padding, dilation, groups)
    torch.testing.assert_close(ours, loop_conv2d(x, weight, bias, stride, padding, dilation, groups))


@settings(max_examples=25, deadline=None)
@given(rows=small, columns=small, stride=small, height=st.integers(3, 7), width=st.integers(3, 7))
def test_pooling_equals_the_loop(rows, columns, stride, height, width):
    x = torch.randn(2, 3, height, width, dtype=torch.float64)
    averages, largest = avg_pool2d(x, (rows, columns), stride), max_pool2d(x, (rows, columns), stride)
    for i, j in itertools.product(range(averages.shape[2]), range(averages.shape[3])):
        window = x[:, :, i * stride : i * stride + rows, j * stride : j * stride + columns]
        torch.testing.assert_close(averages[:, :, i, j], window.mean((2, 3)))
        assert torch.equal(largest[:, :, i, j], window.amax((2, 3)))


@given(values=st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=9), shift=st.floats(-1e4, 1e4))
def test_softmax_sums_to_one_and_does_not_see_a_shift(values, shift):
    x = torch.tensor([values], dtype=torch.float64)
    assert softmax(x, 1).sum().item() == pytest.approx(1)
    torch.testing.assert_close(softmax(x + shift, 1), softmax(x, 1), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_softmax(x, 1).exp(), softmax(x, 1))


@pytest.mark.parametrize("value", [-1e5, -745.0, 0.0, 745.0, 1e5])
def test_sigmoid_overflows_nowhere(value):
    x = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    y = sigmoid(x)
    y.backward()
    torch.testing.assert_close(y, torch.sigmoid(x))
    assert math.isfinite(x.grad.item())


def test_cross_entropy_of_far_logits_is_finite():
    logits = torch.tensor([[1e4, -1e4]])
    assert cross_entropy(logits, torch.tensor([0])).item() == 0
    assert cross_entropy(logits, torch.tensor([1])).item() == 2e4


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(0)
    y = dropout(torch.ones(100_000), 0.3)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert y.mean().item() == pytest.approx(1, abs=0.01)  # six standard errors
    assert torch.equal(dropout(y, 0.3, training=False), y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv2d(torch.zeros(1, 3, 5, 5), torch.zeros(2, 2, 3, 3)), "expected .batch, 2, height, width., got"),
        (lambda: conv2d(torch.zeros(1, 2, 2, 2), torch.zeros(2, 2, 3, 3)), "3"),
        (lambda: avg_pool2d(torch.zeros(1, 1, 1, 1), 2), "2"),
    ],
)
def test_a_shape_that_does_not_fit_is_one_line(call, message):
    with pytest.raises((ShapeError, InputError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
