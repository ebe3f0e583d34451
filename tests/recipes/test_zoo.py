import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fathom import data, recipes
from fathom.errors import InputError
from fathom.models.measure import measure
from fathom.models.receptive_field import receptive_fields
from fathom.recipes import (
    batch_norm_on_off,
    deep_narrow_kernels,
    lenet_bn,
    plain_vs_residual,
    resnet18,
    shortcut_options,
)
from fathom.recipes.common.compared import first
from fathom.records import RunFolder

QUICK = {"device": "cpu", "threads": 1, "epochs": 1}
GREY = {"kind": "images", "example_shape": [1, 96, 96], "classes": list("abcdefghij")}
COLOUR = {"kind": "images", "example_shape": [3, 16, 16], "classes": list("abcdefghij")}
BOOK = {  # d2l-zh 7.1 to 7.7: learning rate, examples an update, pixels a side
    "alexnet": (0.01, 128, 224),
    "vgg11": (0.05, 128, 224),
    "nin": (0.1, 128, 224),
    "googlenet": (0.1, 128, 96),
    "lenet-bn": (1.0, 256, 28),
    "resnet18": (0.05, 256, 96),
    "densenet": (0.1, 256, 96),
}


# --- the book's networks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOOK)
def test_its_settings_are_the_book_s(name):
    recipe = recipes.load(name)
    config = recipe.Config()
    assert (config.lr, config.batch_size, recipe.RECIPE.wishes["size"]) == BOOK[name]
    assert (config.epochs, config.optimizer, config.schedule, config.augment) == (10, "sgd", "constant", "")


@pytest.mark.parametrize("name", BOOK)
def test_the_page_tells_its_size_and_cost(name):
    recipe, side = recipes.load(name), BOOK[name][2]
    with torch.device("meta"):
        model, picture = (
            recipe.build(recipe.Config(), {**GREY, "example_shape": [1, side, side]}),
            torch.zeros(1, 1, side, side),
        )
    page = (Path(__file__).parents[2] / "docs" / "zoo.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}`"))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert f"| {parameters:,} | {measure(model, picture).parts[0].flops / 1e6:,.0f} M |" in row


@pytest.mark.parametrize("name", ["googlenet", "densenet", "lenet-bn"])
def test_its_weights_lie_within_xavier_s_bound_and_reach_it(name):
    recipe = recipes.load(name)
    model = recipe.build(recipe.Config(), GREY)
    weighted = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(weighted) > 4
    for module in weighted:
        outputs, inputs, *kernel = module.weight.shape
        bound = math.sqrt(6 / ((inputs + outputs) * math.prod(kernel)))
        assert module.weight.abs().max() <= bound
        if module.weight.numel() > 100:
            assert module.weight.abs().max() > 0.9 * bound


def test_resnet18_takes_a_folder_of_colour_pictures_of_any_size(tmp_path):
    rng = np.random.default_rng(0)
    for colour, word in enumerate(("red", "green", "blue")):
        (tmp_path / "pictures" / word).mkdir(parents=True)
        for number in range(5):
            sides = rng.integers(9, 40, 2)
            picture = rng.integers(0, 60, (*sides, 3)).astype(np.uint8)
            picture[..., colour] += 150
            Image.fromarray(picture).save(tmp_path / "pictures" / word / f"{number}.png")
    config = resnet18.Config(**QUICK, data=f"images:{tmp_path / 'pictures'},size=32", batch_size=8)
    folder = RunFolder.create("resnet18", dataclasses.asdict(config), tmp_path / "run")
    result = resnet18.run(config, folder)
    assert folder.data["example_shape"] == [3, 32, 32]
    assert result.data[0].sizes == {"train": 12}  # a fifth is kept for the test
    Image.new("RGB", (50, 20), (20, 20, 200)).save(tmp_path / "new.png")
    assert set(resnet18.predict(folder, tmp_path / "new.png").probabilities) == {"red", "green", "blue"}


def test_lenet_bn_gives_the_same_on_all_three_rungs():
    settings = {**QUICK, "data": "drawn-contest,size=16", "batch_size": 16, "limit": 3}
    losses = [lenet_bn.run(lenet_bn.Config(**settings, rung=rung)).metrics["train_loss"]
              for rung in ("torch", "scratch", "numpy")]  # fmt: skip
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)  # float32 sums in another order, over three updates


def test_an_enlarged_picture_is_kept_as_bytes_and_is_the_interpolated_one_rounded():
    small = data.load("fashion-mnist-sample", "test").tensors["x"][:3]
    large = data.load("fashion-mnist-sample,size=41x53", "test").tensors["x"][:3]
    assert large.dtype == torch.uint8
    expected = nn.functional.interpolate(small, (41, 53), mode="bilinear", antialias=True)
    assert (large / 255 - expected).abs().max() <= 0.5 / 255 + 1e-6


# --- several networks on the same pictures --------------------------------------------------------------------------


def test_the_first_examples_are_what_the_result_says_it_saw():
    whole = data.load("drawn-contest,size=8", "train")
    part = first(whole, 7)
    assert torch.equal(part.tensors["x"], whole.tensors["x"][:7])
    assert part.used.sizes == {"train": 7}
    assert first(whole, 0) is whole


def test_a_plain_network_starts_from_the_weights_of_its_residual_twin():
    networks = plain_vs_residual.build(plain_vs_residual.Config(depths=(8,), highway=0), COLOUR)
    assert set(networks) == {"plain8", "residual8"}
    twin = networks["residual8"].state_dict()
    assert all(torch.equal(value, twin[name]) for name, value in networks["plain8"].state_dict().items())
    x = torch.rand(3, 3, 16, 16)
    assert not torch.allclose(networks["plain8"](x), networks["residual8"](x))


def test_gradients_are_those_of_the_convolutions_on_the_way_through():
    train = data.load("drawn-contest,size=16", "train")
    network = plain_vs_residual.build(plain_vs_residual.Config(depths=(8,), highway=8), COLOUR)["highway8"]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    norms = plain_vs_residual.gradient_norms(network, train)
    assert len(norms) == 7  # the first, and two in each of three blocks; gates are beside the way
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    x, y = (train.tensors[name][: plain_vs_residual.EXAMPLES] for name in ("x", "y"))
    nn.functional.cross_entropy(network.train()(data.pixels(x)), y).backward()
    assert norms[0] == pytest.approx(network.conv1.weight.grad.norm().item())
    assert norms[-1] == pytest.approx(network.get_submodule("layer3.0.conv2").weight.grad.norm().item())


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        (plain_vs_residual, {"depths": (20, 21)}, r"--depths: expected different numbers out of 8, 14, 20"),
        (plain_vs_residual, {"depths": ()}, r"--depths: expected"),
        (plain_vs_residual, {"highway": 3}, r"--highway: expected 0 for none, or 8, 14, 20"),
        (plain_vs_residual, {"examples": -1}, r"--examples: expected a number at least 0"),
        (plain_vs_residual, {"schedule": "plateau"}, r"--schedule: expected one that is fixed"),
        (plain_vs_residual, {"precision": "bf16"}, r"--precision: expected fp32, since"),
        (shortcut_options, {"depth": 9}, r"--depth: expected 8, 14, 20"),
        (batch_norm_on_off, {"rates": (0.1, 0.1)}, r"--rates: expected different numbers above 0"),
        (deep_narrow_kernels, {"channels": 0}, r"--channels: expected a number at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(recipe, changes, message):
    with pytest.raises(ValueError, match=message):
        recipe.Config(**changes)


def test_shortcuts_cost_nothing_little_and_more_and_the_way_through_starts_alike():
    networks = shortcut_options.build(shortcut_options.Config(depth=14), COLOUR)
    counts = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
    assert counts["none"] == counts["a"] < counts["b"] < counts["c"]
    # projections 16 to 32 and 32 to 64 with batch norms; with C also four that keep the channels
    assert counts["b"] - counts["a"] == 16 * 32 + 64 + 32 * 64 + 128
    assert counts["c"] - counts["b"] == 2 * (16 * 16 + 32) + (32 * 32 + 64) + (64 * 64 + 128)
    for name, network in networks.items():
        assert torch.equal(network.get_submodule("layer3.1.conv2").weight,
                           networks["none"].get_submodule("layer3.1.conv2").weight), name  # fmt: skip


# --- batch norm -----------------------------------------------------------------------------------------------------


@pytest.fixture
def with_and_without():
    return batch_norm_on_off.build(batch_norm_on_off.Config(rates=(1.0,)), COLOUR)


def test_a_bias_before_a_batch_norm_gets_no_gradient_and_changes_nothing(with_and_without):
    found = batch_norm_on_off.redundancy(with_and_without["on_0"], data.load("drawn-contest,size=16", "train"), seed=0)
    assert found["bias_gradient"] < 1e-12  # float64, summed over pixels
    assert found["bias_shift"] < 1e-12


def test_without_it_biases_matter(with_and_without):
    train = data.load("drawn-contest,size=16", "train")
    assert batch_norm_on_off.before_norms(with_and_without["off_0"]) == []
    with_norm = with_and_without["on_0"]
    biases = batch_norm_on_off.before_norms(with_norm)
    assert [len(bias) for bias in biases] == [6, 16, 120, 84]
    no_norms = nn.Sequential(*(layer for layer in with_norm if not hasattr(layer, "running_mean")))
    x = data.pixels(train.tensors["x"][:8])
    before = no_norms(x)
    with torch.no_grad():
        for bias in biases:
            bias.add_(1.0)
    assert (no_norms(x) - before).abs().max() > 0.01


def test_networks_of_a_kind_start_alike():
    networks = batch_norm_on_off.build(batch_norm_on_off.Config(rates=(1.0, 0.1)), COLOUR)
    for kind in ("on", "off"):
        pairs = zip(networks[f"{kind}_0"].parameters(), networks[f"{kind}_1"].parameters(), strict=True)
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


# --- kernels --------------------------------------------------------------------------------------------------------


def counted(size, channels, about):
    """Operations by the rule of multiplication, over all layers."""
    pixels, total = math.prod(about["example_shape"][1:]), 0
    total += 9 * about["example_shape"][0] * channels * pixels
    for _ in range(deep_narrow_kernels.BLOCKS):
        total += (2 if size == 3 else 1) * size**2 * channels**2 * pixels
        pixels //= 4
    return 2 * (total + channels * len(about["classes"])) / 1e6


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("channels", [2, 7])
def test_operations_are_those_that_one_counts(size, channels):
    assert deep_narrow_kernels.operations(size, channels, COLOUR) == pytest.approx(counted(size, channels, COLOUR))


def test_the_deep_network_costs_as_much_as_the_shallow_one_or_just_less():
    width = deep_narrow_kernels.as_dear(16, COLOUR)
    assert counted(3, width, COLOUR) <= counted(5, 16, COLOUR) < counted(3, width + 1, COLOUR)


def test_both_see_as_much():
    fields = [receptive_fields(deep_narrow_kernels.network(size, 2, COLOUR), (3, 32, 32)) for size in (3, 5)]
    last = [[field.height.size for name, field in found.items() if name.isdigit()] for found in fields]
    assert max(last[0][:-3]) == max(last[1][:-3])


def test_networks_compared_on_some_classes_are_not_measured_on_others(tmp_path):
    config = deep_narrow_kernels.Config(data="drawn-shapes,size=9", examples=20, test_examples=20)
    folder = RunFolder.create("deep-narrow-kernels", dataclasses.asdict(config), tmp_path / "run")
    folder.write_data({"classes": ["cat", "dog"], "kind": "images"})
    with pytest.raises(InputError, match=r"has learnt 2 classes, but drawn-shapes.* has 10 or others .*train anew"):
        deep_narrow_kernels.measure(folder)
