import numpy as np
import pytest
import torch
from PIL import Image

from fathom.errors import InputError
from fathom.plot.variations import picture_rows


def test_every_row_stands_in_the_picture(tmp_path):
    colours = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
    rows = {
        name: torch.tensor(colour, dtype=torch.float32)[None, :, None, None].expand(5, 3, 8, 12)
        for name, colour in colours.items()
    }
    path = picture_rows(tmp_path / "rows.png", rows, key="left: first")
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    areas = [(pixels == np.array(colour) * 255).all(-1) for colour in colours.values()]
    tops = [np.nonzero(area.any(1))[0].min() for area in areas]
    assert tops == sorted(tops)
    assert [area.sum() for area in areas] == pytest.approx([areas[0].sum()] * 3, rel=0.05)
    assert areas[0].sum() > 0.1 * areas[0].size
    assert path.read_bytes() == picture_rows(tmp_path / "again.png", rows, key="left: first").read_bytes()


def test_grey_pictures_will_do(tmp_path):
    assert picture_rows(tmp_path / "rows.png", {"grey": torch.rand(2, 1, 7, 5)}).is_file()


@pytest.mark.parametrize(
    "rows", [{}, {"a": torch.rand(2, 3, 4, 4), "b": torch.rand(3, 3, 4, 4)}, {"a": torch.rand(2, 2, 4, 4)}]
)
def test_rows_that_do_not_fit_together_are_refused(tmp_path, rows):
    with pytest.raises(InputError, match="expected rows of one shape"):
        picture_rows(tmp_path / "rows.png", rows)
