"""Grad-CAM on photographs, by a network with published weights: the heat lies on the animal that is asked for."""

from pathlib import Path

import pytest
import torch

from fathom import data, models
from fathom.diagnose import enlarged, grad_cam
from fathom.errors import MissingExtraError
from fathom.models.efficientnet_lite import MEAN, STD, packaged_weights

TABBY, TIGER_CAT, WALKER_HOUND = 281, 282, 166  # of ImageNet's 1,000 classes in their usual order


def hot(real_data, name, label):
    """Where there is more than half of the greatest heat, `(224, 224)` of bool, and the pixels in 0–1."""
    try:
        weights = packaged_weights()
    except MissingExtraError as error:
        pytest.skip(str(error))
    file = next((file for folder in real_data.split(":") if (file := Path(folder, "images", name)).is_file()), None)
    if file is None:
        pytest.skip(f"no images/{name} in FATHOM_DATA")
    from PIL import Image

    with Image.open(file) as opened:
        height, width = 256 * opened.height // min(opened.size), 256 * opened.width // min(opened.size)
    pixels = data.read_image(file, size=(height, width), channels=3)
    top, left = (height - 224) // 2, (width - 224) // 2
    pixels = pixels[:, top : top + 224, left : left + 224]
    model = models.load_published("efficientnet_lite0", weights)
    found = grad_cam(model, (255 * pixels[None] - MEAN) / STD, torch.tensor([label]))
    assert found.layer == "head"
    whole = enlarged(found.heat, (224, 224))[0]
    return whole > whole.max() / 2, pixels


@pytest.mark.slow
def test_the_heat_of_the_cat_lies_on_the_cat(real_data):
    heat, pixels = hot(real_data, "cat1.jpg", TIGER_CAT)
    cat = pixels[0] > 0.35  # it is ginger, and lies on something dark blue
    assert cat.float().mean() < 0.5
    assert cat[heat].float().mean() > 0.8


@pytest.mark.slow
def test_each_class_has_its_heat_on_its_own_animal(real_data):
    cat, _ = hot(real_data, "catdog.jpg", TABBY)
    dog, _ = hot(real_data, "catdog.jpg", WALKER_HOUND)
    assert cat[:110, :90].sum() > 0.95 * cat.sum()  # it sits on top at the left
    assert dog[80:, 100:].sum() > 0.95 * dog.sum()  # it stands below at the right
