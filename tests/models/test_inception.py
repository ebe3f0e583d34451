import re

import numpy as np
import pytest
import torch
from tests.models.counting import build, keys, parameters

import fathom.autograd
import fathom.autograd.nn
import fathom.layers
from fathom import models
from fathom.errors import InputError, ShapeError, UnknownNameError
from fathom.models.branches import BasicConv2d, Branches
from fathom.models.googlenet import Inception
from fathom.models.inception_resnet_v2 import Block35
from fathom.models.inception_v3 import InceptionC

NAMES = ("googlenet", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2")
RUNGS = [torch.nn, fathom.layers, fathom.autograd.nn]


def scope_count(name):
    """What TF-Slim counts: weights, and shift, mean and variance of each batch norm (there is no scale)."""
    layout = keys(name)
    convolutions = sum(np.prod(shape) for shape in layout.values() if len(shape) == 4)
    return convolutions + 3 * sum(shape[0] for key, shape in layout.items() if key.endswith("running_mean"))


@pytest.mark.parametrize(
    ("name", "arguments", "published"),
    [
        ("googlenet", {}, 6_624_904),
        ("googlenet", {"aux_logits": True}, 13_004_888),
        ("googlenet", {"in_channels": 1, "num_classes": 10, "variant": "book"}, 5_977_530),
        ("inception_v3", {}, 23_834_568),
        ("inception_v3", {"aux_logits": True}, 27_161_264),
        ("inception_v4", {}, 42_679_816),
        ("inception_resnet_v2", {}, 55_843_464),
    ],
)
def test_it_has_the_published_number_of_parameters(name, arguments, published):
    assert parameters(name, **arguments) == published


def test_without_the_last_layer_v3_counts_as_the_authors_own_code_says():
    assert scope_count("inception_v3") == 21_802_784  # tensorflow/models, research/slim/nets/inception_v3_test.py


def test_v2_counts_as_the_authors_own_code_says():
    stem = 3 * 64 - 64  # there the separable convolution has a bias in place of batch norm
    assert scope_count("inception_v2") - stem == 10_173_112  # research/slim/nets/inception_v2_test.py


def trace(name, modules, size, **arguments):
    """The shapes that the modules called so put out, for one image."""
    shapes = {}
    with torch.device("meta"):
        model = models.create(name, **arguments).eval()
        for part in modules:
            model.get_submodule(part).register_forward_hook(
                lambda module, inputs, output, part=part: shapes.update({part: tuple(output.shape[1:])})
            )
        model(torch.zeros(1, 3, size, size))
    return [shapes[part] for part in modules]


@pytest.mark.parametrize("variant", ["torchvision", "book"])
def test_googlenets_maps_are_those_of_the_papers_table(variant):
    blocks = ("maxpool1", "maxpool2", "inception3a", "inception3b", "maxpool3", "inception4a", "inception4d")
    assert trace("googlenet", (*blocks, "inception4e", "inception5a", "inception5b"), 224, variant=variant) == [
        (64, 56, 56),
        (192, 28, 28),
        (256, 28, 28),
        (480, 28, 28),
        (480, 14, 14),
        (512, 14, 14),
        (528, 14, 14),
        (832, 14, 14),
        (832, 7, 7),
        (1024, 7, 7),
    ]


def test_v2s_maps_are_those_of_the_papers_figure_5():
    blocks = ("conv1", "maxpool1", "conv3", "maxpool2", "inception3a", "inception3b", "inception3c", "inception4a")
    assert trace("inception_v2", (*blocks, "inception4d", "inception4e", "inception5b"), 224) == [
        (64, 112, 112),
        (64, 56, 56),
        (192, 56, 56),
        (192, 28, 28),
        (256, 28, 28),
        (320, 28, 28),
        (576, 14, 14),
        (576, 14, 14),
        (576, 14, 14),
        (1024, 7, 7),
        (1024, 7, 7),
    ]


def test_v3s_maps_are_those_of_the_released_network():
    blocks = ("Conv2d_2b_3x3", "maxpool1", "Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5d", "Mixed_6a", "Mixed_6e")
    assert trace("inception_v3", (*blocks, "Mixed_7a", "Mixed_7c"), 299) == [
        (64, 147, 147),
        (64, 73, 73),
        (192, 71, 71),
        (192, 35, 35),
        (256, 35, 35),
        (288, 35, 35),
        (768, 17, 17),
        (768, 17, 17),
        (1280, 8, 8),
        (2048, 8, 8),
    ]


def test_v4s_maps_are_those_of_the_papers_figure_9():
    places = (2, 3, 4, 5, 9, 10, 17, 18, 21)  # the stem's ends, the last of each kind of block, the reductions
    assert trace("inception_v4", [f"features.{place}" for place in places], 299) == [
        (64, 147, 147),
        (160, 73, 73),
        (192, 71, 71),
        (384, 35, 35),
        (384, 35, 35),
        (1024, 17, 17),
        (1024, 17, 17),
        (1536, 8, 8),
        (1536, 8, 8),
    ]


def test_inception_resnets_maps_are_those_of_the_released_network():
    blocks = ("mixed_5b", "repeat", "mixed_6a", "repeat_1", "mixed_7a", "block8", "conv2d_7b")
    assert trace("inception_resnet_v2", blocks, 299) == [
        (320, 35, 35),
        (320, 35, 35),
        (1088, 17, 17),
        (1088, 17, 17),
        (2080, 8, 8),
        (2080, 8, 8),
        (1536, 8, 8),
    ]


def test_googlenets_layout_is_torchvisions():
    layout = keys("googlenet", aux_logits=True)
    assert len(layout) == 364
    assert set(keys("googlenet")) == {key for key in layout if not key.startswith("aux")}
    assert layout["conv1.conv.weight"] == (64, 3, 7, 7)
    assert layout["inception3a.branch1.conv.weight"] == (64, 192, 1, 1)
    assert layout["inception3a.branch2.1.conv.weight"] == (128, 96, 3, 3)
    assert layout["inception3a.branch3.1.conv.weight"] == (32, 16, 3, 3)  # sic, and not 5×5
    assert layout["inception5b.branch4.1.bn.running_var"] == (128,)
    assert layout["aux1.conv.conv.weight"] == (128, 512, 1, 1)
    assert layout["aux2.fc1.weight"] == (1024, 2048)
    assert list(layout)[-2:] == ["fc.weight", "fc.bias"]


def test_v3s_layout_is_torchvisions():
    layout = keys("inception_v3", aux_logits=True)
    assert len(layout) == 580
    plain = [re.sub(r"\.(conv|bn)\..*", "", key) for key in layout if key.endswith("conv.weight")]
    assert [key for key in plain if key.startswith("Mixed_7b")] == [
        f"Mixed_7b.branch{name}"
        for name in (
            *("1x1", "3x3_1", "3x3_2a", "3x3_2b"),
            *("3x3dbl_1", "3x3dbl_2", "3x3dbl_3a", "3x3dbl_3b", "_pool"),
        )
    ]
    assert [key for key in plain if key.startswith("Mixed_6a")] == [
        f"Mixed_6a.branch{name}" for name in ("3x3", "3x3dbl_1", "3x3dbl_2", "3x3dbl_3")
    ]
    assert layout["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert layout["Mixed_5b.branch5x5_2.conv.weight"] == (64, 48, 5, 5)
    assert layout["Mixed_6b.branch7x7dbl_5.conv.weight"] == (192, 128, 1, 7)
    assert layout["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert layout["AuxLogits.conv1.conv.weight"] == (768, 128, 5, 5)
    assert layout["AuxLogits.fc.weight"] == (1000, 768)


def test_v4s_layout_is_that_of_its_published_weights():
    layout = keys("inception_v4")
    assert layout["features.4.branch1.3.conv.weight"] == (96, 64, 3, 3)
    assert layout["features.19.branch1_1a.conv.weight"] == (256, 384, 1, 3)
    assert layout["features.21.branch2_3b.bn.weight"] == (256,)
    assert layout["features.21.branch3.1.conv.weight"] == (256, 1536, 1, 1)
    assert layout["last_linear.weight"] == (1000, 1536)


def test_inception_resnets_layout_is_that_of_its_published_weights():
    layout = keys("inception_resnet_v2")
    assert layout["repeat.9.branch2.2.conv.weight"] == (64, 48, 3, 3)
    assert layout["repeat_1.19.conv2d.weight"] == (1088, 384, 1, 1)
    assert layout["mixed_7a.branch2.2.bn.weight"] == (320,)
    assert layout["repeat_2.8.conv2d.bias"] == (2080,)
    assert layout["block8.conv2d.bias"] == (2080,)
    assert layout["classif.weight"] == (1000, 1536)


@pytest.mark.parametrize(("name", "size", "heads"), [("googlenet", 15, 2), ("inception_v3", 299, 1)])
def test_auxiliary_heads_speak_in_training_alone(name, size, heads):
    model = build(name, aux_logits=True, input_size=size)
    outputs = model(torch.zeros(2, 3, size, size, device="meta"))
    assert [tuple(output.shape) for output in outputs] == [(2, 1000)] * (1 + heads)
    assert model.eval()(torch.zeros(2, 3, 75, 75, device="meta")).shape == (2, 1000)


def test_the_loss_of_the_heads_reaches_the_blocks_before_them_and_no_others():
    torch.manual_seed(0)
    model = models.create("googlenet", num_classes=5, aux_logits=True, input_size=15)
    outputs = model(torch.randn(3, 3, 15, 15))
    outputs.aux_logits1.square().sum().backward(retain_graph=True)
    assert model.inception4a.branch1.conv.weight.grad.abs().sum() > 0
    assert model.inception4b.branch1.conv.weight.grad is None
    outputs.aux_logits2.square().sum().backward()
    assert model.inception4d.branch1.conv.weight.grad.abs().sum() > 0
    assert model.inception4e.branch1.conv.weight.grad is None
    assert all(p.grad.abs().sum() > 0 for head in (model.aux1, model.aux2) for p in head.parameters())


def test_transform_input_brings_imagenets_scale_to_inceptions():
    model = models.create("googlenet", num_classes=5, transform_input=True, input_size=15).eval()
    pixels = torch.rand(2, 3, 16, 17)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen = []
    model.conv1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model((pixels - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(seen[0], 2 * pixels - 1)
    assert "scale" not in model.state_dict()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("googlenet", {"variant": "bok"}, "unknown variant 'bok'; did you mean 'book'"),
        ("googlenet", {"variant": "book", "aux_logits": True}, "aux_logits: expected false"),
        ("googlenet", {"in_channels": 1, "transform_input": True}, "transform_input: expected images with 3 channels"),
        ("googlenet", {"input_size": 14}, "input_size: expected at least 15 pixels"),
        ("inception_v3", {"input_size": 74}, "input_size: expected at least 75 pixels"),
        ("inception_v3", {"input_size": 298, "aux_logits": True}, "input_size: expected at least 299 pixels"),
        ("inception_v4", {"num_classes": 0}, "num_classes: expected a whole number of at least 1"),
    ],
)
def test_what_can_not_be_is_said(name, arguments, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        models.create(name, **arguments)


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("googlenet", 15), ("inception_v3", 75), ("inception_v4", 75), ("inception_resnet_v2", 75)],
)
def test_one_pixel_less_than_the_smallest_image_would_leave_nothing(name, smallest, monkeypatch):
    model = build(name).eval()
    assert model(torch.zeros(1, 3, smallest, smallest, device="meta")).shape == (1, 1000)
    with pytest.raises(ShapeError, match=f"of at least {smallest} pixels a side"):
        model(torch.zeros(1, 3, smallest, smallest - 1, device="meta"))
    monkeypatch.setattr(f"fathom.models.{name}.expect_images", lambda *_: None)
    with pytest.raises(RuntimeError, match=r"too small|greater than actual input size|Output size"):
        model(torch.zeros(1, 3, smallest - 1, smallest - 1, device="meta"))


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_number_of_channels_is_said(name):
    with pytest.raises(ShapeError, match=r"expected images \(batch, 3, height, width\)"):
        build(name)(torch.zeros(1, 4, 299, 299, device="meta"))


def test_branches_number_layers_and_name_both_sides_of_a_fork():
    def conv(inputs, outputs):
        return BasicConv2d(inputs, outputs, 1)

    module = Branches(
        {
            "plain": conv(2, 3),
            "chain": [conv(2, 3), torch.nn.MaxPool2d(1), (conv(3, 5), conv(3, 7))],
            "pool": [torch.nn.AvgPool2d(1), conv(2, 11)],
        }
    )
    assert [name for name, _ in module.named_children()] == [
        *("plain", "chain_1", "chain_pooling", "chain_2a", "chain_2b", "pool_pooling", "pool")
    ]
    module.eval()
    x = torch.randn(2, 2, 3, 5)
    y = module.chain_pooling(module.chain_1(x))
    expected = torch.cat([module.plain(x), module.chain_2a(y), module.chain_2b(y), module.pool(x)], dim=1)
    assert torch.equal(module(x), expected)


BLOCKS = {
    "Inception": (lambda nn: Inception(3, 2, (3, 5), (2, 3), 7, nn=nn), 3),
    "Inception, the book's": (lambda nn: Inception(3, 2, (3, 5), (2, 3), 7, norm=False, nn=nn), 3),
    "Inception v3, 7×7": (lambda nn: InceptionC(5, 3, nn=nn), 5),
    "Inception-ResNet, 35×35": (lambda nn: Block35(nn=nn), 320),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_gives_the_same_values_and_gradients_on_three_rungs(name):
    make, channels = BLOCKS[name]
    torch.manual_seed(0)
    reference = make(torch.nn).double()
    state = {key: value.numpy() for key, value in reference.state_dict().items()}
    values = np.random.default_rng(0).normal(size=(2, channels, 5, 7))
    outputs, gradients = [], []
    for nn in RUNGS:
        numpy = nn is fathom.autograd.nn
        block = make(nn).double()
        block.load_state_dict(state if numpy else reference.state_dict())
        x = (
            fathom.autograd.Tensor(values.copy(), requires_grad=True)
            if numpy
            else torch.tensor(values).requires_grad_()
        )
        y = block(x)
        (y * y).sum().backward()
        outputs.append(y.detach().numpy())
        gradients.append(np.concatenate([p.grad.numpy().ravel() for p in (x, *block.parameters())]))
    for other in outputs[1:]:
        np.testing.assert_allclose(other, outputs[0], rtol=1e-12, atol=1e-12)
    for other in gradients[1:]:
        np.testing.assert_allclose(other, gradients[0], rtol=1e-10, atol=1e-10 * np.abs(gradients[0]).max())


def test_googlenet_of_the_smallest_images_is_the_same_on_rung_numpy():
    torch.manual_seed(0)
    theirs = models.create("googlenet", num_classes=5, input_size=15).double().eval()
    ours = models.create("googlenet", num_classes=5, input_size=15, nn=fathom.autograd.nn)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 3, 15, 17))
    expected = theirs(torch.tensor(x)).detach().numpy()
    found = ours.double().eval()(fathom.autograd.Tensor(x)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def test_a_truncated_start_has_nothing_beyond_two_deviations_and_scipys_spread():
    from scipy import stats

    torch.manual_seed(0)
    weight = models.create("googlenet", num_classes=5).inception5b.branch2[1].conv.weight
    assert weight.abs().max() <= 0.02
    assert weight.std().item() == pytest.approx(stats.truncnorm(-2, 2, scale=0.01).std(), rel=0.01)
