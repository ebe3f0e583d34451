import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from fathom.errors import InputError
from fathom.plot.descents import Terrain, animate, looks, spread_frames, terrains


def bowl(x, y):
    return x**2 + y**2


PATH = np.array([[1.0, 0.5], [0.2, 0.1], [0.0, 0.0]])
PLANE = {"function": bowl, "xrange": (-1.5, 1.5), "yrange": (-1.0, 1.0)}
LINE = Terrain(function=np.square, paths={"a": PATH[:, :1]}, xrange=(-2, 2), title="line")


def test_charts_stand_in_rows_and_columns(tmp_path):
    chart = Terrain(paths={"a": PATH, "b": -PATH}, **PLANE, marks={"minimum": (0.0, 0.0)}, logarithmic=True)
    row = imread(terrains(tmp_path / "row.png", [LINE, chart, chart], key="said"))
    grid = imread(terrains(tmp_path / "grid.png", [LINE, chart, chart], columns=2))
    assert row.shape[1] > 1.3 * grid.shape[1]
    assert grid.shape[0] > 1.7 * row.shape[0]


def test_beyond_seven_names_another_kind_of_line_tells_them_apart():
    look = looks([Terrain(paths={str(number): PATH for number in range(15)}, **PLANE)])
    assert len({str(sorted(each.items(), key=str)) for each in look.values()}) == 15


def test_the_animation_has_a_picture_a_frame_that_differ(tmp_path):
    path = animate(tmp_path / "way.gif", [LINE, Terrain(paths={"a": PATH}, **PLANE)], [0, 1, 2], pause=50)
    with Image.open(path) as film:
        assert film.n_frames == 3
        frames = []
        for number in range(3):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")).copy())
    assert not np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[1], frames[2])
    assert (
        path.read_bytes()
        == animate(path, [LINE, Terrain(paths={"a": PATH}, **PLANE)], [0, 1, 2], pause=50).read_bytes()
    )


@pytest.mark.parametrize("updates", [0, 3, 400])
def test_frames_begin_at_the_start_and_end_at_the_end(updates):
    frames = spread_frames(updates, 20)
    assert (frames[0], frames[-1]) == (0, updates)
    assert frames == sorted(set(frames))
    assert len(frames) <= 26


def test_a_path_of_another_number_of_dimensions_is_refused():
    with pytest.raises(InputError, match=r"expected the path 'a' as \(points, 2\), got shape \(3, 1\)"):
        Terrain(paths={"a": PATH[:, :1]}, **PLANE)
    with pytest.raises(InputError, match="terrains: expected at least one chart"):
        terrains("x.png", [])
    with pytest.raises(InputError, match="animate: expected charts and frames"):
        animate("x.gif", [LINE], [])
