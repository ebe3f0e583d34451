import numpy as np
import pytest
import torch

from fathom import data
from fathom.data import airfoil
from fathom.errors import DataError, InputError

TEXT = "800\t0\t0.3048\t71.3\t0.00266337\t126.201\n1250\t1.5\t0.3048\t39.6\t0.00266337\t-125.951\n"


def test_text_becomes_rows():
    np.testing.assert_array_equal(
        airfoil.parse(TEXT),
        [[800, 0, 0.3048, 71.3, 0.00266337, 126.201], [1250, 1.5, 0.3048, 39.6, 0.00266337, -125.951]],
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + "800\t0\t0.3\n", r"line 3: expected six numbers .*'800\\t0\\t0.3'; correct it"),
        (TEXT.replace("71.3", "fast"), "line 1: expected six numbers"),
        (TEXT.replace("39.6", "nan"), "line 2: expected six numbers"),
        (TEXT + "\n", "line 3: expected six numbers"),
        ("", "empty file"),
    ],
)
def test_damaged_text_is_refused_by_its_line(text, message):
    with pytest.raises(DataError, match=message):
        airfoil.parse(text)


def test_the_whole_real_set_is_shipped_with_its_licence():
    folder = data.path("airfoil")
    rows = airfoil.parse((folder / "airfoil_self_noise.dat").read_text(encoding="ascii"))
    assert rows.shape == (1503, 6)
    # the ranges that the UCI repository states of its frequencies, and the angles and speeds of the NASA report
    assert (rows[:, 0].min(), rows[:, 0].max()) == (200, 20_000)
    assert (rows[:, 1].min(), rows[:, 1].max()) == (0, 22.2)
    assert set(rows[:, 3]) == {31.7, 39.6, 55.5, 71.3}
    assert "creativecommons.org/licenses/by/4.0" in (folder / "LICENSE").read_text(encoding="utf-8")


def assert_standardised(values):
    torch.testing.assert_close(values.mean(dim=0), torch.zeros(values.shape[1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std(dim=0, correction=0), torch.ones(values.shape[1]))


def test_all_rows_standardise_the_books_split():
    train, test = data.load("airfoil"), data.load("airfoil", "test")
    assert (tuple(train.tensors["x"].shape), tuple(test.tensors["y"].shape)) == ((1500, 5), (3, 1))
    for name in ("x", "y"):
        assert_standardised(torch.cat([train.tensors[name], test.tensors[name]]))
    raw = np.loadtxt(data.path("airfoil") / "airfoil_self_noise.dat", delimiter="\t")
    means, stds = np.array(test.about["means"]), np.array(test.about["stds"])
    np.testing.assert_allclose(test.tensors["x"].numpy() * stds + means, raw[1500:, :5], rtol=1e-5)
    level = test.tensors["y"][:, 0].numpy() * test.about["target_std"] + test.about["target_mean"]
    np.testing.assert_allclose(level, raw[1500:, 5], rtol=1e-6)


def test_another_share_is_drawn_from_the_seed():
    train, test = data.load("airfoil,test=0.2"), data.load("airfoil,test=0.2", "test")
    assert (len(train), len(test)) == (1202, 301)
    assert_standardised(train.tensors["x"])
    assert_standardised(train.tensors["y"])
    assert not torch.equal(test.tensors["x"], data.load("airfoil,test=0.2,seed=1", "test").tensors["x"])
    assert torch.equal(test.tensors["x"], data.load("airfoil,test=0.2,seed=0", "test").tensors["x"])
    with pytest.raises(DataError, match="expected rows in the test split, got none; give another test="):
        data.load("airfoil,test=0", "test")
    with pytest.raises(InputError, match="test: expected a number from 0 and below 1"):
        data.load("airfoil,test=1")


def test_it_is_no_sample_of_anything():
    used = data.load("airfoil").used
    assert (used.name, used.origin, used.sizes) == ("airfoil", "package", {"train": 1500})
    assert list(used.sha256) == ["airfoil_self_noise.dat"]
