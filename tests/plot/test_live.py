import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.plot import LiveCurve, chart
from fathom.train import Progress

numbers = st.lists(st.floats(-1e9, 1e9) | st.just(math.nan) | st.just(math.inf), max_size=40)


@given(
    st.dictionaries(st.sampled_from(["loss", "accuracy", "error"]), numbers), st.integers(30, 120), st.integers(5, 30)
)
def test_a_chart_fits_its_width_and_height(series, width, height):
    lines = chart(series, width=width, height=height, xlabel="epoch 7").split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= max(width, 45)


def test_a_falling_line_goes_from_the_top_left_to_the_bottom_right():
    lines = chart({"loss": [3.0, 2.0, 1.0]}, width=40, height=6, unicode=False).split("\n")
    assert lines[0].index("*") < lines[2].index("*") < lines[4].index("*")
    assert lines[0].lstrip().startswith("3 |")
    assert lines[4].endswith("loss 1")


def test_without_unicode_the_chart_is_ascii():
    assert chart({"loss": [1.0, 2.0]}, unicode=False).isascii()


def test_without_colour_there_is_no_escape():
    assert "\x1b" not in chart({"loss": [1.0, 2.0]})
    assert "\x1b" in chart({"loss": [1.0, 2.0]}, colour=True)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def progress(epochs_done: int) -> Progress:
    history = [{"epoch": n + 1, "train_loss": 1 / (n + 1), "test_accuracy": 0.5} for n in range(epochs_done)]
    return Progress(epochs=5, steps_per_epoch=10, epoch=epochs_done, step=10 * epochs_done, history=history)


def test_elsewhere_than_on_a_terminal_the_curve_comes_once_and_at_the_end():
    stream = io.StringIO()
    live = LiveCurve(stream)
    live.step(progress(0))
    live.epoch(progress(2))
    assert stream.getvalue() == ""
    live.end(progress(2))
    assert "loss" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_on_a_terminal_the_curve_is_drawn_over_the_last_one(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    live = LiveCurve(stream)
    live.epoch(progress(2))
    lines = stream.getvalue().count("\n")
    live.epoch(progress(3))
    assert f"\x1b[{lines}F\x1b[J" in stream.getvalue()
    assert "\x1b[3" not in stream.getvalue()
    assert "accuracy" in stream.getvalue()


@pytest.mark.parametrize("size", [(40, 8), (80, 24), (200, 60)])
def test_the_live_curve_fits_the_terminal(size, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(size[0]))
    monkeypatch.setenv("LINES", str(size[1]))
    monkeypatch.setenv("NO_COLOR", "1")
    lines = LiveCurve(Terminal())._text(progress(4)).split("\n")
    assert len(lines) < size[1]
    assert max(map(len, lines)) < size[0]


def test_a_long_run_keeps_few_numbers():
    live = LiveCurve(Terminal(), interval=1e9)
    state = progress(0)
    for step in range(1, 5001):
        state.step = step
        state.history = [{"epoch": 1, "loss": 1.0}]
        live.step(state)
    assert len(live._losses) <= 513
