import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from fathom.errors import InputError
from fathom.plot.windows import Placement, fields, placements

CASES = [
    Placement(size=6, kernel=3),
    Placement(size=7, kernel=3, padding=1, stride=2),
    Placement(size=7, kernel=2, stride=3),
    Placement(size=11, kernel=3, padding=2, stride=2, dilation=3),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_output_is_as_large_as_a_convolutions(case):
    x, weight = torch.zeros(1, 1, case.size, case.size), torch.zeros(1, 1, case.kernel, case.kernel)
    y = F.conv2d(x, weight, None, case.stride, case.padding, case.dilation)
    assert y.shape[2:] == (case.output, case.output)


def test_the_title_says_what_is_unusual():
    assert CASES[0].title == "3×3"
    assert CASES[3].title == "3×3, padding 2, stride 2, dilation 3"


def colours(path):
    return {tuple(pixel) for pixel in np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)}


def test_windows_are_drawn_in_three_colours(tmp_path):
    from fathom.plot.style import COLOURS

    seen = colours(placements(tmp_path / "windows.png", CASES))
    assert {tuple(bytes.fromhex(colour[1:])) for colour in COLOURS[:3]} <= seen


def test_one_picture_is_the_same_bytes_twice(tmp_path):
    first, second = (placements(tmp_path / f"{number}.png", CASES[:1]) for number in (1, 2))
    assert first.read_bytes() == second.read_bytes()


def test_signed_maps_are_blue_above_zero_and_red_below(tmp_path):
    path = fields(tmp_path / "maps.png", [torch.tensor([[2.0] * 20, [-2.0] * 20])], ["both"], signed=True)
    seen = colours(path)
    assert (5, 48, 97) in seen  # the ends of the scale
    assert (103, 0, 31) in seen


def test_a_box_is_drawn(tmp_path):
    from fathom.plot.style import COLOURS

    colour = tuple(bytes.fromhex(COLOURS[1][1:]))
    plain = fields(tmp_path / "plain.png", [np.ones((7, 5))], ["a map"])
    boxed = fields(tmp_path / "boxed.png", [np.ones((7, 5))], ["a map"], boxes=[(1, 1, 4, 3)])
    assert colour not in colours(plain)
    assert colour in colours(boxed)


def test_bad_input_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected at least one placement"):
        placements(tmp_path / "none.png", [])
    for maps, titles, boxes in (
        ([], [], ()),
        ([np.ones((2, 2))], [], ()),
        ([np.ones((2, 2))], ["a"], [(0, 0, 1, 1)] * 2),
    ):
        with pytest.raises(InputError, match="expected as many maps as titles and boxes"):
            fields(tmp_path / "none.png", maps, titles, boxes=boxes)
    assert not list(tmp_path.iterdir())
