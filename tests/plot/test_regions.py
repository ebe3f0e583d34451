import numpy as np
import pytest
from PIL import Image

from fathom.errors import InputError
from fathom.plot.regions import LEAVES, STAYS, Region, regions


def disc(points):
    return np.linalg.norm(points, axis=1) <= 1


def ring(points):
    return disc(points) & (np.linalg.norm(points, axis=1) >= 0.5)


def colours(path):
    """How many pixels have each colour, by its hexadecimal name."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    return {"#{:02X}{:02X}{:02X}".format(*colour): count for colour, count in zip(found, counts, strict=True)}


SEGMENT = [[[-0.8, 0.1], [0.8, -0.1]]]
FRAME = {"xrange": (-1.5, 1.5), "yrange": (-1.5, 1.5)}


@pytest.mark.parametrize(("contains", "seen", "unseen"), [(disc, STAYS, LEAVES), (ring, LEAVES, STAYS)])
def test_a_segment_has_the_colour_of_staying_or_leaving(tmp_path, contains, seen, unseen):
    path = regions(tmp_path / "set.png", [Region(contains=contains, segments=SEGMENT, **FRAME)])
    counts = colours(path)
    assert counts.get(seen, 0) > 50
    assert counts.get(unseen, 0) == 0


def test_charts_fill_rows_and_the_same_charts_give_the_same_bytes(tmp_path):
    chart = Region(
        contains=disc,
        function=lambda points: points[:, 0] ** 2 + points[:, 1],
        arrows=[[[1.2, 1.0], [0.7, 0.7]]],
        paths={"path": [[0.0, 0.0], [0.3, 0.2]]},
        marks={"minimum": (0.0, -1.0)},
        title="everything",
        **FRAME,
    )
    first, second = (regions(tmp_path / name, [chart] * 3, columns=2) for name in ("a.png", "b.png"))
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as picture:
        width, height = picture.size
    assert 1 < width / height < 1.2


def test_no_chart_is_refused(tmp_path):
    with pytest.raises(InputError, match="regions: expected at least one chart"):
        regions(tmp_path / "none.png", [])
