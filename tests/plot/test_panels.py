import numpy as np
import pytest
from matplotlib.image import imread

from fathom.errors import InputError
from fathom.plot.panels import Panel, gradient_arrows, panels


def test_panels_stand_side_by_side(tmp_path):
    one = panels(tmp_path / "one.png", [Panel(series={"a": [1, 2, 3]})])
    two = panels(tmp_path / "two.png", [Panel(series={"a": [1, 2, 3]}), Panel(series={"b": [3, 2]})], key="lines")
    assert imread(two).shape[1] > 1.7 * imread(one).shape[1]


def test_what_a_logarithm_does_not_have_is_left_out(tmp_path):
    values = {"zero": [0.0, 0.0], "overflow": [np.inf, np.inf], "usual": [1.0, 1e300], "some": [0.0, 2.0]}
    path = panels(tmp_path / "log.png", [Panel(series=values, theory={"usual": [1.0, 1e200]}, logy=True)])
    assert path.is_file()


def test_the_same_input_gives_the_same_bytes(tmp_path):
    chart = Panel(series={"a": ([1, 2], [3, 4])}, theory={"a": [3, 4]}, title="t", whole=True)
    first, second = (panels(tmp_path / f"{name}.png", [chart]).read_bytes() for name in "ab")
    assert first == second


def test_a_vertical_stands_where_it_says(tmp_path):
    plain, marked = (
        imread(panels(tmp_path / f"{name}.png", [Panel(series={"a": [1, 2, 3, 4, 5]}, verticals=where)]))
        for name, where in (("plain", {}), ("marked", {"critical": 2.0}))
    )
    changed = np.flatnonzero((plain != marked).any(axis=(0, 2)))
    assert len(changed)
    assert changed.min() == pytest.approx(plain.shape[1] * 0.5, rel=0.2)


def test_charts_go_into_rows_and_an_empty_place_stays_white(tmp_path):
    charts = [Panel(series={"a": [1, 2, 3]}, names=False)] * 3
    row, square = (imread(panels(tmp_path / f"{name}.png", charts, columns=name)) for name in (3, 2))
    assert square.shape[0] > 1.5 * row.shape[0]
    assert square.shape[1] < row.shape[1]
    height, width = square.shape[0] // 2, square.shape[1] // 2
    assert (square[height + 30 :, width + 30 :] == 1).all()
    assert (square[height + 30 :, : width - 30] != 1).any()


def test_ticks_stand_at_their_values_on_a_logarithmic_axis(tmp_path):
    chart = Panel(series={"a": ([1, 10, 1000], [1, 2, 3])}, logx=True, ticks={"1": 1.0, "1000": 1000.0}, names=False)
    plain = Panel(series={"a": ([1, 10, 1000], [1, 2, 3])}, logx=True, names=False)
    below = [imread(panels(tmp_path / f"{name}.png", [one]))[-25:, 20:] for name, one in (("a", chart), ("b", plain))]
    few, many = ((strip < 0.9).any(axis=2).sum() for strip in below)
    assert 0 < few < 0.7 * many  # 1 and 1000, without 10 and 100
    line = imread(panels(tmp_path / "c.png", [Panel(series={"a": ([1, 10, 1000], [1, 2, 3])}, names=False)]))
    assert not np.array_equal(line, imread(tmp_path / "b.png"))


def test_no_line_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match="panels: expected at least one line, got none"):
        panels(tmp_path / "none.png", [Panel(series={})])


def test_arrows_need_a_gradient_for_each_point(tmp_path):
    def bowl(x, y):
        return x**2 + y**2

    ranges = {"xrange": (-1, 1), "yrange": (-1, 1)}
    points = np.array([[0.5, 0.0], [0.0, 0.5]])
    assert gradient_arrows(tmp_path / "a.png", bowl, points, 2 * points, marks={"m": (0, 0)}, **ranges).is_file()
    with pytest.raises(InputError, match=r"expected points and gradients \(points, 2\), got \(2, 2\), \(2,\)"):
        gradient_arrows(tmp_path / "b.png", bowl, points, [1, 2], **ranges)
