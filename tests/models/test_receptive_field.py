import pytest
import torch
from torch import nn

from fathom import models
from fathom.errors import ShapeError, UnknownNameError
from fathom.models.densenet import DenseLayer, transition
from fathom.models.receptive_field import Field, Reach, gradient_field, receptive_field, receptive_fields
from fathom.models.resnet import BasicBlock, Bottleneck

PUBLISHED = {  # pixels: Araujo, Norris and Sim 2019, table of receptive fields; their ResNets have the paper's stride
    ("vgg16", "features"): ({}, 212),
    ("resnet50", "layer4"): ({"variant": "paper"}, 483),
    ("resnet101", "layer4"): ({"variant": "paper"}, 1027),
}
NETWORKS = {
    "convolutions": nn.Sequential(nn.Conv2d(2, 3, (3, 5), padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, stride=(2, 1))),
    "dilation": nn.Sequential(nn.Conv2d(2, 3, 3, dilation=(3, 2)), nn.Conv2d(3, 3, (1, 3), padding=2)),
    "pooling": nn.Sequential(nn.Conv2d(2, 3, 3), nn.AvgPool2d(3, 2, padding=1), nn.Conv2d(3, 2, 2), nn.AvgPool2d(2)),
    "residual": nn.Sequential(BasicBlock(2, 3, 2), BasicBlock(3, 3)),
    "zero padding": nn.Sequential(
        BasicBlock(2, 3, 2, shortcut="A"), Bottleneck(3, 2, 2, shortcut="A", variant="paper")
    ),
    "dense": nn.Sequential(DenseLayer(2, 3), DenseLayer(5, 2), transition(7, 3, False, nn)),
    "even windows": nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.AdaptiveAvgPool2d((5, 7))),
}


def seen_by_gradient(model, shape):
    """First and last pixel, along both axes, that move the middle unit when nothing cancels or is cut off."""
    model = model.double()
    for parameter in model.parameters():
        parameter.data = parameter.data.abs() + 0.1
    field = gradient_field(model, torch.rand(1, *shape, dtype=torch.float64))
    rows, columns = field.sum(1).nonzero()[:, 0], field.sum(0).nonzero()[:, 0]
    return [(int(pixels[0]), int(pixels[-1])) for pixels in (rows, columns)]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rule_agrees_with_the_gradient(name):
    model, shape = NETWORKS[name], (2, 25, 35)
    field, units = receptive_field(model, shape), model.double()(torch.rand(1, *shape, dtype=torch.float64)).shape[2:]
    expected = [
        reach.pixels(count // 2, length)
        for reach, count, length in zip((field.height, field.width), units, shape[1:], strict=True)
    ]
    assert seen_by_gradient(model, shape) == [(pixels[0], pixels[-1]) for pixels in expected]


def test_max_pooling_is_followed():
    model = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False), nn.MaxPool2d(3, 2, padding=1)).double()
    nn.init.ones_(model[0].weight)
    field = receptive_field(model, (1, 11, 13))
    assert (field.height, field.width) == (Reach(-1, 5, 2), Reach(-1, 5, 2))
    torch.manual_seed(0)
    reached = gradient_field(model, torch.rand(99, 1, 11, 13, dtype=torch.float64)) > 0
    assert reached.nonzero().amin(0).tolist() == [field.height.pixels(2, 11)[0], field.width.pixels(3, 13)[0]]
    assert reached.nonzero().amax(0).tolist() == [field.height.pixels(2, 11)[-1], field.width.pixels(3, 13)[-1]]


@pytest.mark.parametrize(("name", "layer"), PUBLISHED)
def test_known_networks_have_their_published_fields(name, layer):
    arguments, pixels = PUBLISHED[name, layer]
    with torch.device("meta"):
        model = models.create(name, **arguments)
    assert receptive_fields(model, (3, 224, 224))[layer].size == (pixels, pixels)


def test_ten_kernels_of_five_leave_200_of_240_pixels_and_see_41():
    model = nn.Sequential(*(nn.Conv2d(1, 1, 5) for _ in range(10)))
    assert model(torch.zeros(1, 1, 240, 240)).shape == (1, 1, 200, 200)
    assert receptive_field(model, (1, 240, 240)).size == (41, 41)


def test_two_kernels_of_three_see_what_one_of_five_sees():
    two = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3))
    assert receptive_field(two, (1, 9, 9)) == receptive_field(nn.Conv2d(1, 1, 5), (1, 9, 9))


def test_what_ends_in_a_dense_layer_sees_the_whole_image():
    fields = receptive_fields(models.create("lenet"), (1, 28, 28))
    assert fields["3"].size == (14, 14)
    assert fields["5"] == Field(Reach(-2, 16, 4), Reach(-2, 16, 4))
    assert fields[""].height == Reach(-2, 32, 0)


def test_layers_come_in_their_order_and_the_model_last():
    names = list(receptive_fields(models.create("resnet20_cifar"), (3, 32, 32)))
    assert names[:3] == ["conv1", "bn1", "relu"]
    assert names[-2:] == ["fc", ""]


def test_the_model_stays_as_it_was():
    model = models.create("resnet20_cifar").train()
    model.layer2.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    receptive_fields(model, (3, 17, 19))
    gradient_field(model, torch.rand(2, 3, 17, 19), "layer1")
    assert model.training
    assert not model.layer2[0].training
    assert model.layer3[0].training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_effective_field_is_within_the_field_and_fades():
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(5))).double()
    for layer in model:
        nn.init.ones_(layer.weight)
    field = gradient_field(model, torch.rand(1, 1, 21, 23, dtype=torch.float64))
    assert field.nonzero().amin(0).tolist() == [5, 6]
    assert field.nonzero().amax(0).tolist() == [15, 16]
    ways = torch.tensor([1, 5, 15, 30, 45, 51, 45, 30, 15, 5, 1], dtype=torch.float64)  # (1 + x + x²)⁵
    torch.testing.assert_close(field[5:16, 6:17], torch.outer(ways, ways))


def test_bad_input_is_refused():
    with pytest.raises(ShapeError, match=r"expected \(channels, height, width\), got \(28, 28\)"):
        receptive_fields(nn.Conv2d(1, 1, 3), (28, 28))
    with pytest.raises(UnknownNameError, match="unknown layer 'layer9'; did you mean 'layer"):
        gradient_field(models.create("resnet20_cifar"), torch.rand(1, 3, 8, 8), "layer9")
