import math

import pytest

from fathom.plot import Curves
from fathom.plot.curves import panels, values_by_epoch
from fathom.records import RunFolder
from fathom.train import Progress

RECORD = {"epoch": 1, "test_accuracy": 0.5, "train_loss": 1.0, "test_loss": 1.5, "slope_error": 0.25}


def test_the_loss_comes_first_and_each_quantity_once():
    assert panels([RECORD]) == ["loss", "accuracy", "slope_error"]


def test_values_that_are_not_finite_are_left_out():
    history = [{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": math.nan}, {"epoch": 3, "train_loss": 0.5}]
    assert values_by_epoch("loss", "train", history) == ([1, 3], [1.0, 0.5])


@pytest.mark.parametrize("history", [[RECORD], [RECORD, {**RECORD, "epoch": 2}], [{"epoch": 1}]])
def test_the_end_leaves_the_curves_in_the_run_folder(history, tmp_path):
    curves = Curves(RunFolder(tmp_path))
    progress = Progress(epochs=2, history=history)
    curves.epoch(progress)
    assert not (tmp_path / "curves.png").exists()  # a moment after the beginning is too early
    curves.end(progress)
    assert (tmp_path / "curves.png").is_file()


def test_a_run_that_stopped_in_its_first_epoch_has_no_curves(tmp_path):
    Curves(tmp_path).end(Progress(epochs=2))
    assert not list(tmp_path.glob("*.png"))


def test_an_epoch_draws_when_the_last_drawing_is_long_ago(tmp_path):
    curves = Curves(tmp_path, interval=0.0)
    curves._cost = 0.0
    curves.epoch(Progress(epochs=2, history=[RECORD]))
    assert (tmp_path / "curves.png").is_file()
