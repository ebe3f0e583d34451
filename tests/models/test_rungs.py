import pytest
import torch

from fathom import layers, models
from fathom.errors import UnknownNameError
from fathom.models.lenet import lenet

MODELS = {"lenet": (1, 28, 28), "linear_regression": (2,), "mlp": (1, 28, 28), "softmax_regression": (1, 28, 28)}
of_each = pytest.mark.parametrize(("name", "example"), MODELS.items())


@of_each
def test_the_rung_changes_nothing_that_is_drawn_after_building(name, example):
    after = []
    for rung in ("torch", "scratch"):
        torch.manual_seed(0)
        models.on_rung(name, rung)
        after.append(torch.rand(3))
    assert torch.equal(*after)


@of_each
def test_on_rung_scratch_every_parameter_gets_a_gradient(name, example):
    model = models.on_rung(name, "scratch")
    model(torch.randn(3, *example)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@of_each
def test_on_rung_scratch_a_batch_of_one_gives_the_same_numbers(name, example):
    model, x = models.on_rung(name, "scratch").double().eval(), torch.randn(3, *example, dtype=torch.float64)
    torch.testing.assert_close(torch.cat([model(one[None]) for one in x]), model(x))


def test_dropout_draws_the_same_on_both_rungs():
    outputs = []
    for rung in ("torch", "scratch"):
        torch.manual_seed(0)
        model = models.on_rung("mlp", rung, dropout=(0.5,)).double()
        outputs.append(model(torch.ones(3, 1, 28, 28, dtype=torch.float64)))
    torch.testing.assert_close(*outputs, rtol=1e-12, atol=1e-12)


def test_a_constructor_does_as_well_as_a_name():
    assert isinstance(models.on_rung(lenet, "scratch", num_classes=3)[0], layers.Conv2d)


def test_an_unknown_rung_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="unknown rung 'scrach'; did you mean 'scratch'"):
        models.on_rung("lenet", "scrach")
