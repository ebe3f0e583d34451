import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fathom.ops.activations import log_softmax, relu, sigmoid, softmax

values = arrays("float64", (3, 5), elements=st.floats(-1e4, 1e4)).map(torch.from_numpy)


@settings(deadline=None)
@given(x=values)
def test_rows_of_a_softmax_sum_to_one(x):
    y = softmax(x, 1)
    torch.testing.assert_close(y.sum(1), torch.ones(3, dtype=torch.float64))
    assert (y >= 0).all()


@settings(deadline=None)
@given(x=values, shift=st.floats(-100, 100))
def test_a_shift_changes_no_softmax(x, shift):
    torch.testing.assert_close(softmax(x + shift, 1), softmax(x, 1), rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(x=values)
def test_log_softmax_is_finite_where_softmax_underflows(x):
    y = log_softmax(x, 1)
    assert y.isfinite().all()
    torch.testing.assert_close(y.exp(), softmax(x, 1))


@settings(deadline=None)
@given(x=values)
def test_sigmoid_and_its_derivative_equal_torchs_far_out(x):
    for function in (sigmoid, torch.sigmoid):
        y = function(x.requires_grad_())
        gradient = torch.autograd.grad(y.sum(), x)[0]
        if function is sigmoid:
            ours, ours_gradient = y, gradient
    torch.testing.assert_close(ours, y)
    torch.testing.assert_close(ours_gradient, gradient)


def test_sigmoid_of_float32_has_a_derivative_where_exp_overflows():
    x = torch.tensor([-200.0, 0.0, 200.0], requires_grad=True)
    sigmoid(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.25, 0.0]


def test_sigmoid_can_be_differentiated_twice():
    x = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(sigmoid, x)


def test_relu_at_zero_and_nan_is_torchs():
    x = torch.tensor([-1.0, -0.0, 0.0, 2.0, torch.nan, torch.inf, -torch.inf], requires_grad=True)
    gradients = []
    for function in (relu, torch.relu):
        y = function(x)
        gradients.append(torch.autograd.grad(y[[0, 1, 2, 3, 5, 6]].sum(), x)[0])
        torch.testing.assert_close(y, torch.relu(x), equal_nan=True)
    torch.testing.assert_close(*gradients)
