"""Our rules on the engine's memory."""

import numpy as np
import pytest
import torch

from fathom import autograd, optim
from fathom.autograd import nn
from fathom.autograd import optim as engine_optim
from fathom.train import engine
from fathom.train.shared_memory import SharedMemory


class Model:
    def __init__(self):
        rng = np.random.default_rng(0)
        self.own = [nn.Parameter(rng.standard_normal(shape)) for shape in ((3, 5), (), (7,))]

    def parameters(self):
        return iter(self.own)


def backward(model):
    for parameter in model.own:
        (parameter * parameter).sum().backward()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", engine_optim.SGD),
        ("sgd,momentum=0.5,weight_decay=0.1", engine_optim.SGD),
        ("nesterov", engine_optim.SGD),
        ("adam", engine_optim.Adam),
        ("adam,betas=0.8/0.9", engine_optim.Adam),
        ("sgd,maximize=true", SharedMemory),
        ("amsgrad", SharedMemory),
        ("adamw", SharedMemory),
        ("yogi", SharedMemory),
    ],
)
def test_the_engines_own_rule_is_taken_where_it_has_all_options(name, kind):
    assert type(engine.optimizer(name, Model(), 0.1)) is kind


def test_a_step_is_seen_by_the_engine_and_counted_as_a_change():
    model = Model()
    optimizer = engine.optimizer("yogi", model, 0.1, weight_decay=0.0)
    arrays = [parameter.array for parameter in model.own]
    before = [array.copy() for array in arrays]
    versions = [parameter.storage.version for parameter in model.own]
    backward(model)
    optimizer.step()
    for parameter, array, old, version in zip(model.own, arrays, before, versions, strict=True):
        assert parameter.array is array
        assert np.all(array != old)
        assert parameter.storage.version == version + 1


def test_a_graph_from_before_the_step_is_not_used_after_it():
    model = Model()
    optimizer = engine.optimizer("adamw", model, 0.1)
    late = (model.own[0] * model.own[0]).sum()
    backward(model)
    optimizer.step()
    with pytest.raises(autograd.GradientError):
        late.backward()


def test_a_parameter_without_gradient_and_a_gradient_of_one_number_everywhere_are_no_trouble():
    model = Model()
    optimizer = engine.optimizer("adagrad", model, 0.5)
    model.own[0].sum().backward()  # its gradient is a one, broadcast
    still = model.own[2].array.copy()
    before = model.own[0].array.copy()
    optimizer.step()
    np.testing.assert_allclose(model.own[0].array, before - 0.5)
    np.testing.assert_array_equal(model.own[2].array, still)
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.own)


def test_memory_that_the_model_was_given_anew_is_the_one_that_changes():
    model = Model()
    optimizer = engine.optimizer("adagrad", model, 0.5)
    model.own[2].array = np.full(7, 4.0)
    model.own[2].sum().backward()
    optimizer.step()
    np.testing.assert_allclose(model.own[2].array, 3.5)


def test_its_state_is_that_of_our_rule():
    model, tensors = Model(), [torch.nn.Parameter(torch.from_numpy(p.array.copy())) for p in Model().own]
    optimizer = engine.optimizer("lamb", model, 0.1)
    backward(model)
    optimizer.step()
    ours = optim.LAMB(tensors)
    ours.load_state_dict(optimizer.state_dict())
    assert ours.state[tensors[0]]["step"] == 1
    again = engine.optimizer("lamb", model, 0.7)
    again.load_state_dict(ours.state_dict())
    assert again.param_groups[0]["lr"] == 0.1
