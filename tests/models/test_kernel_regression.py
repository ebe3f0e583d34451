"""Attention with a learnt width: on every rung, left-out examples, and the minimum that SciPy finds."""

import numpy as np
import pytest
import torch

from fathom import autograd, data, layers, models
from fathom.autograd import nn as engine_nn
from fathom.errors import InputError, ShapeError
from fathom.models.kernel_regression import KernelRegression
from fathom.ops.kernel_regression import left_out_error, nadaraya_watson


def examples(count=7):
    random = np.random.default_rng(0)
    return random.standard_normal((count, 2)), random.standard_normal((count, 3))


@pytest.mark.parametrize("namespace", [torch.nn, layers], ids=["torch", "scratch"])
def test_in_use_it_is_the_regression_with_its_width(namespace):
    keys, values = examples()
    model = KernelRegression(keys, values, nn=namespace).eval()
    x, keys, values = torch.randn(5, 2), torch.tensor(keys).float(), torch.tensor(values).float()
    torch.testing.assert_close(model(x), nadaraya_watson(x, keys, values, model.width))


def test_in_training_no_example_sees_itself():
    keys, values = examples()
    model = KernelRegression(keys, values).double()
    told = model(model.keys)
    torch.testing.assert_close(
        (told - model.values).square().mean(), left_out_error(model.keys, model.values, model.width)
    )


def test_the_engine_gives_the_same_values_and_gradient():
    keys, values = examples()
    ours, theirs = KernelRegression(keys, values, nn=engine_nn), KernelRegression(keys, values)
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    x = keys[:5].astype(np.float32)
    mine, other = ours(autograd.Tensor(x)), theirs(torch.from_numpy(x))
    np.testing.assert_allclose(mine.array, other.detach().numpy(), rtol=1e-5, atol=1e-6)
    (mine**2).sum().backward()
    (other**2).sum().backward()
    np.testing.assert_allclose(ours.weight.grad.array, theirs.weight.grad.numpy(), rtol=1e-4)


def test_gradient_descent_finds_the_width_that_scipys_search_finds():
    optimize = pytest.importorskip("scipy.optimize")
    x, y = (data.load("noisy-curve").tensors[name] for name in ("x", "y"))
    found = optimize.minimize_scalar(lambda width: left_out_error(x, y, width).item(), bounds=(0.05, 0.5))
    torch.manual_seed(0)
    model = models.on_rung(KernelRegression, "scratch", keys=x.numpy(), values=y.numpy())
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe", max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert model.width == pytest.approx(found.x, rel=0.01)


def test_examples_that_do_not_fit_are_refused():
    with pytest.raises(
        ShapeError, match=r"expected keys \(keys, in_features\) and values .* got \(7, 2\) and \(5, 3\)"
    ):
        KernelRegression(examples()[0], examples(5)[1])
    with pytest.raises(InputError, match="keys: expected a whole number of at least 2, got 1"):
        KernelRegression(*examples(1))
