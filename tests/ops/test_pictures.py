import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from fathom.ops import pictures

SIZES = [(5, 3, 11, 7), (2, 1, 7, 13)]
LARGE = [(6, 3, 64, 70), (0, 3, 64, 64)]  # moved one by one


def some(shape, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.fixture(scope="module")
def enhance():
    return pytest.importorskip("kornia.enhance")


@pytest.mark.parametrize("shape", SIZES + LARGE)
@pytest.mark.parametrize("dim", [-1, -2])
def test_mirrored_is_numpys_flip_of_those_named(shape, dim):
    x = some(shape)
    which = torch.arange(len(x)) % 2 == 0
    assert pictures.mirrored(x, which, dim).shape == shape
    for picture, ours, turned in zip(x, pictures.mirrored(x, which, dim), which, strict=True):
        expected = np.flip(picture.numpy(), dim) if turned else picture.numpy()
        np.testing.assert_array_equal(ours.numpy(), expected)


@pytest.mark.parametrize("shape", SIZES + LARGE)
@pytest.mark.parametrize("most", [3, 90])
def test_shifted_is_a_slice_of_the_padded_picture(shape, most):
    x = some(shape)
    assert pictures.shifted(x, *torch.zeros(2, len(x), dtype=torch.int64), most).shape == shape
    down, right = torch.randint(-most, most + 1, (2, len(x)))
    for picture, ours, i, j in zip(x, pictures.shifted(x, down, right, most), down, right, strict=True):
        padded = np.pad(picture.numpy(), ((0, 0), (most, most), (most, most)))
        height, width = shape[2:]
        np.testing.assert_array_equal(ours.numpy(), padded[:, most + i :, most + j :][:, :height, :width])


@pytest.mark.parametrize("shape", SIZES)
def test_enlarged_is_torchs_interpolation_of_the_window_alone(shape):
    x = some(shape)
    top, left = torch.tensor([0, 2, 1, 3, 0][: len(x)]), torch.tensor([1, 0, 2, 0, 3][: len(x)])
    height, width = torch.tensor([7, 3, 1, 2, 5][: len(x)]), torch.tensor([2, 5, 4, 1, 3][: len(x)])
    ours = pictures.enlarged(x, top, left, height, width)
    for number, (i, j, h, w) in enumerate(zip(top, left, height, width, strict=True)):
        alone = x[number : number + 1, :, i : i + h, j : j + w]
        expected = torch.nn.functional.interpolate(alone, shape[2:], mode="bilinear")[0]
        torch.testing.assert_close(ours[number], expected)


def test_the_whole_picture_enlarged_is_the_picture():
    x = some((2, 3, 5, 7))
    zero, height, width = (torch.full((2,), size) for size in (0, 5, 7))
    torch.testing.assert_close(pictures.enlarged(x, zero, zero, height, width), x)


def test_rectangles_are_cut_off_at_the_edge():
    x = torch.zeros(4, 2, 5, 7)
    top, left = torch.tensor([-1, 3, 0, 2]), torch.tensor([-2, 5, 1, 3])
    height, width = torch.tensor([3, 4, 5, 0]), torch.tensor([3, 4, 2, 2])
    ours = pictures.rectangles(x, top, left, height, width)
    assert ours.shape == (4, 1, 5, 7)
    for number, (i, j, h, w) in enumerate(zip(top, left, height, width, strict=True)):
        for row in range(5):
            for column in range(7):
                assert ours[number, 0, row, column] == (i <= row < i + h and j <= column < j + w)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pictures.brightened, "adjust_brightness_accumulative"),
        (pictures.contrasted, "adjust_contrast_with_mean_subtraction"),
        (pictures.saturated, "adjust_saturation_with_gray_subtraction"),
    ],
)
def test_colours_are_kornias_of_one_picture_at_a_time(ours, theirs, enhance):
    x, factor = some((5, 3, 7, 11)), torch.tensor([0.0, 0.4, 1.0, 1.3, 1.9], dtype=torch.float64)
    found = ours(x, factor)
    for picture, amount, changed in zip(x, factor, found, strict=True):
        torch.testing.assert_close(changed, getattr(enhance, theirs)(picture[None], amount)[0])
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pictures.brightened, ImageEnhance.Brightness),
        (pictures.contrasted, ImageEnhance.Contrast),
        (pictures.saturated, ImageEnhance.Color),
    ],
)
def test_colours_are_pillows_up_to_its_rounding_to_bytes(ours, theirs):
    x = (some((3, 3, 7, 11)) * 255).round() / 255
    factor = torch.tensor([0.3, 0.8, 1.6], dtype=torch.float64)
    for picture, amount, changed in zip(x, factor, ours(x, factor), strict=True):
        image = Image.fromarray((picture.permute(1, 2, 0) * 255).round().byte().numpy())
        expected = np.asarray(theirs(image).enhance(amount.item())).transpose(2, 0, 1)
        assert np.abs(changed.numpy() * 255 - expected).max() < 2.5  # greys and means are rounded before, too


def test_hues_are_those_of_pythons_colorsys():
    x = some((4, 3, 5, 7))
    x[0, :, 0] = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0.5, 0.5, 0.2]]).T
    turns = torch.tensor([0.1, -0.5, 0.0, 0.37], dtype=torch.float64)
    ours = pictures.turned_in_hue(x, turns)
    for number, turn in enumerate(turns.tolist()):
        for before, after in zip(x[number].flatten(1).T.tolist(), ours[number].flatten(1).T.tolist(), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*before)
            assert after == pytest.approx(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), abs=1e-9)


def test_grey_pictures_have_no_hue_and_no_saturation():
    x, amount = some((2, 1, 5, 7)), torch.tensor([0.2, 0.4], dtype=torch.float64)
    assert torch.equal(pictures.turned_in_hue(x, amount), x)
    torch.testing.assert_close(pictures.saturated(x, amount), x)
    coloured = x.expand(-1, 3, -1, -1).contiguous()
    torch.testing.assert_close(pictures.turned_in_hue(coloured, amount), coloured)
    torch.testing.assert_close(pictures.contrasted(coloured, amount), pictures.contrasted(x, amount).expand(2, 3, 5, 7))


def test_nothing_changes_its_argument():
    x, amount = some((2, 3, 5, 7)), torch.tensor([0.5, 1.5], dtype=torch.float64)
    before = x.clone()
    for change in (pictures.brightened, pictures.contrasted, pictures.saturated, pictures.turned_in_hue):
        change(x, amount)
    assert torch.equal(x, before)
