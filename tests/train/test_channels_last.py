"""Kernels and pictures with their channels innermost: the same numbers, and whole runs that are saved and go on."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from fathom import optim, recipes
from fathom.errors import InputError
from fathom.records import RunFolder
from fathom.train import TrainConfig, load_checkpoint, save_checkpoint
from fathom.train.channels_last import channels_last, follow

SMALL = {"data": "fashion-mnist-sample", "epochs": 2, "limit": 3, "batch_size": 37, "lr": 0.003}


def run(path, **changes):
    module = recipes.load("lenet")
    config = module.Config(**{**SMALL, "channels_last": True, **changes})
    folder = RunFolder.open(path) if path.exists() else RunFolder.create("lenet", dataclasses.asdict(config), path)
    return module.run(config, folder)


def convolutions():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 7, 2), nn.AvgPool2d(9, 11))
    return model.double(), torch.randn(2, 3, 12, 14, dtype=torch.float64)


def innermost(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def test_outputs_and_gradients_stay_and_every_map_has_the_order():
    plain, x = convolutions()
    model = channels_last(copy.deepcopy(plain))
    seen = []
    for part in list(model)[:4]:
        part.register_forward_hook(lambda part, inputs, output: seen.extend([*inputs, output]))
    for which in (plain, model):
        which(x).square().sum().backward()
    torch.testing.assert_close(model(x), plain(x))
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)
    assert all(map(innermost, [*seen, model[0].weight, model[3].weight]))
    assert innermost(model[3].weight.grad)


def test_a_copy_of_the_model_keeps_the_order():
    model = copy.deepcopy(channels_last(convolutions()[0]))
    assert innermost(model[3].weight)
    assert len(model._forward_pre_hooks) == 1


def test_state_from_a_file_goes_on_in_the_same_bits(tmp_path):
    torch.manual_seed(0)
    whole = channels_last(nn.Conv2d(61, 67, 3))
    parts = copy.deepcopy(whole)
    first, second = (follow(optim.create("lamb", model.parameters(), 0.1)) for model in (whole, parts))
    for model in (whole, parts):
        model(torch.ones(2, 61, 5, 5)).square().sum().backward()
    first.step()
    second.step()
    save_checkpoint(tmp_path / "state", {"optimizer": second.state_dict()})
    second.load_state_dict(load_checkpoint(tmp_path / "state")["optimizer"])
    first.step()
    second.step()  # LAMB's norms add numbers up in the order in which they lie
    assert torch.equal(whole.weight, parts.weight)
    for mine, theirs in zip(first.state.values(), second.state.values(), strict=True):
        assert mine["exp_avg"].stride() == theirs["exp_avg"].stride()


@pytest.mark.parametrize("rung", ["torch", "scratch"])
@pytest.mark.parametrize("optimizer", ["adam", "lamb"])
def test_a_resumed_run_ends_in_the_same_bits(tmp_path, rung, optimizer):
    settings = {"rung": rung, "optimizer": optimizer, "average": "ema,decay=0.8", "clip": 0.05}
    run(tmp_path / "whole", **settings)
    run(tmp_path / "parts", **settings, epochs=1)
    run(tmp_path / "parts", **settings)
    whole, parts = (load_checkpoint(tmp_path / name / "checkpoint/last.safetensors") for name in ("whole", "parts"))
    for left, right in ((whole["model"], parts["model"]), (whole["average"]["model"], parts["average"]["model"])):
        assert all(torch.equal(value, right[name]) for name, value in left.items())
    for number, state in whole["optimizer"]["state"].items():
        assert all(torch.equal(value, parts["optimizer"]["state"][number][name]) for name, value in state.items())


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_a_run_learns_the_same_and_is_measured_the_same(tmp_path, rung):
    settings = {"rung": rung, "optimizer": "adam", "lr": 0.01, "epochs": 1}
    result = run(tmp_path / "run", **settings)
    plain = run(tmp_path / "plain", **settings, channels_last=False)
    assert result.metrics["test_loss"] == pytest.approx(plain.metrics["test_loss"], rel=1e-5)
    again = recipes.load("lenet").measure(RunFolder.open(tmp_path / "run"))  # by a model in the usual order
    assert again.metrics["test_loss"] == pytest.approx(result.metrics["test_loss"], rel=1e-5)


def test_a_model_without_convolutions_is_refused():
    module = recipes.load("mlp")
    with pytest.raises(
        InputError, match=r"^--channels-last: expected a model that convolves pictures, got one without"
    ):
        module.run(module.Config(**SMALL, channels_last=True))


def test_a_recipe_with_a_step_of_its_own_refuses_it():
    with pytest.raises(InputError, match="--channels-last: expected False, since"):
        recipes.load("perceptron").Config(channels_last=True)


def test_the_source_has_no_order_to_compare_with():
    assert TrainConfig(channels_last=True).changes() == {}
