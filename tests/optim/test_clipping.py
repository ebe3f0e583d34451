import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fathom import autograd, optim
from fathom.autograd import nn as engine
from fathom.errors import FathomError, InputError

quick = settings(max_examples=30)
numbers = st.lists(st.floats(-1e3, 1e3, width=32, allow_subnormal=False), min_size=1, max_size=20)
limits = st.floats(0, 1e3, width=32, allow_subnormal=False)


def parameter(gradient):
    made = nn.Parameter(torch.zeros(len(gradient), dtype=torch.float64))
    made.grad = torch.tensor(gradient, dtype=torch.float64)
    return made


@quick
@given(first=numbers, second=numbers, limit=limits)
def test_the_clipped_norm_is_within_the_limit_and_the_direction_stays(first, second, limit):
    parameters = [parameter(first), parameter(second)]
    before = torch.cat([p.grad.clone() for p in parameters])
    norm = optim.clip_grad_norm_(parameters, limit)
    after = torch.cat([p.grad for p in parameters])
    assert norm == pytest.approx(float(before.norm()))
    assert float(after.norm()) <= limit + 1e-9
    if norm <= limit - 1e-6:
        assert torch.equal(after, before)
    torch.testing.assert_close(after * before.norm(), before * after.norm())


@quick
@given(gradient=numbers, limit=limits)
def test_clipping_by_value_twice_is_clipping_once(gradient, limit):
    one = parameter(gradient)
    optim.clip_grad_value_(one, limit)
    once = one.grad.clone()
    assert once.tolist() == [min(max(number, -limit), limit) for number in gradient]
    optim.clip_grad_value_([one], limit)
    assert torch.equal(one.grad, once)


@quick
@given(gradient=numbers, limit=limits)
def test_the_engine_clips_by_value_alike(gradient, limit):
    ours, theirs = engine.Parameter(autograd.Tensor([0.0] * len(gradient)).array), parameter(gradient)
    ours.grad = autograd.Tensor(gradient)
    engine.clip_grad_value_([ours, engine.Parameter(autograd.Tensor([0.0]).array)], limit)
    optim.clip_grad_value_(theirs, limit)
    torch.testing.assert_close(torch.from_numpy(ours.grad.numpy()).double(), theirs.grad, rtol=1e-6, atol=0)


def test_parameters_without_gradients_are_passed_over():
    bare = nn.Parameter(torch.zeros(3))
    assert optim.clip_grad_norm_([bare], 1.0) == 0
    optim.clip_grad_value_([bare], 1.0)
    assert bare.grad is None


def test_gradients_of_different_dtypes_have_one_norm():
    half, whole = (nn.Parameter(torch.zeros(1, dtype=dtype)) for dtype in (torch.bfloat16, torch.float32))
    half.grad, whole.grad = torch.tensor([3.0], dtype=torch.bfloat16), torch.tensor([4.0])
    assert optim.clip_grad_norm_([half, whole], 1.0) == 5
    assert (half.grad.dtype, whole.grad.item()) == (torch.bfloat16, pytest.approx(0.8))


def test_a_norm_that_is_not_finite_is_refused_when_asked():
    one = parameter([1.0, float("inf")])
    with pytest.raises(FathomError, match="the gradients' norm is inf; lower the learning rate"):
        optim.clip_grad_norm_(one, 1.0, error_if_nonfinite=True)
    assert one.grad.tolist() == [1.0, float("inf")]


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_a_limit_below_0_is_refused(limit):
    with pytest.raises(InputError, match="max_norm, norm_type: expected at least 0 and above 0, got"):
        optim.clip_grad_norm_(parameter([1.0]), limit)
    with pytest.raises(InputError, match="clip_value: expected a number at least 0, got"):
        optim.clip_grad_value_(parameter([1.0]), limit)
