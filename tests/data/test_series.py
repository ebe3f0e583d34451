import math

import pytest
import torch

from fathom import data
from fathom.errors import DataError, UnknownNameError


def table(folder, values, name="load"):
    path = folder / "series.csv"
    path.write_text("day,load\n" + "".join(f"{day},{value}\n" for day, value in enumerate(values)))
    return f"series:{path},column={name}"


def test_the_noisy_sine_is_the_books():
    train, test = (data.load("noisy-sine,noise=0", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (599, 399) == tuple(train.card.splits.values())
    assert train.tensors["x"][0].item() == pytest.approx(math.sin(0.01))
    assert test.tensors["y"][-1].item() == pytest.approx(math.sin(10.0), rel=1e-6)
    noise = data.load("noisy-sine").tensors["x"] - train.tensors["x"]
    assert noise.std().item() == pytest.approx(0.2, rel=0.1)


def test_a_column_is_split_by_time_and_standardised_by_its_beginning(tmp_path):
    name = table(tmp_path, [10, 12, 14, 16, 18, 100, 200])
    train, test = (data.load(f"{name},test=0.3", split) for split in ("train", "test"))
    assert train.about["mean"] == 14
    assert train.about["std"] == pytest.approx(8**0.5)
    torch.testing.assert_close(train.tensors["x"] * 8**0.5 + 14, torch.tensor([10.0, 12, 14, 16]))
    torch.testing.assert_close(test.tensors["y"] * 8**0.5 + 14, torch.tensor([200.0]))


@pytest.mark.parametrize(("word", "got"), [("", "nothing"), ("nan", "nothing"), ("inf", "'inf'"), ("1O", "'1O'")])
def test_a_cell_that_is_no_finite_number_is_named(tmp_path, word, got):
    name = table(tmp_path, [1, 2, word, 4])
    with pytest.raises(DataError, match=rf"column 'load', row 3: expected a finite number, got {got}; a series may"):
        data.load(name)


def test_which_column_must_be_clear(tmp_path):
    name = table(tmp_path, [1, 2, 3, 4])
    with pytest.raises(DataError, match="expected column=NAME, got none; it is one of: day, load"):
        data.load(name.split(",")[0])
    with pytest.raises(UnknownNameError, match="unknown column 'loda'; did you mean 'load'"):
        data.load(table(tmp_path, [1, 2, 3, 4], "loda"))
    (tmp_path / "one.csv").write_text("load\n1\n2\n3\n4\n5\n")
    assert len(data.load(f"series:{tmp_path / 'one.csv'}")) == 2


def test_too_short_a_series_is_told(tmp_path):
    with pytest.raises(DataError, match="expected at least 2 steps in the test split, got 1; give more"):
        data.load(table(tmp_path, [1, 2, 3]), "test")
