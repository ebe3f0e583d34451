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
