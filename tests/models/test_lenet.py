import pytest
import torch

from fathom.errors import InputError, UnknownNameError
from fathom.models.lenet import lenet


def test_it_has_the_parameters_of_the_book():
    assert sum(p.numel() for p in lenet().parameters()) == 61_706


def test_its_shapes_are_those_of_the_diagram():
    shapes, x = [], torch.randn(2, 1, 28, 28)
    for layer in lenet():
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [
        *[(6, 28, 28)] * 2,
        (6, 14, 14),
        *[(16, 10, 10)] * 2,
        (16, 5, 5),
        (400,),
        *[(120,)] * 2,
        *[(84,)] * 2,
        (10,),
    ]


@pytest.mark.parametrize("size", [12, 13, 15, 28, 32, (12, 31)])
def test_it_takes_images_of_any_size_from_12(size):
    height, width = (size, size) if isinstance(size, int) else size
    assert lenet(3, 5, size)(torch.randn(2, 3, height, width)).shape == (2, 5)


@pytest.mark.parametrize("size", [11, (28, 11), 0])
def test_smaller_images_are_refused_with_the_smallest_size(size):
    with pytest.raises(InputError, match="input_size: expected at least 12 pixels"):
        lenet(input_size=size)


def test_activation_and_pooling_are_chosen_by_name():
    model = lenet(activation="relu", pooling="max")
    assert isinstance(model[1], torch.nn.ReLU)
    assert isinstance(model[2], torch.nn.MaxPool2d)


@pytest.mark.parametrize(("kind", "wrong", "near"), [("activation", "sigmoit", "sigmoid"), ("pooling", "maxx", "max")])
def test_an_unknown_part_gets_a_suggestion(kind, wrong, near):
    with pytest.raises(UnknownNameError, match=f"unknown {kind} '{wrong}'; did you mean '{near}'"):
        lenet(**{kind: wrong})


def test_no_classes_are_refused():
    with pytest.raises(InputError, match="num_classes: expected a whole number of at least 1, got 0"):
        lenet(num_classes=0)
