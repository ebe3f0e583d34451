import pickle

import pytest
import torch

from fathom import layers
from fathom.errors import InputError, ShapeError, UnknownNameError


def test_a_linear_layer_names_the_width_it_expects():
    with pytest.raises(ShapeError, match=r"x: expected \(\.\.\., 5\), got \(2, 3\)"):
        layers.Linear(5, 7)(torch.zeros(2, 3))


def test_groups_must_divide_both_channel_counts():
    with pytest.raises(InputError, match="groups: expected a number that divides in_channels=3 and out_channels=4"):
        layers.Conv2d(3, 4, 3, groups=2)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_dropout_takes_a_probability(p):
    with pytest.raises(InputError, match="p: expected a probability from 0 to 1"):
        layers.Dropout(p)


def test_dropout_of_everything_leaves_zeros():
    assert not layers.Dropout(1.0)(torch.ones(5)).any()


def test_dropout_keeps_the_mean():
    torch.manual_seed(0)
    y = layers.Dropout(0.3)(torch.ones(100_000))
    assert y.mean().item() == pytest.approx(1.0, abs=0.01)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.7])


@pytest.mark.parametrize(("rung", "module"), [("torch", torch.nn), ("scratch", layers)])
def test_a_rung_has_its_namespace(rung, module):
    assert layers.namespace(rung) is module


def test_an_unknown_rung_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="unknown rung 'torhc'; did you mean 'torch'"):
        layers.namespace("torhc")


def test_a_model_from_scratch_can_be_pickled_and_compared():
    model = layers.Sequential(layers.Conv2d(1, 2, 3), layers.ReLU(), layers.Flatten(), layers.Linear(2 * 3 * 5, 3))
    copy = pickle.loads(pickle.dumps(model))
    x = torch.randn(2, 1, 5, 7)
    torch.testing.assert_close(copy(x), model(x), rtol=0, atol=0)
    assert "in_features=30" in repr(model)
