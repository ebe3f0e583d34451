import math

import pytest
import torch

from fathom import models
from fathom.errors import InputError, ShapeError, UnknownNameError

PARAMETERS = {"densenet121": 7_978_856, "densenet169": 14_149_480, "densenet201": 20_013_928}  # torchvision's table


def build(name, **arguments):
    """On the meta device: shapes alone."""
    with torch.device("meta"):
        return models.create(name, **arguments)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_it_has_the_published_parameters(name):
    assert count(build(name)) == PARAMETERS[name]


def test_the_books_has_the_books_parameters():
    assert count(build("densenet121", in_channels=1, num_classes=10, variant="book")) == 758_226


def test_the_books_maps_an_image_through_the_books_channels():
    model, x, channels = models.create("densenet121", in_channels=1, variant="book"), torch.zeros(1, 1, 96, 96), []
    for name, part in model.features.named_children():
        x = part(x)
        if name.startswith(("denseblock", "transition")):
            channels.append(x.shape[1])
    assert channels == [192, 96, 224, 112, 240, 120, 248]
    assert x.shape == (1, 248, 3, 3)


def test_it_is_as_deep_as_it_is_called():
    for name in PARAMETERS:
        weighted = [part for part in build(name).modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
        assert len(weighted) == int(name.removeprefix("densenet"))


def test_the_layout_is_torchvisions():
    shapes = {name: tuple(tensor.shape) for name, tensor in build("densenet121").state_dict().items()}
    names = [name for name in shapes if not name.endswith(("running_mean", "running_var", "tracked"))]
    assert names[:3] == ["features.conv0.weight", "features.norm0.weight", "features.norm0.bias"]
    assert names[3:9] == [f"features.denseblock1.denselayer1.{name}" for name in (
        "norm1.weight", "norm1.bias", "conv1.weight", "norm2.weight", "norm2.bias", "conv2.weight")]  # fmt: skip
    assert names[-4:] == ["features.norm5.weight", "features.norm5.bias", "classifier.weight", "classifier.bias"]
    assert [name for name in names if "transition2" in name] == [
        f"features.transition2.{name}" for name in ("norm.weight", "norm.bias", "conv.weight")
    ]
    expected = {
        "features.denseblock4.denselayer16.norm1.weight": (992,),
        "features.denseblock4.denselayer16.conv1.weight": (128, 992, 1, 1),
        "features.denseblock4.denselayer16.norm2.running_var": (128,),
        "features.denseblock4.denselayer16.conv2.weight": (32, 128, 3, 3),
        "features.norm5.weight": (1024,),
        "classifier.weight": (1000, 1024),
    }
    assert {name: shapes[name] for name in expected} == expected


def test_a_layer_leaves_its_input_as_it_is():
    model, x = models.create("densenet121", in_channels=1, variant="book"), torch.rand(2, 64, 5, 7)
    y = model.features.denseblock1(x)
    assert y.shape == (2, 192, 5, 7)
    assert torch.equal(y[:, :64], x)
    assert torch.equal(y[:, :96], model.features.denseblock1[0](x))


def test_weights_start_as_kaiming_draws_them():
    torch.manual_seed(0)
    model = models.create("densenet121")
    conv = model.features.denseblock4.denselayer16.conv1
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / 992), rel=0.01)
    assert not model.classifier.bias.any()


def test_the_smallest_image_leaves_one_pixel():
    model = models.create("densenet121", num_classes=5, input_size=29).eval()
    assert model.features(torch.zeros(1, 3, 29, 29)).shape == (1, 1024, 1, 1)
    assert model(torch.zeros(2, 3, 29, 30)).shape == (2, 5)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="input_size: expected at least 29 pixels a side"):
        build("densenet169", input_size=28)
    with pytest.raises(InputError, match="input_size: expected at least 29 pixels a side"):
        build("densenet121", variant="book", input_size=(96, 28))
    with pytest.raises(UnknownNameError, match="unknown variant 'boook'; did you mean 'book'"):
        build("densenet121", variant="boook")
    with pytest.raises(ShapeError, match="at least 29 pixels a side"):
        build("densenet121")(torch.empty(2, 3, 28, 40, device="meta"))
    with pytest.raises(ShapeError, match=r"expected images \(batch, 3, height, width\)"):
        build("densenet121")(torch.empty(2, 1, 40, 40, device="meta"))
