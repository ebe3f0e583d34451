import copy

import pytest
import torch
from torch import nn

from fathom import models
from fathom.errors import InputError, UnknownNameError
from fathom.models.stages import freeze, head, parameter_groups, stages, start_from

SIZES = {"lenet": 28, "nin": 67, "vgg11_bn": 32, "alexnet": 67, "efficientnet_lite0": 33}
INCEPTIONS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
EXPECTED = {  # head; the names of the stages
    "lenet": ("11", ["0", "3", "7", "9"]),
    "lenet_bn": ("15", ["0", "4", "9", "12"]),
    "alexnet": ("classifier.6", [*(f"features.{n}" for n in (0, 3, 6, 8, 10)), "classifier.1", "classifier.4"]),
    "vgg11_bn": (
        "classifier.6",
        [*(f"features.{n}" for n in (0, 4, 8, 11, 15, 18, 22, 25)), "classifier.0", "classifier.3"],
    ),
    "nin": ("layers.7", ["layers.0", "layers.2", "layers.4"]),
    "googlenet": (
        "fc",
        ["conv1", "conv2", "conv3", *(f"inception{name}" for name in INCEPTIONS)],
    ),
    "densenet121": (
        "classifier",
        [
            "features.conv0",
            *(f"features.{kind}{n}" for n in (1, 2, 3) for kind in ("denseblock", "transition")),
            "features.denseblock4",
        ],
    ),
    "efficientnet_lite0": (
        "classifier",
        ["stem", *(f"blocks.{n}" for n in (0, 1, 3, 5, 8, 11, 15)), "head"],
    ),
    "resnet18": ("fc", ["conv1", "layer1", "layer2", "layer3", "layer4"]),
    "resnet20_cifar": ("fc", ["conv1", "layer1", "layer2", "layer3"]),
}
every_network = pytest.mark.parametrize("name", EXPECTED)


def network(name, classes=3, on="meta", **options):
    with torch.device(on):
        return models.create(name, num_classes=classes, **options)


@every_network
def test_the_stages_are_those_of_its_paper_and_the_head_is_none_of_them(name):
    model = network(name)
    assert (head(model), [stage.name for stage in stages(model)]) == EXPECTED[name]


@every_network
def test_the_head_is_what_depends_on_the_number_of_classes(name):
    three, four = network(name, 3).state_dict(), network(name, 4).state_dict()
    depends = {key for key in three if three[key].shape != four[key].shape}
    assert depends
    assert all(key.startswith(f"{EXPECTED[name][0]}.") for key in depends)


@every_network
def test_the_groups_hold_every_parameter_once_and_fall_from_the_top(name):
    model = network(name)
    groups = parameter_groups(model, 0.1, falling=2.0)
    ours = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(ours) == sorted(map(id, model.parameters()))
    *below, top, last = [group["lr"] for group in groups]
    assert last == pytest.approx(1.0)
    assert top == pytest.approx(0.1)
    assert below == pytest.approx([0.1 / 2.0**steps for steps in range(len(below), 0, -1)])


@pytest.mark.parametrize("name", ["lenet", "resnet20_cifar", "efficientnet_lite0", "nin"])
def test_a_start_fills_all_but_the_head(name):
    torch.manual_seed(0)
    model, other = network(name, 3, "cpu"), network(name, 5, "cpu")
    before = copy.deepcopy(model.state_dict())
    start_from(model, other.state_dict())
    for key, value in model.state_dict().items():
        expected = before if key.startswith(f"{head(model)}.") else other.state_dict()
        assert torch.equal(value, expected[key])


def test_the_first_tensor_that_does_not_fit_is_named():
    with pytest.raises(InputError, match=r"but conv1.weight is \(16, 1, 3, 3\) instead of \(16, 3, 3, 3\);"):
        start_from(network("resnet20_cifar"), network("resnet20_cifar", in_channels=1).state_dict())
    with pytest.raises(InputError, match=r"but 0.weight is missing \(\d+ tensors do not fit\)"):
        start_from(network("lenet"), network("resnet20_cifar").state_dict())


def test_a_head_alone_can_start_from_nothing():
    model = network("softmax_regression")
    with pytest.raises(InputError, match="expected a network with layers below its head"):
        start_from(model, model.state_dict())


def test_layers_without_weights_have_no_head():
    with pytest.raises(InputError, match="Sequential: expected layers with weights, got none"):
        head(nn.Sequential(nn.ReLU()))


# --- frozen stages --------------------------------------------------------------------------------------------------


def trained(model, steps=2):
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(parameter_groups(model, 0.1), momentum=0.9)
    for _ in range(steps):
        model.train()
        loss = nn.functional.cross_entropy(model(torch.rand(5, 3, 11, 13)), torch.arange(5) % 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("last", ["layer1", "2"])
def test_frozen_stages_stay_to_the_bit_and_all_others_move(last):
    model = network("resnet20_cifar", on="cpu")
    assert [stage.name for stage in freeze(model, last)] == ["conv1", "layer1"]
    before = copy.deepcopy(model.state_dict())
    after = trained(model).state_dict()
    for key, value in after.items():
        assert torch.equal(value, before[key]) == key.startswith(("conv1.", "bn1.", "layer1.")), key


def test_with_all_stages_frozen_only_the_head_learns_on_features_that_do_not_change():
    model = network("resnet20_cifar", on="cpu")
    freeze(model, "layer3")
    x = torch.rand(2, 3, 11, 13)
    model.fc, fc = nn.Identity(), model.fc
    features = model.eval()(x)
    model.fc = fc
    weight = fc.weight.clone()
    trained(model)
    assert not torch.equal(fc.weight, weight)
    model.fc = nn.Identity()
    assert torch.equal(model(x), features)


def test_a_frozen_batch_norm_uses_its_statistics_in_training_and_so_does_that_of_a_copy():
    model = network("resnet20_cifar", on="cpu")
    freeze(model, "conv1")
    twin = copy.deepcopy(model)
    for each in (model, twin):
        each.train()
        assert not each.conv1.training
        assert not each.bn1.training
        assert each.layer1.training
    twin.bn1.train()
    assert twin.bn1.train.__self__ is twin.bn1


def test_a_stage_that_is_not_there_is_one_clear_line():
    with pytest.raises(InputError, match=r"expected a number from 1 to 4, .*\(conv1, layer1, layer2, layer3\), got 5"):
        freeze(network("resnet20_cifar"), "5")
    with pytest.raises(UnknownNameError, match="unknown stage to freeze 'layer9'; did you mean 'layer3'"):
        freeze(network("resnet20_cifar"), "layer9")
