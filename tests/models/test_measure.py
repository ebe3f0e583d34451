import pytest
import torch
from tests.models.counting import build
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fathom import models
from fathom.models.googlenet import Inception
from fathom.models.measure import label, measure
from fathom.models.receptive_field import receptive_fields


def meta(name, size=224, channels=3, **arguments):
    return measure(build(name, **arguments), torch.zeros(1, channels, size, size, device="meta"))


SMALL = {
    "alexnet": ({"hidden_size": 7}, 67),
    "efficientnet_lite0": ({}, 45),
    "googlenet": ({}, 45),
    "googlenet, book": ({"variant": "book"}, 45),
    "inception_resnet_v2": ({"depths": (1, 1, 2)}, 75),
    "nin": ({}, 67),
    "resnet18": ({}, 45),
    "densenet121": ({}, 33),
    "vgg11_bn": ({"ratio": 16, "hidden_size": 7}, 32),
}


@pytest.mark.parametrize("name", SMALL)
def test_without_data_it_counts_what_torch_counts_with_data(name):
    arguments, size = SMALL[name]
    model, _, _ = name.partition(",")
    found = meta(model, size, num_classes=5, **arguments)
    real = models.create(model, num_classes=5, **arguments).eval()
    shapes = {}
    for path, part in real.named_modules():
        part.register_forward_hook(lambda _, __, y, path=path: shapes.update({path: tuple(y.shape[1:])}))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        real(torch.zeros(1, 3, size, size))
    assert found.whole.flops == counter.get_total_flops()
    assert found.whole.parameters == sum(parameter.numel() for parameter in real.parameters())
    assert {part.name: part.output for part in found.parts} == shapes


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_the_fields_are_those_of_receptive_fields(name):
    found = {part.name: part.field for part in meta(name).parts}
    assert found == receptive_fields(build(name), (3, 224, 224))


@pytest.mark.parametrize(
    ("name", "size", "multiply_adds", "depth"),
    [  # torchvision's documentation of its weights; the depth is in the name, or in the paper
        ("alexnet", 224, 0.714, 8),
        ("vgg16", 224, 15.470, 16),
        ("vgg19", 224, 19.632, 19),
        ("googlenet", 224, 1.498, 22),
        ("inception_v3", 299, 5.713, 48),
        ("resnet18", 224, 1.814, 18),
        ("resnet50", 224, 4.089, 50),
        ("resnet152", 224, 11.514, 152),
        ("densenet121", 224, 2.834, 121),
        ("densenet201", 224, 4.291, 201),
    ],
)
def test_operations_and_depth_are_the_published_ones(name, size, multiply_adds, depth):
    found = meta(name, size)
    assert found.whole.flops / 2e9 == pytest.approx(multiply_adds, abs=0.0006)
    assert found.depth == depth


@pytest.mark.parametrize(
    ("block", "multiply_adds"),
    [  # the first of the widths in GoogLeNet's table: 192 channels to 64 + 128 + 32 + 32
        (
            lambda: Inception(192, 64, (96, 128), (16, 32), 32, norm=False),
            192 * (64 + 96 + 16 + 32) + 9 * 96 * 128 + 25 * 16 * 32,
        ),
        (lambda: nn.Conv2d(192, 256, 3, padding=1), 9 * 192 * 256),
        (lambda: nn.Conv2d(192, 256, 5, padding=2), 25 * 192 * 256),
    ],
    ids=["inception", "3x3", "5x5"],
)
def test_a_block_does_as_many_multiply_adds_a_pixel_as_it_has_weights(block, multiply_adds):
    with torch.device("meta"):
        found = measure(block(), torch.zeros(1, 192, 28, 28))
    assert found.whole.flops == 2 * 28 * 28 * multiply_adds


@pytest.mark.parametrize("name", ["googlenet", "resnet50", "inception_v4", "efficientnet_lite0", "vgg16", "lenet"])
@pytest.mark.parametrize("level", [1, 2, 3, 99])
def test_the_rows_of_a_level_are_together_all_of_the_model(name, level):
    size, channels = (28, 1) if name == "lenet" else (299, 3)
    found = meta(name, size, channels)
    rows = found.rows(level)
    assert sum(row.parameters for row in rows) == found.whole.parameters
    assert sum(row.flops for row in rows) == found.whole.flops
    assert sum(row.activations for row in rows) <= found.whole.activations


@pytest.mark.parametrize(
    ("name", "rows"), [("resnet50", 23), ("resnet152", 11), ("googlenet", 19), ("densenet201", 16)]
)
def test_deep_models_are_shown_by_their_blocks(name, rows):
    found = meta(name)
    assert len(found.rows(found.readable_level())) == rows


def test_memory_is_what_operations_put_out_and_not_what_views_do():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 5 * 7, 11))
        found = measure(model, torch.zeros(1, 2, 7, 9))
    assert [part.activations for part in found.parts[1:]] == [4 * 105, 4 * 105, 0, 4 * 11]


def test_a_text_model_is_run_with_data():
    model = models.create("transformer_encoder", vocab_size=11, hidden_size=6, num_heads=2, num_layers=1)
    found = measure(model, torch.zeros(1, 7, dtype=torch.long))
    with FlopCounterMode(display=False) as counter:
        model.train()(torch.zeros(1, 7, dtype=torch.long))
    assert found.whole.flops == counter.get_total_flops() > 0
    assert found.whole.field is None


def test_steps_know_what_they_take_from():
    with torch.device("meta"):
        found = measure(Inception(3, 2, (3, 5), (2, 3), 7, norm=False), torch.zeros(1, 3, 5, 7))
    joint = found.nodes[-1]
    assert (joint.kind, joint.output) == ("cat", (17, 5, 7))
    assert [found.nodes[maker].kind for maker in joint.inputs] == ["ReLU"] * 4
    heads = [node for node in found.nodes if node.inputs == (-1,)]
    assert [node.label for node in heads] == ["Conv2d 1×1, 2", "Conv2d 1×1, 3", "Conv2d 1×1, 2", "MaxPool2d 3×3"]


def test_a_shortcut_is_seen():
    with torch.device("meta"):
        found = measure(build("resnet18").layer1, torch.zeros(1, 64, 5, 7))
    adds = [node for node in found.nodes if node.kind == "add"]
    assert [len(node.inputs) for node in adds] == [2, 2]
    assert -1 in adds[0].inputs


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Conv2d(2, 6, (1, 7), 2), "Conv2d 1×7, 6, stride 2"),
        (nn.Conv2d(6, 6, 3, groups=6), "Conv2d 3×3, depthwise"),
        (nn.Conv2d(6, 12, 3, (1, 2), groups=3), "Conv2d 3×3, 12, 3 groups, stride 1×2"),
        (nn.AdaptiveAvgPool2d((7, 7)), "AdaptiveAvgPool2d, 7×7"),
        (nn.Linear(3, 5), "Linear, 5"),
        (nn.ReLU(), "ReLU"),
    ],
)
def test_a_label_says_what_a_layer_does(layer, said):
    assert label(layer) == said


def test_shapes_that_do_not_fit_are_still_refused():
    with torch.device("meta"):
        for model in (nn.Conv2d(2, 3, 5), nn.Conv2d(3, 3, 3), nn.Sequential(nn.Flatten(), nn.Linear(7, 2))):
            with pytest.raises(RuntimeError):
                measure(model, torch.zeros(1, 2, 4, 4))


def test_the_model_is_left_without_hooks():
    model = build("resnet18")
    measure(model, torch.zeros(1, 3, 64, 64, device="meta"))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_a_module_that_is_called_twice_has_its_parameters_once():
    with torch.device("meta"):
        shared = nn.Linear(3, 3)
        found = measure(nn.Sequential(shared, nn.ReLU(), shared), torch.zeros(1, 3))
    assert [part.parameters for part in found.rows(1)] == [12, 0, 0]
    assert [part.flops for part in found.rows(1)] == [18, 0, 18]


def test_a_part_that_is_called_before_its_block_is_counted_there():
    model = models.create("transformer", source_vocab_size=7, target_vocab_size=5, d_model=8, num_heads=2, d_ff=3)
    found = measure(model, *model.example())
    rows = found.rows(1)
    assert any(row.name == "decoder.0.cross.keys_values" for row in rows)
    assert sum(row.parameters for row in rows) == found.whole.parameters
