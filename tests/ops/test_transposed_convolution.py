import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.convolution import conv2d
from fathom.ops.transposed_convolution import conv_transpose2d

small = st.integers(1, 3)


def by_stamps(x, weight, stride, padding, output_padding, groups, dilation):
    """The definition: every pixel puts the kernel, times itself, into the output."""
    batch, in_channels, height, width = x.shape
    _, group_channels, rows, columns = weight.shape
    whole_height, whole_width = (
        (size - 1) * stride + dilation * (kernel - 1) + 1 for size, kernel in ((height, rows), (width, columns))
    )
    shape = (batch, groups * group_channels, whole_height + output_padding, whole_width + output_padding)
    y = torch.zeros(shape, dtype=x.dtype)
    for c, o, i, j in itertools.product(range(in_channels), range(group_channels), range(height), range(width)):
        channel = c // (in_channels // groups) * group_channels + o
        for a, b in itertools.product(range(rows), range(columns)):
            y[:, channel, i * stride + a * dilation, j * stride + b * dilation] += x[:, c, i, j] * weight[c, o, a, b]
    return y[:, :, padding : y.shape[2] - padding, padding : y.shape[3] - padding]


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(3, 5),
    width=st.integers(3, 5),
    rows=small,
    columns=small,
    stride=small,
    padding=st.integers(0, 1),
    output_padding=st.integers(0, 2),
    groups=st.integers(1, 2),
    dilation=small,
)
def test_transposed_convolution_stamps(height, width, rows, columns, stride, padding, output_padding, groups, dilation):
    output_padding = min(output_padding, max(stride, dilation) - 1)
    x = torch.randn(2, 2 * groups, height, width, dtype=torch.float64)
    weight = torch.randn(2 * groups, 3, rows, columns, dtype=torch.float64)
    settings = (stride, padding, output_padding, groups, dilation)
    torch.testing.assert_close(conv_transpose2d(x, weight, None, *settings), by_stamps(x, weight, *settings))


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(5, 9),
    width=st.integers(5, 9),
    kernel=small,
    stride=small,
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 2),
)
def test_transposed_convolution_is_the_adjoint_of_convolution(height, width, kernel, stride, padding, dilation, groups):
    x = torch.randn(2, 3 * groups, height, width, dtype=torch.float64)
    weight = torch.randn(2 * groups, 3, kernel, kernel, dtype=torch.float64)
    forward = conv2d(x, weight, None, stride, padding, dilation, groups)
    y = torch.randn(forward.shape, dtype=torch.float64)
    left_over = tuple(
        (size + 2 * padding - dilation * (kernel - 1) - 1) % stride for size in (height, width)
    )  # pixels that no window of the convolution reached
    if max(left_over) >= max(stride, dilation):
        return
    back = conv_transpose2d(y, weight, None, stride, padding, left_over, groups, dilation)
    torch.testing.assert_close((forward * y).sum(), (x * back).sum())


def test_output_padding_beyond_stride_and_dilation_is_refused():
    with pytest.raises(InputError, match=r"output_padding: expected less than the stride \(2, 2\) or the dilation"):
        conv_transpose2d(torch.zeros(1, 2, 3, 5), torch.zeros(2, 3, 2, 2), stride=2, output_padding=2)


def test_padding_that_leaves_no_pixel_is_refused():
    with pytest.raises(ShapeError, match=r"padding: expected less than would cut off all of the \(2, 2\) pixels"):
        conv_transpose2d(torch.zeros(1, 2, 1, 1), torch.zeros(2, 3, 2, 2), padding=1)


def test_other_channels_are_refused():
    with pytest.raises(ShapeError, match=r"x: expected \(batch, 2, height, width\), got \(1, 3, 5, 7\)"):
        conv_transpose2d(torch.zeros(1, 3, 5, 7), torch.zeros(2, 3, 2, 2))
