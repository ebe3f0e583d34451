"""Residual and dense blocks, and small networks of them, on three rungs in double precision."""

from functools import partial

import numpy as np
import pytest
import torch

from fathom import autograd, layers, models
from fathom.models.densenet import DenseLayer, DenseNet, transition
from fathom.models.resnet import BasicBlock, Bottleneck, ResNet

SHAPE = (3, 5, 6, 7)  # of the blocks' input
BLOCKS = {
    "basic, identity": partial(BasicBlock, 5, 5),
    "basic, option A": partial(BasicBlock, 5, 7, 2, shortcut="A"),
    "basic, option B": partial(BasicBlock, 5, 7, 2, shortcut="B"),
    "basic, option C": partial(BasicBlock, 5, 5, shortcut="C"),
    "basic, plain": partial(BasicBlock, 5, 7, 2, shortcut="none"),
    "basic, book": partial(BasicBlock, 5, 7, 2, variant="book"),
    "bottleneck": partial(Bottleneck, 5, 3, 2),
    "bottleneck, paper": partial(Bottleneck, 5, 3, 2, variant="paper"),
    "bottleneck, groups": partial(Bottleneck, 5, 32, 2, groups=4, width_per_group=6),
    "dense": partial(DenseLayer, 5, 3),
    "dense, book": partial(DenseLayer, 5, 3, variant="book"),
    "transition": lambda nn=torch.nn: transition(5, 3, False, nn),
    "residual network": lambda nn=torch.nn: ResNet(partial(BasicBlock, nn=nn), (1, 2), 5, 11, width=3, nn=nn),
    "residual network, small stem": lambda nn=torch.nn: ResNet(
        partial(Bottleneck, shortcut="A", nn=nn), (1, 1), 5, 11, stem="small", width=2, nn=nn
    ),
    "dense network": lambda nn=torch.nn: DenseNet((2, 1), 3, 5, 11, nn=nn),
}


def run(build, rung, training, shape):
    """The output, and the gradients of the input and of every parameter."""
    torch.manual_seed(0)
    model = models.on_rung(build, rung).double().train(training)
    values = np.random.default_rng(0).normal(size=shape)
    x = autograd.from_numpy(values) if rung == "numpy" else torch.from_numpy(values)
    x.requires_grad_()
    y = model(x)
    y.sin().sum().backward()
    names, parameters = zip(*model.named_parameters(), strict=True)
    return y.detach().numpy(), {
        name: tensor.grad.numpy() for name, tensor in zip(("x", *names), (x, *parameters), strict=True)
    }


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", BLOCKS)
def test_values_and_gradients_are_equal_on_three_rungs(name, training):
    shape = (3, 5, 31, 37) if "network" in name else SHAPE
    theirs, gradients = run(BLOCKS[name], "torch", training, shape)
    for rung in ("scratch", "numpy"):
        ours, found = run(BLOCKS[name], rung, training, shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        assert found.keys() == gradients.keys()
        for key, gradient in gradients.items():
            np.testing.assert_allclose(found[key], gradient, rtol=1e-10, atol=1e-10, err_msg=f"{rung} {key}")


def test_running_statistics_are_equal_on_three_rungs():
    states = []
    for rung in layers.RUNGS:
        torch.manual_seed(0)
        model = models.on_rung(partial(BasicBlock, 5, 7, 2), rung).double()
        values = np.random.default_rng(0).normal(size=SHAPE)
        model(autograd.from_numpy(values) if rung == "numpy" else torch.from_numpy(values))
        states.append({key: np.asarray(value) for key, value in model.state_dict().items()})
    assert all(state.keys() == states[0].keys() for state in states)
    for key in states[0]:
        for state in states[1:]:
            np.testing.assert_allclose(state[key], states[0][key], rtol=1e-12, atol=1e-14)
