import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.errors import InputError, ShapeError
from fathom.ops.losses import cross_entropy, mse_loss


@settings(deadline=None, max_examples=30)
@given(batch=st.integers(1, 7), classes=st.integers(2, 5), smoothing=st.floats(0, 1))
def test_classes_and_their_one_hot_probabilities_cost_the_same(batch, classes, smoothing):
    logits = torch.randn(batch, classes, dtype=torch.float64)
    target = torch.randint(classes, (batch,))
    one_hot = torch.eye(classes, dtype=torch.float64)[target]
    torch.testing.assert_close(
        cross_entropy(logits, target, label_smoothing=smoothing),
        cross_entropy(logits, one_hot, label_smoothing=smoothing),
    )


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes():
    assert cross_entropy(torch.zeros(3, 10), torch.tensor([0, 5, 9])).item() == pytest.approx(math.log(10))


def test_huge_logits_overflow_nothing():
    logits = torch.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([2]))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert logits.grad.isfinite().all()


def test_an_ignored_target_changes_neither_loss_nor_gradient():
    logits = torch.randn(3, 5, requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([1, -100, 4]))
    loss.backward()
    torch.testing.assert_close(loss, cross_entropy(logits[[0, 2]], torch.tensor([1, 4])))
    assert not logits.grad[1].any()


@pytest.mark.parametrize("target", [torch.zeros(2, dtype=torch.long), torch.zeros(3, 1, dtype=torch.long)])
def test_targets_of_another_shape_are_refused(target):
    with pytest.raises(ShapeError, match=r"target: expected \(3,\) of int"):
        cross_entropy(torch.zeros(3, 5), target)


def test_mse_refuses_what_would_broadcast():
    with pytest.raises(ShapeError, match=r"target: expected the shape of the predictions, \(3, 1\), got \(3,\)"):
        mse_loss(torch.zeros(3, 1), torch.zeros(3))


def test_an_unknown_reduction_is_refused():
    with pytest.raises(InputError, match="reduction: expected 'mean', 'sum' or 'none', got 'average'"):
        mse_loss(torch.zeros(3), torch.zeros(3), reduction="average")


def test_smoothing_beyond_one_is_refused():
    with pytest.raises(InputError, match="label_smoothing: expected a share from 0 to 1"):
        cross_entropy(torch.zeros(3, 5), torch.zeros(3, dtype=torch.long), label_smoothing=1.5)
