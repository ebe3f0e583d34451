import functools
import math
import time

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fathom import models
from fathom.errors import InputError, ShapeError, UnknownNameError
from fathom.models.resnet import BasicBlock, Bottleneck

PARAMETERS = {  # torchvision's table of models
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
}
TABLE_6 = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}  # He et al. 2015, millions
TABLE_1 = {"resnet18": 1.8, "resnet34": 3.6, "resnet50": 3.8, "resnet101": 7.6, "resnet152": 11.3}  # G multiply-adds


@functools.cache
def build(name, **arguments):
    """On the meta device: shapes alone."""
    with torch.device("meta"):
        return models.create(name, **arguments)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@functools.cache
def multiply_adds(name, **arguments):
    model = build(name, **arguments)
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, 224, 224, device="meta"))
    return counter.get_total_flops() / 2


@pytest.mark.parametrize("name", PARAMETERS)
def test_it_has_the_published_parameters(name):
    assert count(build(name)) == PARAMETERS[name]


@pytest.mark.parametrize(("stem", "parameters"), [("large", 11_178_378), ("small", 11_175_818)])
def test_the_books_resnet_18_has_the_books_parameters(stem, parameters):
    assert count(build("resnet18", in_channels=1, num_classes=10, variant="book", stem=stem)) == parameters


@pytest.mark.parametrize("depth", TABLE_6)
def test_those_for_small_images_have_the_parameters_of_the_papers_table(depth):
    millions = TABLE_6[depth]
    digits = len(millions.partition(".")[2])
    assert f"{count(build(f'resnet{depth}_cifar')) / 1e6:.{digits}f}" == millions


@pytest.mark.parametrize("depth", TABLE_6)
def test_those_for_small_images_are_as_deep_as_they_are_called(depth):
    model = build(f"resnet{depth}_cifar")
    weighted = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(weighted) == depth


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_a_plain_network_has_the_weights_of_its_residual_twin(depth):
    plain, residual = (build(f"{kind}{depth}_cifar").state_dict() for kind in ("plain", "resnet"))
    assert {name: weight.shape for name, weight in plain.items()} == {name: w.shape for name, w in residual.items()}


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_padding_with_zeros_has_no_parameters_and_each_other_option_more(name):
    none, a, b, c = (count(build(name, shortcut=option)) for option in ("none", "A", "B", "C"))
    assert none == a < b < c


def test_plain_networks_are_without_shortcuts():
    for name, residual in (("plain18", "resnet18"), ("plain34", "resnet34")):
        assert count(build(name)) == count(build(residual, shortcut="A"))
        assert not any(block.residual for block in build(name).modules() if isinstance(block, BasicBlock))


def test_a_plain_block_is_the_residual_one_less_its_input():
    torch.manual_seed(0)
    residual, plain = BasicBlock(3, 3).eval(), BasicBlock(3, 3, shortcut="none").eval()
    plain.load_state_dict(residual.state_dict())
    x = torch.rand(2, 3, 5, 7)
    branch = residual.bn2(residual.conv2(residual.bn1(residual.conv1(x)).relu()))
    torch.testing.assert_close(residual(x), (branch + x).relu())
    torch.testing.assert_close(plain(x), branch.relu())


@pytest.mark.parametrize(
    ("block", "out_channels"), [(BasicBlock(3, 5, 2, shortcut="A"), 5), (Bottleneck(3, 2, 2, shortcut="A"), 8)]
)
def test_zero_padding_keeps_every_second_pixel_and_fills_with_zeros(block, out_channels):
    last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
    torch.nn.init.zeros_(last.weight)  # so that only what comes over the shortcut is left
    x = torch.rand(2, 3, 7, 11)
    expected = torch.zeros(2, out_channels, 4, 6)
    expected[:, :3] = x[:, :, ::2, ::2]
    assert torch.equal(block(x), expected)


@pytest.mark.parametrize("name", TABLE_1)
def test_the_papers_variant_costs_what_the_paper_says(name):
    assert multiply_adds(name, variant="paper") / 1e9 == pytest.approx(TABLE_1[name], rel=0.02)


def test_torchvisions_stride_costs_more_than_the_papers():
    assert multiply_adds("resnet50") / 1e9 == pytest.approx(4.09, rel=0.002)  # torchvision's documentation
    assert multiply_adds("resnet50") > multiply_adds("resnet50", variant="paper")


def test_resnet_34_costs_less_than_a_fifth_of_vgg_19():
    assert 0.18 < multiply_adds("resnet34", variant="paper") / multiply_adds("vgg19") < 0.19  # paper, section 3.3: 18 %


def test_the_stride_stands_where_the_variant_says():
    for variant, expected in (("torchvision", (1, 2, 1)), ("paper", (2, 1, 1))):
        block = build("resnet50", variant=variant).layer2[0]
        assert tuple(conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)) == expected


def test_the_layout_is_torchvisions():
    shapes = {name: tuple(tensor.shape) for name, tensor in build("resnet50", num_classes=2).state_dict().items()}
    assert len(shapes) == 320
    assert sum(map(math.prod, shapes.values())) == 23_565_303  # of a file that torchvision's network wrote, two classes
    of_a_norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert [name for name in shapes if name.startswith("layer3.0.")] == [
        f"layer3.0.{name}"
        for number in (1, 2, 3)
        for name in (f"conv{number}.weight", *(f"bn{number}.{part}" for part in of_a_norm))
    ] + ["layer3.0.downsample.0.weight", *(f"layer3.0.downsample.1.{part}" for part in of_a_norm)]
    assert list(shapes)[:2] == ["conv1.weight", "bn1.weight"]
    assert list(shapes)[-2:] == ["fc.weight", "fc.bias"]
    expected = {
        "conv1.weight": (64, 3, 7, 7),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer2.0.conv3.weight": (512, 128, 1, 1),
        "layer3.5.conv2.weight": (256, 256, 3, 3),
        "layer4.2.bn3.running_var": (2048,),
        "layer4.2.bn3.num_batches_tracked": (),
        "fc.weight": (2, 2048),
    }
    assert {name: shapes[name] for name in expected} == expected


def test_resnexts_layout_is_resnet_50s_with_wider_groups():
    shapes = {name: tuple(tensor.shape) for name, tensor in build("resnext50_32x4d").state_dict().items()}
    assert list(shapes) == list(build("resnet50").state_dict())
    assert shapes["layer1.0.conv2.weight"] == (128, 4, 3, 3)
    assert shapes["layer4.2.conv2.weight"] == (1024, 32, 3, 3)
    assert shapes["layer4.2.conv3.weight"] == (2048, 1024, 1, 1)


def test_the_basic_blocks_layout_is_torchvisions():
    names = [name for name in build("resnet18").state_dict() if not name.endswith(("tracked", "mean", "var", "bias"))]
    assert names[:5] == ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer1.0.bn1.weight",
                         "layer1.0.conv2.weight"]  # fmt: skip
    assert [name for name in names if "downsample" in name] == [
        f"layer{layer}.0.downsample.{part}.weight" for layer in (2, 3, 4) for part in (0, 1)
    ]


def test_the_parts_map_the_shapes_of_the_papers_table():
    model, x, shapes = build("resnet50"), torch.empty(1, 3, 224, 224, device="meta"), {}
    for name, part in model.named_children():
        x = part(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes["conv1"] == (64, 112, 112)
    assert [shapes[f"layer{n}"] for n in (1, 2, 3, 4)] == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]
    assert shapes["fc"] == (1000,)


def test_weights_start_as_kaiming_draws_them():
    torch.manual_seed(0)
    model = models.create("resnet18")
    for conv in (model.layer4[1].conv2, model.layer3[0].conv1, model.layer3[0].downsample[0]):
        fan_out = conv.out_channels * math.prod(conv.kernel_size)
        assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / fan_out), rel=0.01)
        assert conv.weight.mean().item() == pytest.approx(0, abs=3 / math.sqrt(conv.weight.numel() * fan_out / 2))


@pytest.mark.slow
def test_the_deepest_is_built_in_two_seconds():
    start = time.process_time()
    models.create("resnet152")
    assert time.process_time() - start < 2


@pytest.mark.parametrize("name", ["resnet18", "plain18", "resnet50", "resnext50_32x4d", "resnet20_cifar"])
def test_images_may_be_of_any_size(name):
    model = models.create(name, num_classes=5).eval()
    for size in ((1, 1), (7, 30)):
        assert model(torch.zeros(2, 3, *size)).shape == (2, 5)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet50", {"variant": "papers"}, "unknown variant 'papers'; did you mean 'paper'"),
        ("resnet50", {"shortcut": "D"}, "unknown shortcut 'D'; there are: A, B, C, none"),
        ("resnet50", {"stem": "smal"}, "unknown stem 'smal'; did you mean 'small'"),
        ("resnet20_cifar", {"shortcut": "nonne"}, "unknown shortcut 'nonne'; did you mean 'none'"),
        ("resnext50_32x4d", {"variant": "book"}, "unknown argument of resnext50_32x4d 'variant'"),
    ],
)
def test_an_unknown_choice_gets_a_suggestion(name, arguments, message):
    with pytest.raises(UnknownNameError, match=message):
        models.create(name, **arguments)


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "resnet20_cifar"])
def test_sizes_are_checked(name):
    with pytest.raises(InputError, match="input_size: expected at least 1 pixels a side"):
        models.create(name, input_size=0)
    with pytest.raises(InputError, match="in_channels: expected a whole number of at least 1, got 0"):
        models.create(name, in_channels=0)
    with pytest.raises(InputError, match="num_classes: expected a whole number of at least 1, got 0"):
        models.create(name, num_classes=0)


def test_images_with_other_channels_are_refused():
    model = build("resnet18", in_channels=3)
    with pytest.raises(ShapeError, match=r"expected images \(batch, 3, height, width\)"):
        model(torch.empty(2, 1, 33, 33, device="meta"))
