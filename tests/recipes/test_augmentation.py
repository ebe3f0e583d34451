import re

import pytest
import torch

from fathom import recipes
from fathom.errors import InputError, UnknownNameError

module = recipes.load("augmentation")
TINY = {
    "data": "drawn-shapes,size=16", "epochs": 1, "limit": 2, "batch_size": 8, "examples": 16, "test_examples": 8,
    "threads": 1, "device": "cpu",
}  # fmt: skip


def test_all_networks_start_from_the_same_weights():
    config = module.Config(ways=("none", "flip", "crop,padding=2+cut-out,size=0.25"))
    networks = module.build(config, {"example_shape": [3, 16, 16], "classes": list("abc")})
    assert list(networks) == ["none", "flip", "crop_padding_2_cut_out_size_0_25"]
    states = [network.state_dict() for network in networks.values()]
    assert all(torch.equal(states[0][name], state[name]) for state in states for name in states[0])
    assert len({next(network.parameters()).data_ptr() for network in networks.values()}) == 3


def test_each_network_sees_its_own_pictures():
    result = module.run(module.Config(ways=("none", "flip,p=0", "cut-out,size=1"), **TINY))
    losses = [result.history[0][f"train_{name}_loss"] for name in ("none", "flip_p_0", "cut_out_size_1")]
    assert losses[0] == losses[1] != losses[2]  # a flip with probability 0 is none
    assert result.metrics["test_accuracy"] == result.metrics["test_flip_p_0_accuracy"]


def test_augment_holds_for_all_of_them_besides():
    result = module.run(module.Config(ways=("none", "flip,p=0"), augment="cut-out,size=0.9", **TINY))
    plain = module.run(module.Config(ways=("none",), **TINY))
    assert result.history[0]["train_none_loss"] == result.history[0]["train_flip_p_0_loss"]
    assert result.history[0]["train_none_loss"] != plain.history[0]["train_none_loss"]


def test_networks_for_large_pictures_get_the_small_stem():
    networks = module.build(
        module.Config(network="resnet18", ways=("none",)), {"example_shape": [3, 32, 32], "classes": list("abcdefghij")}
    )
    assert networks["none"].conv1.weight.shape == (64, 3, 3, 3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"ways": ()}, InputError, "--ways: expected different ones"),
        (
            {"ways": ("flip", "flip")},
            InputError,
            "--ways: expected different ones, as in none crop+flip, got flip flip",
        ),
        ({"ways": ("none", "flop")}, UnknownNameError, "unknown augmentation 'flop'; did you mean 'flip'?"),
        ({"network": "resnet19"}, UnknownNameError, "unknown model 'resnet19'; did you mean 'resnet"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, error, message):
    with pytest.raises(error, match=re.escape(message)):
        module.Config(**settings)
