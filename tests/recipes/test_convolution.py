import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fathom import data, recipes
from fathom.errors import InputError
from fathom.recipes import channels, learn_kernel, pooling_shift, receptive_field

ABOUT = {"kind": "images", "example_shape": (1, 28, 28), "classes": list("abcdefghij")}


def test_the_kernel_is_learnt_as_the_book_learns_it():
    result = learn_kernel.run(learn_kernel.Config())
    picture, kernel = learn_kernel.stripes().float()[None, None], torch.zeros(1, 1, 1, 2)
    start = learn_kernel.contenders(learn_kernel.Config())["edge"].start
    kernel[0, 0, 0] = torch.tensor(start)
    kernel.requires_grad_()
    edges = F.conv2d(picture, torch.tensor([[[[1.0, -1.0]]]]))
    for _ in range(10):
        loss = (F.conv2d(picture, kernel) - edges).square().sum()
        (gradient,) = torch.autograd.grad(loss, kernel)
        kernel.data -= 0.03 * gradient
    error = (kernel.detach().flatten() - torch.tensor([1.0, -1.0])).abs().max().item()
    assert result.metrics["edge_kernel_error"] == pytest.approx(error, rel=1e-4)
    assert error < 0.1


def test_stripes_tell_the_sums_of_a_kernels_columns_and_no_more():
    metrics = learn_kernel.run(learn_kernel.Config(epochs=200)).metrics
    assert metrics["noise_kernel_error"] < 1e-6
    assert metrics["stripes_columns_error"] < 1e-3
    assert metrics["stripes_kernel_error"] > 0.3
    assert metrics["train_stripes_loss"] < 1e-5


def test_convolution_and_dense_layer_learn_alike():
    metrics = channels.run(channels.Config(size=11)).metrics
    assert metrics["difference"] < 1e-12
    assert metrics["weight_error"] < 1e-3


@pytest.mark.parametrize("layer", [channels.convolution, channels.dense])
def test_each_pixel_is_mapped_by_the_same_matrix(layer):
    picture, points = channels.colours(7), torch.randn(5, 12, dtype=torch.float64)
    y = layer(picture, points)
    assert y.shape == (5, 3, 7, 7)
    for number, (down, right) in ((0, (2, 3)), (4, (6, 0))):
        weight, bias = points[number, :9].reshape(3, 3), points[number, 9:]
        torch.testing.assert_close(y[number, :, down, right], weight @ picture[:, down, right] + bias)


def test_a_shifted_image_has_nothing_new_but_black():
    x = torch.arange(1.0, 13).reshape(1, 3, 4)
    assert pooling_shift.shifted(x, 1)[0].tolist() == [[0, 1, 2, 3], [0, 5, 6, 7], [0, 9, 10, 11]]


def test_networks_with_and_without_pooling_have_the_same_weights():
    config = pooling_shift.Config()
    counts = {
        name: sum(weight.numel() for weight in pooling_shift.network(name, config, ABOUT).parameters())
        for name in pooling_shift.TITLES
    }
    assert counts["max"] == counts["avg"] == counts["stride"]
    assert counts["global"] < counts["max"] < counts["dense"]


def test_pooling_forgives_more_than_stride_does():
    train, test = (data.load("fashion-mnist-sample", split) for split in ("train", "test"))
    about = {**ABOUT, "classes": train.about["classes"]}
    config = pooling_shift.Config(channels=4, shifts=(2,))
    kept = {}
    for name in ("max", "stride"):
        torch.manual_seed(0)
        model = pooling_shift.network(name, config, about)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for x, y in data.Batches(train.tensors["x"], train.tensors["y"], batch_size=64, shuffle=True, limit=100):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        x, y = test.tensors["x"], test.tensors["y"]
        with torch.inference_mode():
            right = [(model(images).argmax(1) == y).float().mean() for images in (x, pooling_shift.shifted(x, 2))]
        kept[name] = (right[1] / right[0]).item()
    assert kept["max"] > kept["stride"] + 0.03


def test_the_fields_of_the_networks_are_those_that_one_counts_by_hand():
    fields = receptive_field.by_rule(receptive_field.Config(), ABOUT)
    sides = {name: field.height.size for name, field in fields.items()}
    assert sides == {"one": 1, "five": 9, "three": 9, "dilated": 17, "pooled": 26}


def test_what_counts_is_inside_what_is_seen():
    config = receptive_field.Config(channels=11)
    torch.manual_seed(0)
    networks, fields = receptive_field.build(config, ABOUT), receptive_field.by_rule(config, ABOUT)
    images = torch.rand(7, 1, 28, 28)
    for name, field in receptive_field.by_gradient(networks, images).items():
        seen = fields[name]
        top, left, bottom, right = receptive_field.box(
            seen, 28, 28, receptive_field.convolutions(networks[name]), images
        )
        outside = field.clone()
        outside[top:bottom, left:right] = 0
        assert field.any()
        assert not outside.any()
        assert receptive_field.side(field) <= seen.height.size


def test_the_side_holds_95_percent():
    field = torch.zeros(10, 10)
    field[2:6, 3:7] = 1
    field[0, 0] = 0.1
    assert receptive_field.side(field) == pytest.approx(4)
    assert receptive_field.side(torch.zeros(10, 10)) == 0
    assert receptive_field.side(torch.ones(10, 10)) == pytest.approx(np.sqrt(95))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("learn-kernel", {"size": 2}, "--size: expected a number at least 3"),
        ("channels", {"size": 3}, "--size: expected a number at least 4"),
        ("pooling-shift", {"shifts": (0, 1)}, "--shifts: expected different numbers of pixels from 1 on"),
        ("pooling-shift", {"shifts": (2, 2)}, "--shifts: expected different numbers of pixels from 1 on"),
        ("receptive-field", {"channels": 0}, "--channels: expected a number at least 1"),
    ],
)
def test_bad_settings_are_refused(name, changes, message):
    with pytest.raises(InputError, match=message):
        recipes.load(name).Config(**changes)


@pytest.mark.parametrize("recipe", [pooling_shift, receptive_field])
def test_rows_of_numbers_are_no_images(recipe):
    with pytest.raises(InputError, match="expected images"):
        recipe.build(recipe.Config(), {"kind": "table", "example_shape": (7,), "classes": ["a", "b"]})
