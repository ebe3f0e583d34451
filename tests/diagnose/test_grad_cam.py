import pytest
import torch
from torch import nn

import fathom.layers
from fathom import models
from fathom.diagnose import enlarged, feature_maps, find_layer, grad_cam, map_layers
from fathom.errors import InputError, ShapeError, UnknownNameError


def pooled_net(nn=nn):
    """Convolutions, the mean over the image, a linear layer: the form for which CAM was made."""
    return nn.Sequential(
        nn.Conv2d(2, 5, 3),
        nn.ReLU(),
        nn.Conv2d(5, 7, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(7, 3),
    ).double()


def dense_net():
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 5 * 6, 5), nn.Tanh(), nn.Linear(5, 4)
    ).double()


def pictures(examples=3, height=7, width=8):
    return torch.randn(examples, 2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layers", [nn, fathom.layers], ids=["torch", "scratch"])
def test_where_the_maps_are_averaged_grad_cam_is_cam(layers):
    torch.manual_seed(0)
    net, x = pooled_net(layers), pictures()
    classes = torch.tensor([2, 0, 1])
    found = grad_cam(net, x, classes)
    maps = net[:4](x)
    cam = torch.einsum("nk,nkij->nij", net[-1].weight[classes], maps)  # Zhou et al. 2016, equation 2
    torch.testing.assert_close(found.heat * maps[0, 0].numel(), cam.relu().detach())
    assert found.layer == "3"
    assert found.heat.any()


def test_the_heat_is_that_of_finite_differences():
    torch.manual_seed(0)
    net, x = dense_net(), pictures()
    maps, label, step = net[:2](x).detach(), 3, 1e-6
    gradient = torch.zeros_like(maps)
    for place in range(maps[0].numel()):
        moved = []
        for sign in (1, -1):
            nudged = maps.clone()
            nudged.view(len(maps), -1)[:, place] += sign * step
            moved.append(net[2:](nudged)[:, label])
        gradient.view(len(maps), -1)[:, place] = ((moved[0] - moved[1]) / (2 * step)).detach()
    expected = torch.zeros(maps.shape[0], *maps.shape[2:], dtype=torch.float64)
    for example in range(maps.shape[0]):
        for channel in range(maps.shape[1]):
            expected[example] += gradient[example, channel].mean() * maps[example, channel]
    found = grad_cam(net, x, torch.full((3,), label)).heat
    torch.testing.assert_close(found, expected.clamp(min=0), rtol=1e-6, atol=1e-8)
    assert found.any()


def test_an_example_has_the_same_heat_alone_as_among_others():
    torch.manual_seed(0)
    net, x = dense_net(), pictures()
    together = grad_cam(net, x)
    for place in range(len(x)):
        torch.testing.assert_close(grad_cam(net, x[place : place + 1]).heat[0], together.heat[place])


def test_without_a_class_the_models_own_answer_is_explained():
    torch.manual_seed(0)
    net, x = dense_net(), pictures()
    own = grad_cam(net, x)
    assert torch.equal(own.classes, net(x).argmax(dim=1))
    torch.testing.assert_close(own.heat, grad_cam(net, x, own.classes).heat)
    torch.testing.assert_close(own.logits, net(x).detach())


def test_the_evidence_lies_where_the_class_is():
    """A net that was given its weights: class 0 is a bright first channel, class 1 a bright second one."""
    net = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2)[:, :, None, None])
        net[0].bias.zero_()
        net[-1].weight.copy_(torch.eye(2))
    x = torch.zeros(1, 2, 7, 7)
    x[0, 0, 1, 2] = x[0, 1, 5, 3] = 1.0
    assert grad_cam(net, x, torch.tensor([0])).heat[0].nonzero().tolist() == [[1, 2]]
    assert grad_cam(net, x, torch.tensor([1])).heat[0].nonzero().tolist() == [[5, 3]]


def test_the_model_is_left_as_it_was():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(90, 2))
    net = net.double().train()
    net[2].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    grad_cam(net, pictures(), layer="1")
    assert [module.training for module in net] == [True, True, False, True, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())


def test_frozen_weights_and_inference_mode_are_no_hindrance():
    torch.manual_seed(0)
    net, x = dense_net(), pictures()
    expected = grad_cam(net, x).heat
    net.requires_grad_(False)
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(net, x).heat, expected)


def test_what_works_in_place_behind_a_layer_does_not_change_its_maps():
    torch.manual_seed(0)
    net, x = (
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(90, 2)).double(),
        pictures(),
    )
    torch.testing.assert_close(feature_maps(net, x, "0"), net[0](x).detach())
    assert grad_cam(net, x, layer="0").heat.shape == (3, 5, 6)


def test_as_many_classes_as_pictures_are_wanted():
    with pytest.raises(ShapeError, match=r"classes: expected \(3,\), one for each image, got \(2,\)"):
        grad_cam(dense_net(), pictures(), torch.tensor([0, 1]))


def test_a_layer_without_say_is_refused():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = dense_net(), nn.Conv2d(2, 2, 1).double()

        def forward(self, x):
            self.unused(x)
            return self.used(x)

    with pytest.raises(InputError, match="'unused': expected one that the answer depends on"):
        grad_cam(Idle(), pictures(), layer="unused")


def test_enlarging_keeps_the_constant_and_the_place():
    assert torch.allclose(enlarged(torch.full((1, 3, 2), 0.7), (12, 10)), torch.tensor(0.7))
    heat = torch.zeros(1, 5, 7)
    heat[0, 1, 5] = 1.0
    rows, columns = divmod(int(enlarged(heat, (50, 70)).argmax()), 70)
    assert (rows // 10, columns // 10) == (1, 5)


# --- which layer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "layer"),
    [
        ("lenet", 28, "4"),  # the sigmoid behind the second convolution
        ("resnet18", 64, "layer4"),
        ("resnet18", 28, "layer3"),  # those of layer4 have one pixel
        ("googlenet", 64, "inception5b"),  # all branches together
        ("efficientnet_lite0", 64, "head"),
        ("nin", 67, "layers.4"),  # those of the last block have one pixel
        ("densenet121", 64, "relu"),
    ],
)
def test_the_last_maps_are_found_in_networks_of_all_kinds(name, size, layer):
    channels = 1 if name == "lenet" else 3
    sized = {"input_size": size} if name in ("lenet", "nin") else {}
    model = models.create(name, num_classes=3, in_channels=channels, **sized)
    found = find_layer(model, torch.rand(1, channels, size, size))
    assert found.name == layer
    assert found.rows > 1


def test_layers_with_maps_are_told_in_their_order():
    layers = map_layers(dense_net(), pictures())
    assert [(layer.name, layer.kind, layer.channels, layer.rows, layer.columns) for layer in layers] == [
        ("0", "Conv2d", 3, 5, 6),
        ("1", "Tanh", 3, 5, 6),
    ]
    assert str(layers[0]) == "'0' (Conv2d): 3 maps of 5×6"


def test_a_layer_that_is_nearly_right_is_answered_with_the_right_one():
    model, x = models.create("resnet18", num_classes=2), torch.rand(1, 3, 64, 64)
    with pytest.raises(UnknownNameError, match=r"unknown layer 'layr4'; did you mean 'layer4'\?"):
        find_layer(model, x, "layr4")


def test_a_layer_without_maps_is_refused():
    with pytest.raises(
        InputError, match="layer '3': expected one that gives maps, got one that does not; there are: 0, 1"
    ):
        find_layer(dense_net(), pictures(), "3")
    with pytest.raises(InputError, match="expected a network with maps"):
        find_layer(models.create("mlp", in_features=112, num_classes=2).double(), pictures())
