import contextlib
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.image import imread

from fathom.errors import InputError
from fathom.plot import attention
from fathom.plot.attention import attention_maps, attention_over_items, attention_text
from fathom.plot.style import figure


def blueness(picture):
    """Share of pixels of the darkest blue, which stands for 1."""
    return (np.abs(picture[..., :3] - np.array([8, 48, 107]) / 255).max(-1) < 0.02).mean()


def test_a_map_is_dark_where_attention_looks(tmp_path):
    identity = imread(attention_maps(tmp_path / "one.png", {"": np.eye(3)}))
    nothing = imread(attention_maps(tmp_path / "none.png", {"": np.zeros((3, 3))}))
    assert blueness(identity) > 5 * blueness(nothing) > 0  # the colour bar has some of it


def test_maps_stand_in_rows_and_columns(tmp_path):
    maps = {f"head {number}": np.eye(5) for number in range(4)}
    wide = imread(attention_maps(tmp_path / "wide.png", maps))
    tall = imread(attention_maps(tmp_path / "tall.png", maps, columns=1))
    assert wide.shape[1] > 2 * tall.shape[1]
    assert tall.shape[0] > 2 * wide.shape[0]


def test_many_long_names_still_make_a_picture(tmp_path):
    names = [f"word{number}" for number in range(90)]
    picture = imread(attention_maps(tmp_path / "x.png", {"": np.eye(90)}, queries=names, keys=names))
    assert max(picture.shape) < 2400


@pytest.mark.parametrize("names", [list("abcdefgh" * 8), [f"word{number}" for number in range(37)]])
def test_every_name_is_written_and_none_touches_the_next(tmp_path, monkeypatch, names):
    pages = []

    @contextlib.contextmanager
    def kept(*args):
        with figure(*args) as (page, grid):
            yield page, grid
            pages.append(page)

    monkeypatch.setattr(attention, "figure", kept)
    maps = {f"head {number}": np.eye(len(names)) for number in range(3)}
    attention_maps(tmp_path / "x.png", maps, queries=names, keys=names, columns=2)
    (page,) = pages
    for axis, along in ((page.axes[0].xaxis, 0), (page.axes[0].yaxis, 1)):
        labels = axis.get_ticklabels()
        assert [label.get_text() for label in labels] == names
        places = page.axes[0].transData.transform([(place, place) for place in range(2)])
        apart = 72 / page.dpi * abs(places[1, along] - places[0, along])  # points
        size, tilt = labels[0].get_fontsize(), labels[0].get_rotation()
        assert size > 6
        if tilt:
            assert apart * np.sin(np.radians(tilt)) > size
        else:
            edges = [(box.x0, box.x1) if along == 0 else (-box.y1, -box.y0) for box in boxes(labels)]
            assert all(end < start for (_, end), (start, _) in pairwise(edges))


def boxes(labels):
    return [label.get_window_extent() for label in labels]


@pytest.mark.parametrize(
    ("maps", "names", "message"),
    [
        ({}, {}, "expected at least one map"),
        ({"a": np.ones(3)}, {}, r"expected a as \(queries, keys\), got shape \(3,\)"),
        ({"a": np.ones((2, 3))}, {"keys": ["x"]}, "expected 3 keys for a, got 1 names"),
        ({"a": np.ones((2, 3))}, {"queries": ["x"] * 3}, "expected 2 queries for a, got 3 names"),
    ],
)
def test_maps_and_names_that_do_not_fit_are_refused(tmp_path, maps, names, message):
    with pytest.raises(InputError, match=message):
        attention_maps(tmp_path / "x.png", maps, **names)
    assert not list(tmp_path.iterdir())


def test_the_terminal_shows_a_row_for_each_query_and_two_characters_for_each_key():
    text = attention_text([[1.0, 0.0], [0.5, 0.5], [0.25, 0.75]], ["ils", "regardent", "."], ["they", "watch"])
    assert text.splitlines() == [
        "      ils │██  │",
        "regardent │▒▒▒▒│",
        "        . │░░▓▓│",
        "            1 2",
        "           1 they  2 watch",
    ]


def test_a_scene_has_a_picture_over_each_column_of_its_maps(tmp_path):
    scenes = np.random.default_rng(0).random((2, 5, 3, 7, 7))
    weights = np.eye(5)[None].repeat(2, 0)[:, :3]
    one = imread(attention_over_items(tmp_path / "one.png", scenes, {"a": weights}, ["x", "y", "z"]))
    both = imread(attention_over_items(tmp_path / "two.png", scenes, {"a": weights, "b": weights}, ["x", "y", "z"]))
    assert both.shape[0] > 1.4 * one.shape[0]
    with pytest.raises(InputError, match=r"expected a as \(2, 2, 5\), got \(2, 3, 5\)"):
        attention_over_items(tmp_path / "x.png", scenes, {"a": weights}, ["x", "y"])
