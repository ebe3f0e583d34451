import copy

import numpy as np
import pytest
import torch
from torch import nn

from fathom import data
from fathom.errors import InputError
from fathom.recipes import generalisation_by_optimizer as generalisation

QUICK = {"device": "cpu", "threads": 1, "examples": 40, "batch_size": 20, "width": 8, "seeds": 2}
ABOUT = {"example_shape": [5], "classes": list("abc")}


def race(**changes):
    config = generalisation.Config(**{**QUICK, **changes})
    torch.manual_seed(0)
    networks = generalisation.build(config, ABOUT)
    x, y = torch.randn(40, config.seeds, 5), torch.randint(0, 3, (40, config.seeds))
    return generalisation.Race(networks, nn.CrossEntropyLoss(), config, x, y)


def test_the_sets_are_training_images_with_so_many_wrong_labels():
    train = data.load("fashion-mnist-sample")
    config = generalisation.Config(examples=2000, seeds=3, label_noise=0.3)
    x, y = generalisation.small_sets(train, config)
    assert (tuple(x.shape), tuple(y.shape)) == ((2000, 3, 1, 28, 28), (2000, 3))
    _, right = generalisation.small_sets(train, generalisation.Config(examples=2000, seeds=3, label_noise=0.0))
    assert (y != right).float().mean(dim=0).tolist() == pytest.approx([0.3] * 3, abs=0.04)
    assert not torch.equal(x[:, 0], x[:, 1])
    first = next(place for place in range(len(train)) if torch.equal(train.tensors["x"][place], x[5, 2]))
    assert train.tensors["y"][first] == right[5, 2]
    with pytest.raises(InputError, match="--examples: expected at most 10000"):
        generalisation.small_sets(train, generalisation.Config(examples=10_001))


def test_all_rules_start_from_the_same_weights_and_every_set_from_its_own():
    networks = race().models
    first = networks["sgd_0"].state_dict()
    for rule in generalisation.RULES:
        torch.testing.assert_close(networks[f"{rule}_0"].state_dict(), first)
    assert not torch.equal(networks["sgd_1"][1].weight, networks["sgd_0"][1].weight)


def test_gradient_descent_takes_its_whole_set_in_each_update():
    running = race()
    twin = copy.deepcopy(running.models["gd_1"])
    optimizer = torch.optim.SGD(twin.parameters(), generalisation.RULES["gd"][2])
    for place in (0, 20):
        running((running.x[place : place + 20], running.y[place : place + 20]))
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(running.x[:, 1]), running.y[:, 1]).backward()
        optimizer.step()
    torch.testing.assert_close(running.models["gd_1"].state_dict(), twin.state_dict())


def test_a_network_that_is_there_is_left_as_it_is():
    running = race(target=0.5)
    running.models["adam_1"][3].bias.data[:] = torch.tensor([50.0, 0.0, 0.0])
    running.y[:, 1] = 0
    assert running.settle()["adam_1"] < 0.5
    assert running.needed == {"adam_1": 1}
    before = copy.deepcopy(running.models.state_dict())
    running((running.x, running.y))
    changed = {
        name.split(".")[0] for name, value in running.models.state_dict().items() if (value != before[name]).any()
    }
    assert changed == set(running.models) - {"adam_1"}


def test_training_ends_when_all_are_there():
    result = generalisation.run(generalisation.Config(**QUICK, target=2.2, epochs=50))
    assert len(result.history) < 50
    for rule in generalisation.RULES:
        assert result.metrics[f"{rule}_there"] == 1
        assert 1 <= result.metrics[f"{rule}_epochs"] <= len(result.history)
        assert result.metrics[f"train_{rule}_loss"] <= 2.2


def test_means_and_spreads_are_over_the_seeds_of_one_rule():
    values = {
        f"{rule}_{seed}": 10.0 * seed**2 + place for place, rule in enumerate(generalisation.RULES) for seed in range(3)
    }
    found = generalisation.by_rule(values, "test_{}_loss")
    each = [values[f"gd_{seed}"] for seed in range(3)]
    assert found["test_gd_loss"] == pytest.approx(np.mean(each))
    assert found["test_gd_loss_spread"] == pytest.approx(np.std(each, ddof=1))
    assert found["test_sgd_loss"] == pytest.approx(np.mean(each) + 1)
    assert len(found) == 10


def test_the_picture_follows_the_loss_on_its_way_down():
    assert generalisation.new_lows([3.0, 2.0, 2.5, 2.0, 1.0, 4.0]) == [0, 1, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_noise": 1.5}, "--label-noise: expected a share from 0 to 1"),
        ({"seeds": 0}, "--seeds: expected a number of at least 1"),
        ({"target": -1.0}, "--target: expected a number above 0"),
        ({"optimizer": "adam"}, "--optimizer: expected sgd, since every rule learns side by side"),
    ],
)
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        generalisation.Config(**changes)
