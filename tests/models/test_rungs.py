import numpy as np
import pytest
import torch

from fathom import autograd, layers, models
from fathom.autograd import optim
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


TRAINED = {  # arguments, shape of the input, number of classes
    "lenet_bn": ({"input_size": 16, "num_classes": 5}, (7, 1, 16, 16), 5),
    "recurrent_language_model": ({"vocab_size": 11, "cell": "gru", "hidden_size": 13, "num_layers": 2}, (3, 5), 11),
    "transformer_encoder": (
        {"vocab_size": 11, "num_classes": 5, "hidden_size": 6, "num_heads": 2, "dropout": 0.0, "causal": True},
        (3, 7),
        5,
    ),
}


@pytest.mark.parametrize("name", TRAINED)
def test_ten_updates_give_the_same_losses_on_three_rungs(name):
    arguments, shape, classes = TRAINED[name]
    random = np.random.default_rng(0)
    x = random.integers(0, 11, shape) if "vocab_size" in arguments else random.normal(size=shape)
    y = random.integers(0, classes, shape if name == "recurrent_language_model" else shape[:1])
    curves = []
    for rung in ("torch", "scratch", "numpy"):
        torch.manual_seed(0)
        model, nn = models.on_rung(name, rung, **arguments).double(), layers.namespace(rung)
        tensor = autograd.from_numpy if rung == "numpy" else torch.from_numpy
        sgd = optim.SGD if rung == "numpy" else torch.optim.SGD
        optimizer, curve = sgd(model.parameters(), lr=0.5), []
        for _ in range(10):
            output = model(tensor(x))
            logits = output[0] if isinstance(output, tuple) else output
            loss = nn.functional.cross_entropy(logits.reshape(-1, classes), tensor(y).reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        curves.append(curve)
    assert curves[0][-1] < curves[0][0]
    assert curves[1] == pytest.approx(curves[0], rel=1e-10)
    assert curves[2] == pytest.approx(curves[0], rel=1e-10)
