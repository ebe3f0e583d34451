import numpy as np
import pytest
import torch

from fathom import data, optim
from fathom.errors import InputError
from fathom.recipes.weight_decay import HESSIAN, OPTIMUM, Config, build, groups, quadratic, run, shrunk_optimum, task


def settings(**changes):
    return Config(device="cpu", threads=1, **changes)


@pytest.fixture(scope="module")
def compared():
    return run(settings())


def test_without_decay_training_examples_are_learned_by_heart(compared):
    assert compared.metrics["train_decay_0_loss"] < 0.001
    assert compared.metrics["test_decay_0_loss"] > 10


def test_with_decay_test_examples_go_better(compared):
    assert compared.metrics["test_decay_3_loss"] < 0.1 * compared.metrics["test_decay_0_loss"]


def test_decay_keeps_the_weights_small(compared):
    assert compared.metrics["decay_3_norm"] < 0.1 * compared.metrics["decay_0_norm"]
    assert compared.metrics["decay_0_norm"] == pytest.approx(13.26, rel=0.15)  # the book's; other random numbers
    assert compared.metrics["decay_3_norm"] == pytest.approx(0.3655, rel=0.3)


def test_the_models_start_from_the_same_weights():
    torch.manual_seed(0)
    first, second = build(settings(), {"example_shape": [7]}).models
    assert torch.equal(first[0].weight, second[0].weight)
    assert first[0].bias.item() == second[0].bias.item() == 0


def test_one_update_is_the_gradient_of_the_error_and_of_the_penalty():
    torch.manual_seed(0)
    config = settings(decays=(0.0, 3.0))
    about = {"example_shape": [7]}
    x, y = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
    model = build(config, about).double()
    before = [(line[0].weight.detach().clone(), line[0].bias.detach().clone()) for line in model.models]
    optimizer = optim.create("sgd", groups(config, model), lr=0.1)
    task(config, about).loss(model(x), y).backward()
    optimizer.step()
    for (w, b), line, decay in zip(before, model.models, config.decays, strict=True):
        off = x @ w.T + b - y  # of ½ mean(off²) + λ/2 ||w||², with no penalty on the bias
        torch.testing.assert_close(line[0].weight, w - 0.1 * ((off * x).mean(0, keepdim=True) + decay * w))
        torch.testing.assert_close(line[0].bias, b - 0.1 * off.mean(0))


def test_the_shrunk_optimum_has_no_gradient_left():
    for decay in (0.0, 0.3, 3.0):
        w = shrunk_optimum(HESSIAN, OPTIMUM, decay)
        np.testing.assert_allclose(HESSIAN @ (w - OPTIMUM) + decay * w, 0, atol=1e-12)
    np.testing.assert_allclose(shrunk_optimum(HESSIAN, OPTIMUM, 0.0), OPTIMUM)


def test_the_loss_that_is_drawn_is_the_quadratic_form():
    w = np.array([0.7, -0.2])
    expected = 0.5 * (w - OPTIMUM) @ HESSIAN @ (w - OPTIMUM)
    assert quadratic(np.array([w[0]]), np.array([w[1]])) == pytest.approx(expected)


def test_any_decays_may_be_compared():
    result = run(settings(decays=(0.5, 10.0, 0.0), epochs=1))
    assert {"decay_0.5_norm", "decay_10_norm", "test_decay_0_loss"} <= result.metrics.keys()


@pytest.mark.parametrize("decays", [(), (1.0, 1.0), (-1.0,), (float("nan"),), (float("inf"),)])
def test_decays_that_make_no_sense_are_refused(decays):
    with pytest.raises(InputError, match="--decays: expected different numbers of at least 0"):
        settings(decays=decays)


def test_the_data_have_more_inputs_than_examples():
    train = data.load(settings().data)
    assert train.tensors["x"].shape == (20, 200)
