"""Pictures of what is inside a classifier: confusion, calibration, filters, maps, heat."""

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from fathom import plot
from fathom.errors import InputError
from fathom.metrics import Bin
from fathom.plot.classes import shortened
from fathom.plot.layers import mosaic

BINS = [Bin(0.4, 0.5, 3, 0.45, 1.0), Bin(0.9, 1.0, 50, 0.97, 0.8)]


def coloured(path, colour):
    """Pixels of about that colour."""
    return int((np.abs(imread(path)[..., :3] - np.array(colour)).max(axis=2) < 0.08).sum())


def names(count):
    return [f"a class with number {number}" for number in range(count)]


@pytest.mark.parametrize("count", [2, 11, 23, 103])
def test_a_confusion_matrix_of_any_size_is_drawn_square_and_whole(count, tmp_path):
    counts = np.eye(count, dtype=int) * 7
    counts[0, 1] = 3
    path = plot.confusion_matrix(tmp_path / "c.png", counts, names(count))
    height, width = imread(path).shape[:2]
    assert 0.6 < height / width < 1.6
    assert height < 2200


def test_mistakes_are_orange_and_what_is_right_is_blue(tmp_path):
    orange, blue = (0.86, 0.3, 0.0), (0.03, 0.35, 0.65)
    right = plot.confusion_matrix(tmp_path / "a.png", [[5, 0], [0, 5]], ["a", "b"])
    wrong = plot.confusion_matrix(tmp_path / "b.png", [[0, 5], [5, 0]], ["a", "b"])
    assert (coloured(right, orange), coloured(wrong, blue)) == (0, 0)
    assert coloured(right, blue) > 5000
    assert coloured(wrong, orange) > 5000


def test_bars_are_as_long_as_they_say_and_the_lowest_class_is_first(tmp_path):
    path = plot.per_class(tmp_path / "p.png", [1.0, 0.5], [1.0, 0.25], [3, 5], ["good", "bad"])
    blue = np.abs(imread(path)[..., :3] - np.array((0.0, 0.447, 0.698))).max(axis=2) < 0.02
    lengths = [row.sum() for row in blue[60:] if row.sum() > 50]
    assert lengths[0] == pytest.approx(lengths[-1] / 2, rel=0.02)  # the lower precision stands above


@pytest.mark.parametrize("count", [2, 130])
def test_bars_grow_no_longer_than_a_hundred_classes(count, tmp_path):
    path = plot.per_class(tmp_path / "p.png", np.zeros(count), np.ones(count), np.ones(count), names(count))
    assert imread(path).shape[0] < 2300


def test_few_examples_make_a_pale_bar(tmp_path):
    blue = (0.0, 0.447, 0.698)
    few, many = (
        plot.reliability(tmp_path / f"{count}.png", [Bin(0.5, 0.75, count, 0.7, 0.7)], 0.0) for count in (9, 10)
    )
    assert coloured(many, blue) > coloured(few, blue) + 5000


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 7, 97])
def test_filters_are_drawn_in_grey_and_in_colour(channels, count, tmp_path):
    weights = torch.randn(count, channels, 3, 5, generator=torch.Generator().manual_seed(0))
    assert plot.filters(tmp_path / "f.png", weights).is_file()


def test_no_weight_is_white_or_grey_and_signs_differ(tmp_path):
    weights = np.array([[[[1.0]]], [[[-1.0]]]])
    path = plot.filters(tmp_path / "f.png", weights)
    assert coloured(path, (0.404, 0.0, 0.122)) > 1000  # the ends of the scale: dark red and dark blue
    assert coloured(path, (0.02, 0.188, 0.38)) > 1000


def test_maps_and_heat_of_small_and_of_large_pictures(tmp_path):
    for side, finer in ((28, 8), (231, 1)):
        picture = torch.rand(2, 3, side, side + 1)
        plot.feature_maps(tmp_path / "maps.png", torch.rand(70, 3, 5), picture[0], "Layer 3")
        heat = torch.rand(2, finer * side, finer * (side + 1))
        assert plot.heat_maps(tmp_path / "heat.png", picture, heat, ["a", "b"], ["a", "c"]).is_file()


def test_heat_is_yellow_where_it_is_hot_and_the_picture_stays_grey_elsewhere(tmp_path):
    heat = torch.zeros(1, 40, 40)
    cold = imread(plot.heat_maps(tmp_path / "a.png", torch.full((1, 3, 40, 40), 0.5), heat, ["x"]))
    heat[0, 10:30, 10:30] = 1.0
    hot = imread(plot.heat_maps(tmp_path / "b.png", torch.full((1, 3, 40, 40), 0.5), heat, ["x"]))

    def yellow(pixels):
        return (pixels[..., 0] - pixels[..., 2] > 0.3).mean(axis=0)

    assert not yellow(cold).any()
    half = hot.shape[1] // 2
    assert yellow(hot)[half:].max() > 0.2
    assert not yellow(hot)[: half - 5].any()


def test_tiles_stand_in_rows_with_lines_between():
    tiles = np.arange(5, dtype=float)[:, None, None] * np.ones((5, 14, 28))
    whole = mosaic(tiles, 3)
    assert whole.shape == (14 + 1 + 14, 3 * 28 + 2)
    assert np.isnan(whole[14]).all()
    assert (whole[20, 5], whole[20, 40]) == (3, 4)
    assert np.isnan(whole[20, 70])


def test_long_names_are_cut():
    assert shortened("aquarium") == "aquarium"
    assert shortened("a" * 30) == "a" * 17 + "…"


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda path: plot.confusion_matrix(path, [[1, 2]], ["a", "b"]), r"expected \(2, 2\) counts, got \(1, 2\)"),
        (lambda path: plot.per_class(path, [1.0], [1.0, 1.0], [1, 1], ["a", "b"]), "expected 2 of each, got 1, 2, 2"),
        (lambda path: plot.reliability(path, [], 0.0), "expected at least one bin"),
        (lambda path: plot.filters(path, np.zeros((2, 5, 3, 3))), r"expected \(filters, 1 or 3 channels"),
        (lambda path: plot.feature_maps(path, np.zeros((3, 3)), np.zeros((3, 3))), r"expected \(channels, rows"),
        (lambda path: plot.heat_maps(path, np.zeros((1, 5, 5)), np.zeros((2, 5, 5)), ["a"]), "got 1, 2, 1"),
        (lambda path: plot.heat_maps(path, np.zeros((1, 5, 5)), np.zeros((1, 7, 7)), ["a"]), "or finer, got"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_file(draw, message, tmp_path):
    with pytest.raises(InputError, match=message):
        draw(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first, second = (plot.reliability(tmp_path / f"{name}.png", BINS, 0.1).read_bytes() for name in "ab")
    assert first == second
