import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.padding import pad
from fathom.ops.windows import overlap_add, per_axis, taps, windows

sizes = st.integers(5, 9)
small = st.integers(1, 3)


@settings(deadline=None, max_examples=30)
@given(height=sizes, width=sizes, kernel=st.tuples(small, small), stride=st.tuples(small, small))
def test_overlap_add_is_the_adjoint_of_windows(height, width, kernel, stride):
    dilation = (2, 1)
    x = torch.randn(2, height, width, dtype=torch.float64)
    view = windows(x, kernel, stride, dilation)
    pieces = torch.randn(view.shape, dtype=torch.float64)
    back = overlap_add(pieces, (height, width), stride, dilation)
    torch.testing.assert_close((view * pieces).sum(), (x * back).sum())


def test_each_window_holds_the_entries_that_the_docstring_says():
    x = torch.arange(11.0)
    view = windows(x, (3,), (2,), (2,))
    for a in range(3):
        for i in range(view.shape[1]):
            assert view[a, i] == x[2 * i + 2 * a]


@settings(deadline=None, max_examples=30)
@given(size=sizes, kernel=small, stride=small, dilation=st.integers(1, 2))
def test_taps_are_the_windows_one_entry_at_a_time(size, kernel, stride, dilation):
    x = torch.randn(size, 3)
    expected = windows(x.T, (kernel,), (stride,), (dilation,))  # (3, kernel, counts)
    for entry, tap in enumerate(taps(x, -2, kernel, stride, dilation)):
        torch.testing.assert_close(tap.T, expected[:, entry])


def test_windows_can_be_differentiated_twice():
    x = torch.randn(2, 5, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: windows(x, (3, 2), (2, 1), (1, 2)) ** 3, x)
    assert torch.autograd.gradgradcheck(
        lambda x: overlap_add(windows(x, (3, 2), (2, 1), (1, 2)), (5, 7), (2, 1), (1, 2)) ** 3, x
    )


def test_windows_can_be_mapped_over_a_batch_by_vmap():
    x = torch.randn(3, 2, 5)
    single = torch.func.grad(lambda x: windows(x, (3,), (1,), (1,)).square().sum())
    torch.testing.assert_close(torch.func.vmap(single)(x), torch.stack([single(row) for row in x]))


def test_a_kernel_larger_than_the_signal_is_refused():
    with pytest.raises(ShapeError, match=r"x: expected at least \(5,\) along the last axes .* got \(4,\)"):
        windows(torch.zeros(2, 4), (3,), (1,), (2,))


@pytest.mark.parametrize("value", [0, (1, 2, 3), (1, 0), 1.5, "2"])
def test_a_size_that_is_no_count_for_each_axis_is_refused(value):
    with pytest.raises(InputError, match="kernel_size: expected an int of at least 1, or 2 of them"):
        per_axis(value, 2, "kernel_size")


def test_padding_puts_the_value_around():
    x = pad(torch.ones(2, 3), (1, 0), (0, 2), value=-1.0)
    assert x.tolist() == [[-1.0] * 5, [1.0] * 3 + [-1.0] * 2, [1.0] * 3 + [-1.0] * 2]
