"""What convolution is: a sparse matrix with tied weights, equivariant to shifts, and for 1×1 a dense layer a pixel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.ops.convolution import conv2d
from fathom.ops.pooling import max_pool2d


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def as_matrix(weight, height, width, stride, padding):
    """`(outputs, inputs)`: entry by entry, which weight of the kernel stands between an output and an input."""
    out_channels, in_channels, rows, columns = weight.shape
    out_height = (height + 2 * padding - rows) // stride + 1
    out_width = (width + 2 * padding - columns) // stride + 1
    matrix = torch.zeros(out_channels, out_height, out_width, in_channels, height, width, dtype=weight.dtype)
    which = torch.full(matrix.shape, -1)  # of the weights, -1 for none
    numbers = torch.arange(weight.numel()).reshape(weight.shape)
    for i in range(out_height):
        for j in range(out_width):
            for a in range(rows):
                for b in range(columns):
                    y, x = i * stride + a - padding, j * stride + b - padding
                    if 0 <= y < height and 0 <= x < width:
                        matrix[:, i, j, :, y, x] = weight[:, :, a, b]
                        which[:, i, j, :, y, x] = numbers[:, :, a, b]
    outputs = out_channels * out_height * out_width
    return matrix.reshape(outputs, -1), which.reshape(outputs, -1), (out_channels, out_height, out_width)


sizes = {
    "channels": st.tuples(st.integers(1, 3), st.integers(1, 3)),
    "image": st.tuples(st.integers(3, 7), st.integers(3, 7)),
    "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
    "stride": st.integers(1, 3),
    "padding": st.integers(0, 2),
    "seed": st.integers(0, 99),
}


@settings(max_examples=30, deadline=None)
@given(**sizes)
def test_convolution_is_a_sparse_matrix_with_tied_weights(channels, image, kernel, stride, padding, seed):
    x, weight = drawn(seed, 2, channels[0], *image), drawn(seed + 1, channels[1], channels[0], *kernel)
    matrix, which, shape = as_matrix(weight, *image, stride, padding)
    torch.testing.assert_close(conv2d(x, weight, None, stride, padding), (x.flatten(1) @ matrix.T).reshape(2, *shape))
    assert ((matrix != 0) == (which >= 0)).all()
    assert (which >= 0).sum(1).max() <= channels[0] * kernel[0] * kernel[1]


@settings(max_examples=20, deadline=None)
@given(**sizes)
def test_a_tied_weights_gradient_is_the_sum_over_its_places_in_the_matrix(
    channels, image, kernel, stride, padding, seed
):
    x, weight = drawn(seed, 2, channels[0], *image), drawn(seed + 1, channels[1], channels[0], *kernel)
    matrix, which, _ = as_matrix(weight, *image, stride, padding)
    matrix.requires_grad_()
    weight.requires_grad_()
    (x.flatten(1) @ matrix.T).sin().sum().backward()
    conv2d(x, weight, None, stride, padding).sin().sum().backward()
    tied = torch.stack([matrix.grad[which == number].sum() for number in range(weight.numel())])
    torch.testing.assert_close(weight.grad.flatten(), tied)


@settings(max_examples=20, deadline=None)
@given(shift=st.tuples(st.integers(0, 3), st.integers(0, 3)), seed=st.integers(0, 99))
def test_a_shifted_image_gives_a_shifted_map(shift, seed):
    down, right = shift
    x, weight = drawn(seed, 1, 2, 11, 13), drawn(seed + 1, 3, 2, 3, 5)
    moved = conv2d(x[..., down:, right:], weight)
    torch.testing.assert_close(moved, conv2d(x, weight)[..., down:, right:])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), batch=st.integers(1, 3), channels=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_one_by_one_is_a_dense_layer_at_every_pixel(seed, batch, channels):
    x, weight, bias = (
        drawn(seed, batch, channels[0], 5, 7),
        drawn(seed + 1, channels[1], channels[0]),
        drawn(seed + 2, channels[1]),
    )
    dense = torch.nn.functional.linear(x.movedim(1, -1), weight, bias).movedim(-1, 1)
    torch.testing.assert_close(conv2d(x, weight[:, :, None, None], bias), dense)


def test_channels_are_convolved_one_by_one_and_added():
    x, weight = drawn(0, 2, 3, 7, 11), drawn(1, 5, 3, 3, 2)
    one_by_one = sum(conv2d(x[:, c : c + 1], weight[:, c : c + 1]) for c in range(3))
    torch.testing.assert_close(conv2d(x, weight), one_by_one)


def test_the_kernel_of_a_row_of_convolutions_is_the_convolution_of_their_kernels():
    x, first, second = drawn(0, 1, 1, 11, 13), drawn(1, 1, 1, 3, 3), drawn(2, 1, 1, 3, 3)
    both = conv2d(first, second.flip(2, 3), None, 1, 2)
    torch.testing.assert_close(conv2d(conv2d(x, first), second), conv2d(x, both))


@pytest.mark.parametrize("shift", [0, 1])
def test_pooling_forgives_a_shift_within_its_windows(shift):
    x = torch.zeros(1, 1, 4, 6)
    x[..., 2, 2 + shift] = 1
    assert torch.equal(max_pool2d(x, 2).nonzero(), torch.tensor([[0, 0, 1, 1]]))
