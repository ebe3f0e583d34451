import numpy as np
import pytest
import torch
from tests.models.counting import keys, parameters

from fathom import models
from fathom.errors import InputError, ShapeError, UnknownNameError
from fathom.models import alexnet

BOOKS = {"in_channels": 1, "num_classes": 10}


@pytest.mark.parametrize(
    ("name", "arguments", "published"),
    [
        ("alexnet", {}, 61_100_840),
        ("vgg11", {}, 132_863_336),
        ("vgg13", {}, 133_047_848),
        ("vgg16", {}, 138_357_544),
        ("vgg19", {}, 143_667_240),
        ("vgg11_bn", {}, 132_868_840),
        ("vgg13_bn", {}, 133_053_736),
        ("vgg16_bn", {}, 138_365_992),
        ("vgg19_bn", {}, 143_678_248),
        ("alexnet", {**BOOKS, "variant": "book"}, 46_764_746),
        ("vgg11", {**BOOKS, "variant": "book"}, 128_806_154),
        ("nin", BOOKS, 1_992_166),
    ],
)
def test_it_has_the_published_number_of_parameters(name, arguments, published):
    assert parameters(name, **arguments) == published


def test_alexnets_layout_is_torchvisions():
    layout = keys("alexnet")
    assert [key for key in layout if key.endswith("weight")] == [
        *(f"features.{place}.weight" for place in (0, 3, 6, 8, 10)),
        *(f"classifier.{place}.weight" for place in (1, 4, 6)),
    ]
    assert layout["features.0.weight"] == (64, 3, 11, 11)
    assert layout["classifier.1.weight"] == (4096, 9216)


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [
        ("vgg11", (0, 3, 6, 8, 11, 13, 16, 18)),
        ("vgg13", (0, 2, 5, 7, 10, 12, 15, 17, 20, 22)),
        ("vgg16", (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
        ("vgg19", (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)),
        ("vgg11_bn", (0, 4, 8, 11, 15, 18, 22, 25)),
    ],
)
def test_vggs_layout_is_torchvisions(name, convolutions):
    layout = keys(name)
    assert [key for key, shape in layout.items() if len(shape) == 4] == [f"features.{i}.weight" for i in convolutions]
    assert [key for key, shape in layout.items() if len(shape) == 2] == [f"classifier.{i}.weight" for i in (0, 3, 6)]
    assert layout["classifier.0.weight"] == (4096, 25088)


def test_the_books_alexnet_has_the_books_shapes():
    with torch.device("meta"):
        model, x = models.create("alexnet", **BOOKS, variant="book"), torch.zeros(1, 1, 224, 224)
    shapes = []
    for layer in model.features:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert [shapes[i] for i in (0, 2, 3, 5, 6, 8, 10, 12)] == [
        (96, 54, 54),
        (96, 26, 26),
        (256, 26, 26),
        (256, 12, 12),
        (384, 12, 12),
        (384, 12, 12),
        (256, 12, 12),
        (256, 5, 5),
    ]


def test_the_books_vgg_halves_the_image_in_every_block():
    with torch.device("meta"):
        model, x = models.create("vgg11", **BOOKS, variant="book"), torch.zeros(1, 1, 224, 224)
    shapes = []
    for layer in model.features:
        x = layer(x)
        if isinstance(layer, torch.nn.MaxPool2d):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]


def test_nins_maps_are_those_of_its_diagram():
    with torch.device("meta"):
        model, x = models.create("nin"), torch.zeros(1, 3, 224, 224)
    shapes = []
    for layer in model.layers:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[:6] == [(96, 54, 54), (96, 26, 26), (256, 26, 26), (256, 12, 12), (384, 12, 12), (384, 5, 5)]
    assert shapes[-3:] == [(1000, 5, 5), (1000, 1, 1), (1000,)]


def test_ratio_makes_the_blocks_of_vgg_narrower_as_the_book_trains_it():
    layout = keys("vgg11", **BOOKS, variant="book", ratio=4)
    assert [shape[0] for shape in layout.values() if len(shape) == 4] == [16, 32, 64, 64, 128, 128, 128, 128]


@pytest.mark.parametrize(
    ("name", "variant", "smallest"),
    [("alexnet", "torchvision", 63), ("alexnet", "book", 65), ("vgg11", "book", 32), ("nin", None, 67)],
)
def test_the_smallest_image_leaves_one_pixel_and_a_smaller_one_none(name, variant, smallest):
    arguments = {} if variant is None else {"variant": variant}
    with torch.device("meta"):
        model = models.create(name, **arguments, input_size=smallest)
        assert model(torch.zeros(2, 3, smallest, smallest)).shape == (2, 1000)
        with pytest.raises(InputError, match=f"input_size: expected at least {smallest} pixels a side"):
            models.create(name, **arguments, input_size=smallest - 1)
        with pytest.raises(ShapeError, match=f"of at least {smallest} pixels a side"):
            model(torch.zeros(2, 3, smallest, smallest - 1))
        parts = model.layers if name == "nin" else model.features
        with pytest.raises(RuntimeError, match="too small"):
            parts(torch.zeros(2, 3, smallest - 1, smallest - 1))


@pytest.mark.parametrize("size", [63, 64, 97, 224, 227])
@pytest.mark.parametrize("variant", ["torchvision", "book"])
def test_the_size_of_alexnets_last_maps_is_computed_as_torch_does(size, variant):
    size = max(size, alexnet.smallest(variant))
    with torch.device("meta"):
        maps = alexnet._features(3, variant, torch.nn)(torch.zeros(1, 3, size, size))
    assert maps.shape[2:] == (alexnet.maps_size(size, variant),) * 2


@pytest.mark.parametrize(("name", "size"), [("alexnet", (67, 131)), ("vgg11", (65, 96))])
def test_the_books_networks_take_the_size_that_they_were_built_for(name, size):
    with torch.device("meta"):
        model = models.create(name, **BOOKS, variant="book", input_size=size)
        assert model(torch.zeros(2, 1, *size)).shape == (2, 10)


@pytest.mark.parametrize("name", ["alexnet", "vgg16_bn"])
def test_an_unknown_variant_gets_a_suggestion(name):
    with pytest.raises(UnknownNameError, match="unknown variant 'bok'; did you mean 'book'"):
        models.create(name, variant="bok")


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "nin"])
def test_a_wrong_number_of_channels_is_said(name):
    with torch.device("meta"):
        model = models.create(name)
        with pytest.raises(ShapeError, match=r"expected images \(batch, 3, height, width\).*got \(2, 1, 224, 224\)"):
            model(torch.zeros(2, 1, 224, 224))


def test_vgg_begins_as_torchvisions():
    model = models.create("vgg11", ratio=2, hidden_size=101)
    weight = model.features[8].weight
    assert weight.std().item() == pytest.approx(np.sqrt(2 / (128 * 9)), rel=0.02)  # 128 channels out of a 3×3 kernel
    assert model.classifier[0].weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not model.classifier[3].bias.any()
