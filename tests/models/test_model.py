import copy
import pickle

import numpy as np
import pytest
import torch

import fathom.autograd
import fathom.autograd.nn
import fathom.layers
from fathom.models.model import Model, concatenate

NAMESPACES = [torch.nn, fathom.layers, fathom.autograd.nn]
on_each_rung = pytest.mark.parametrize("nn", NAMESPACES, ids=["torch", "scratch", "numpy"])


class Dense(Model):
    """Two maps of the input beside the input, times a constant."""

    def __init__(self, features: int, growth: int = 3, *, nn=torch.nn):
        super().__init__()
        self.first = nn.Linear(features, growth)
        self.second = Residual(growth, nn=nn)
        self.constant("factors", np.linspace(1, 2, features + 2 * growth, dtype=np.float32))

    def forward(self, x):
        y = self.first(x).relu()
        return concatenate([x, y, self.second(y)], dim=1) * self.factors


class Residual(Model):
    def __init__(self, features: int, *, nn=torch.nn):
        super().__init__()
        self.linear = nn.Linear(features, features)

    def forward(self, x):
        return x + self.nn.functional.tanh(self.linear(x))


class Wider(Residual):
    def __init__(self, features: int, *, nn=torch.nn):
        super().__init__(features, nn=nn)
        self.more = nn.Linear(features, 2 * features)

    def forward(self, x):
        return self.more(super().forward(x))


def tensor(nn, shape=(5, 7)):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return fathom.autograd.from_numpy(x) if nn is fathom.autograd.nn else torch.from_numpy(x)


@on_each_rung
def test_it_is_a_module_of_its_namespace_and_what_it_was_written_as(nn):
    model = Dense(7, nn=nn)
    assert isinstance(model, Dense)
    assert isinstance(model, nn.Module)
    assert isinstance(model.second, Residual)
    assert repr(model).startswith("Dense(\n  (first): Linear(")


@on_each_rung
def test_there_is_one_class_for_each_model_and_namespace(nn):
    assert type(Dense(7, nn=nn)) is type(Dense(5, nn=nn))
    assert type(Residual(7, nn=nn)) is not type(Dense(7, nn=nn))


def test_without_a_namespace_it_is_torchs():
    assert type(Dense(7)) is type(Dense(7, nn=torch.nn))


@on_each_rung
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_are_of_the_same_class_and_give_the_same(nn, duplicate):
    model, x = Dense(7, nn=nn), tensor(nn)
    other = duplicate(model)
    assert type(other) is type(model)
    assert other.first.weight is not model.first.weight
    assert np.array_equal(other(x).detach().numpy(), model(x).detach().numpy())


@on_each_rung
def test_a_model_may_derive_from_a_model(nn):
    model = Wider(7, nn=nn)
    assert isinstance(model, Residual)
    assert pickle.loads(pickle.dumps(model))(tensor(nn)).shape == (5, 14)


@on_each_rung
def test_a_constant_is_no_part_of_the_state(nn):
    model = Dense(7, nn=nn)
    assert list(model.state_dict()) == ["first.weight", "first.bias", "second.linear.weight", "second.linear.bias"]
    assert model.double().factors.dtype in (torch.float64, np.float64)


def test_losses_and_gradients_are_equal_on_three_rungs():
    torch.manual_seed(0)
    reference = Dense(7).double()
    state = {name: value.numpy() for name, value in reference.state_dict().items()}
    losses, gradients = [], []
    for nn in NAMESPACES:
        model = Dense(7, nn=nn).double()
        model.load_state_dict(state if nn is fathom.autograd.nn else reference.state_dict())
        loss = model(tensor(nn).double()).square().mean()
        loss.backward()
        losses.append(loss.item())
        gradients.append(np.concatenate([p.grad.numpy().ravel() for p in model.parameters()]))
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-14)
    for other in gradients[1:]:
        np.testing.assert_allclose(other, gradients[0], rtol=1e-12, atol=1e-14)


def test_its_signature_is_its_constructors():
    import inspect

    assert list(inspect.signature(Dense).parameters) == ["features", "growth", "nn"]


@pytest.mark.slow
def test_export_holds():
    model, x = Dense(7).eval(), tensor(torch.nn)
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))


@pytest.mark.slow
@pytest.mark.parametrize("nn", NAMESPACES[:2], ids=["torch", "scratch"])
def test_compile_holds(nn):
    model, x = Dense(7, nn=nn), tensor(nn)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)  # no compiler needed, no break in the graph
    torch.testing.assert_close(compiled(x), model(x))
