import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.convolution import conv1d, conv2d


def by_loops(x, weight, stride, padding, dilation, groups):
    """The definition, one output pixel at a time."""
    batch, in_channels, height, width = x.shape
    out_channels, group_channels, kernel_height, kernel_width = weight.shape
    padded = torch.zeros(batch, in_channels, height + 2 * padding, width + 2 * padding, dtype=x.dtype)
    padded[:, :, padding : padding + height, padding : padding + width] = x
    out_height = (height + 2 * padding - dilation * (kernel_height - 1) - 1) // stride + 1
    out_width = (width + 2 * padding - dilation * (kernel_width - 1) - 1) // stride + 1
    y = torch.zeros(batch, out_channels, out_height, out_width, dtype=x.dtype)
    for o in range(out_channels):
        first = o // (out_channels // groups) * group_channels
        for i in range(out_height):
            for j in range(out_width):
                for a in range(kernel_height):
                    for b in range(kernel_width):
                        entry = padded[
                            :, first : first + group_channels, i * stride + a * dilation, j * stride + b * dilation
                        ]
                        y[:, o, i, j] += entry @ weight[o, :, a, b]
    return y


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(5, 8),
    width=st.integers(5, 8),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
)
def test_conv2d_is_its_definition(height, width, kernel, stride, padding, dilation, groups):
    x = torch.randn(2, 4, height, width, dtype=torch.float64)
    weight = torch.randn(6, 4 // groups, *kernel, dtype=torch.float64)
    expected = by_loops(x, weight, stride, padding, dilation, groups)
    y = conv2d(x, weight, None, stride, padding, dilation, groups)
    torch.testing.assert_close(y, expected)


@settings(deadline=None, max_examples=25)
@given(size=st.integers(3, 9), kernel=st.integers(1, 4), dilation=st.integers(1, 2))
def test_same_padding_keeps_the_size_and_equals_torch(size, kernel, dilation):
    x = torch.randn(2, 3, size, dtype=torch.float64)
    weight = torch.randn(5, 3, kernel, dtype=torch.float64)
    y = conv1d(x, weight, padding="same", dilation=dilation)
    assert y.shape[-1] == size
    total = dilation * (kernel - 1)
    padded = torch.cat([x.new_zeros(2, 3, total // 2), x, x.new_zeros(2, 3, total - total // 2)], dim=-1)
    torch.testing.assert_close(y, torch.conv1d(padded, weight, dilation=dilation))


def test_shifting_the_image_shifts_the_map():
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    x[..., 3, 4] = 1.0
    weight = torch.randn(1, 1, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(
        conv2d(x.roll((1, 2), (2, 3)), weight, padding=1), conv2d(x, weight, padding=1).roll((1, 2), (2, 3))
    )


def test_the_books_edge_detector_finds_its_edges():
    x = torch.ones(1, 1, 6, 8)
    x[..., 2:6] = 0
    y = conv2d(x, torch.tensor([[[[1.0, -1.0]]]]))
    assert y[0, 0].tolist() == [[0, 1, 0, 0, 0, -1, 0]] * 6


def test_conv2d_can_be_differentiated_twice():
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x, w: conv2d(x, w, stride=2, padding=1) ** 2, (x, weight))


def test_an_empty_batch_gives_an_empty_batch():
    assert conv2d(torch.zeros(0, 3, 5, 7), torch.zeros(2, 3, 3, 3)).shape == (0, 2, 3, 5)


@pytest.mark.parametrize("shape", [(2, 4, 5, 7), (3, 5), (1, 2, 3, 5, 7)])
def test_other_channels_or_axes_are_refused(shape):
    with pytest.raises(ShapeError, match=r"x: expected \(batch, 3, height, width\), got"):
        conv2d(torch.zeros(shape), torch.zeros(2, 3, 3, 3))


def test_same_with_a_stride_is_refused():
    with pytest.raises(InputError, match="padding='same' keeps the size and so needs stride 1"):
        conv2d(torch.zeros(1, 3, 5, 7), torch.zeros(2, 3, 3, 3), stride=2, padding="same")


def test_an_unknown_padding_word_is_refused():
    with pytest.raises(InputError, match="padding: expected numbers, 'same' or 'valid', got 'full'"):
        conv2d(torch.zeros(1, 3, 5, 7), torch.zeros(2, 3, 3, 3), padding="full")
