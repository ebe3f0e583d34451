import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fathom import data
from fathom.data import cache, cards, idx, idx_images, store
from fathom.data.dataset import Card, RemoteFile
from fathom.data.loading import Spec, absolute, parse
from fathom.errors import DataError, InputError, UnknownNameError

# --- the sample and the full set ------------------------------------------------------------------------------------


def test_the_sample_is_real_pictures_of_all_classes_in_balance():
    train, test = data.load("fashion-mnist-sample"), data.load("fashion-mnist-sample", "test")
    assert train.tensors["x"].shape == (10_000, 1, 28, 28)
    assert test.tensors["x"].shape == (2_000, 1, 28, 28)
    assert train.tensors["x"].dtype == torch.float32
    assert train.tensors["y"].dtype == torch.int64
    assert (train.tensors["x"].min(), train.tensors["x"].max()) == (0.0, 1.0)
    assert train.tensors["y"].bincount().tolist() == [942, 1027, 1016, 1019, 974, 989, 1021, 1022, 990, 1000]
    assert test.tensors["y"].bincount().tolist() == [200, 203, 214, 190, 219, 195, 197, 200, 194, 188]
    assert list(train.tensors) == ["x", "y"]
    assert (train.used.name, train.used.origin, train.used.sizes) == (
        "fashion-mnist-sample",
        "sample",
        {"train": 10_000},
    )
    assert train.about == {
        "kind": "images",
        "classes": list(train.card.classes),
        "channels": 1,
        "image_size": [28, 28],
        "mean": 0.0,
        "std": 1.0,
    }


def test_the_sample_is_small_and_has_its_licence_beside_it():
    folder = data.path("fashion-mnist-sample")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 6_000_000
    assert "Zalando SE" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_the_sample_stands_in_and_says_so_in_one_line(capsys):
    train = data.load("fashion-mnist")
    data.load("fashion-mnist", "test")
    assert train.card.name == train.used.name == "fashion-mnist-sample"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(
        "fashion-mnist: not on this machine, and FATHOM_OFFLINE is set; using fashion-mnist-sample"
    )


def test_an_offline_laptop_falls_back_to_the_sample(monkeypatch, capsys):
    monkeypatch.delenv("FATHOM_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(store, "_whole", _refuse)
    assert data.load("fashion-mnist", "test").used.origin == "sample"
    assert "it could not be downloaded; using" in capsys.readouterr().err


def _refuse(url, file, part):
    raise store._MirrorError("could not be reached", unreachable=True)


def test_digits_drawn_by_ourselves_stand_in_for_mnist(capsys):
    test = data.load("mnist", "test")
    assert (test.used.name, test.used.origin) == ("drawn-digits", "generated")
    assert test.tensors["y"].bincount().tolist() == [100] * 10
    assert "using drawn-digits instead" in capsys.readouterr().err


def test_drawn_digits_are_the_same_every_time_and_tell_their_classes_apart():
    first, again = data.load("drawn-digits", "test"), data.load("drawn-digits", "test")
    assert torch.equal(first.tensors["x"], again.tensors["x"])
    x, y = first.tensors["x"].flatten(1), first.tensors["y"]
    means = torch.stack([x[:500][y[:500] == digit].mean(0) for digit in range(10)])
    nearest = torch.cdist(x[500:], means).argmin(1)
    assert (nearest == y[500:]).float().mean() > 0.6


@pytest.fixture
def small_set(tmp_path, monkeypatch):
    """A set of four idx files in a folder of the user: 7 training and 5 test pictures of 6 × 4 pixels."""
    folder = tmp_path / "folder" / "small"
    folder.mkdir(parents=True)
    files, arrays = [], {}
    for prefix, count in (("train", 7), ("t10k", 5)):
        random = np.random.default_rng(count)
        arrays[prefix] = random.integers(0, 256, (count, 6, 4), np.uint8)
        for name, array in (("images-idx3", arrays[prefix]), ("labels-idx1", np.arange(count, dtype=np.uint8))):
            path = folder / f"{prefix}-{name}-ubyte.gz"
            path.write_bytes(gzip.compress(idx.dump(array)))
            files.append(
                RemoteFile(name=path.name, urls=("http://127.0.0.1:9/",), sha256=(cache.digest(path),), size=100)
            )
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path / "folder"))
    splits = {"train": 7, "test": 5}
    return Card(name="small", title="s", example="e", splits=splits, licence="l", files=tuple(files)), arrays


def test_pixels_are_their_bytes_over_255(small_set):
    card, arrays = small_set
    dataset = idx_images.read(card, "train", {})
    np.testing.assert_array_equal(dataset.tensors["x"][:, 0].numpy(), arrays["train"].astype(np.float32) / 255)
    assert dataset.used.origin == "folder"
    assert len(dataset.used.sha256) == 2


def test_decoded_arrays_are_kept_and_a_damaged_entry_is_built_again(small_set):
    card, _ = small_set
    first = idx_images.read(card, "train", {}).tensors["x"]
    (entry,) = (cache.folder() / "arrays").iterdir()
    whole = entry.read_bytes()
    for damaged in (whole[:-1], whole[:-3] + b"???", b"", whole[:8] + b"?" + whole[9:]):
        entry.write_bytes(damaged)
        assert torch.equal(idx_images.read(card, "train", {}).tensors["x"], first)
        assert cache.load_arrays(entry.stem) is not None


def test_the_cache_spares_decoding(small_set, monkeypatch):
    card, _ = small_set
    first = idx_images.read(card, "train", {}).tensors["x"]
    monkeypatch.setattr(idx, "read", lambda path: pytest.fail("decoded again"))
    assert torch.equal(idx_images.read(card, "train", {}).tensors["x"], first)


def test_a_cache_that_cannot_be_written_only_costs_time(small_set, tmp_path, monkeypatch):
    card, _ = small_set
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", Path("/proc/nothing")):
        monkeypatch.setenv("FATHOM_CACHE", str(place))
        assert len(idx_images.read(card, "train", {})) == 7


def test_images_and_labels_must_belong_together(small_set, tmp_path):
    card, _ = small_set
    folder = tmp_path / "folder" / "small"
    shutil.copy(folder / "t10k-labels-idx1-ubyte.gz", folder / "train-labels-idx1-ubyte.gz")
    files = tuple(
        RemoteFile(name=file.name, urls=file.urls, sha256=(cache.digest(folder / file.name),), size=1)
        for file in card.files
    )
    wrong = Card(name="small", title="s", example="e", splits={}, licence="l", files=files)
    with pytest.raises(
        DataError, match=r"expected images \(n, height, width\) and n labels, got \(7, 6, 4\) and \(5,\)"
    ):
        idx_images.read(wrong, "train", {})


def test_pictures_are_scaled_and_given_channels_as_asked():
    dataset = data.load("fashion-mnist-sample,size=32x20", "test", image_size=28, channels=3)
    assert dataset.tensors["x"].shape == (2000, 3, 32, 20)
    assert dataset.about["image_size"] == [32, 20]
    assert torch.equal(dataset.tensors["x"][:, 0], dataset.tensors["x"][:, 2])
    assert 0 <= data.pixels(dataset.tensors["x"]).min() < data.pixels(dataset.tensors["x"]).max() <= 1


def test_the_full_set_is_found(real_data):
    train = data.load("fashion-mnist")
    assert train.tensors["x"].shape == (60_000, 1, 28, 28)
    assert train.tensors["y"].bincount().tolist() == [6000] * 10
    assert train.used.origin == "folder"
    assert torch.equal(train.tensors["x"][:10_000], data.load("fashion-mnist-sample").tensors["x"])


def test_the_full_mnist_is_found(real_data):
    test = data.load("mnist", "test")
    assert len(test) == 10_000
    assert test.tensors["y"][:5].tolist() == [7, 2, 1, 0, 4]


def test_the_sample_can_be_made_again(real_data, tmp_path):
    folder = data.path("fashion-mnist-sample")
    sys.path.insert(0, str(folder))
    try:
        import make_sample
    finally:
        sys.path.remove(str(folder))
    make_sample.make(data.path("fashion-mnist"), tmp_path)
    for file in cards.card("fashion-mnist-sample").files:
        np.testing.assert_array_equal(idx.read(tmp_path / file.name), idx.read(folder / file.name))


# --- names, cards, verify -------------------------------------------------------------------------------------------


def test_every_registered_set_loads_as_its_card_says():
    for name in data.names():
        card = data.card(name)
        for split in ("train", "test"):
            dataset = data.load(name, split)
            assert list(dataset.tensors)[:2] == ["x", "y"]
            assert len(dataset) == len(dataset.tensors["y"]) == dataset.card.splits[split]
            if card.task in ("classification", "regression"):
                assert (dataset.tensors["y"].dtype == torch.int64) == (card.task == "classification")
            assert dataset.card.task == card.task
            assert dataset.split == split


def test_cards_are_complete():
    for name in data.names():
        card = data.card(name)
        assert all([card.title, card.example, card.licence])
        assert not card.sample or card.sample in data.names()
        for file in card.files:
            assert all(len(digest) == 64 for digest in file.sha256)
            assert file.size > 0
            assert all(url.endswith(file.name) for url in file.urls)


def test_the_list_needs_no_torch():
    code = "import sys; from fathom.data import names; names(); assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


def test_verify_and_path_know_what_is_here(monkeypatch):
    found = data.verify("fashion-mnist-sample")
    assert [entry.path.name for entry in found] == [file.name for file in data.card("fashion-mnist-sample").files]
    assert data.verify("xor") == []
    with pytest.raises(DataError, match=r"4 are not on this machine .*fathom data get fashion-mnist"):
        data.verify("fashion-mnist")
    with pytest.raises(DataError, match=r"4 are not on this machine .*fathom data get mnist"):
        data.path("mnist")
    with pytest.raises(DataError, match="it is generated"):
        data.path("xor")
    with pytest.raises(UnknownNameError, match="did you mean 'mnist'"):
        data.verify("mnits")


def test_repr_shows_the_shapes():
    assert repr(data.load("xor")) == "Dataset(xor train, 4 examples, x: (4, 2), y: (4,))"


def test_a_recipe_can_insist_on_pictures():
    assert data.load("fashion-mnist-sample", "test").require_images()
    with pytest.raises(DataError, match=r"xor: expected pictures .*, got \(4, 2\)"):
        data.load("xor").require_images()


# --- specs ----------------------------------------------------------------------------------------------------------


def test_specs_are_taken_apart():
    assert parse("xor") == Spec("", "xor")
    assert parse("xor,noise=0.1,seed=3") == Spec("", "xor", {"noise": "0.1", "seed": "3"})
    assert parse("images:no/where,size=28x32") == Spec("images", "no/where", {"size": "28x32"})
    assert parse("csv:a.csv,target=x y,sep=;") == Spec("csv", "a.csv", {"target": "x y", "sep": ";"})
    assert parse("csv:C:/a.csv,target=x") == Spec("csv", "C:/a.csv", {"target": "x"})
    assert parse("csv:a,b.csv,target=x") == Spec("csv", "a,b.csv", {"target": "x"})


def test_a_path_with_commas_and_equals_signs_is_taken_if_it_exists(tmp_path):
    odd = tmp_path / "a,size=3,b=4"
    odd.mkdir()
    assert parse(f"images:{odd}") == Spec("images", str(odd))
    assert parse(f"images:{odd},size=5") == Spec("images", str(odd), {"size": "5"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fashon-mnist", "unknown dataset 'fashon-mnist'; did you mean 'fashion-mnist'"),
        ("zzz", r"unknown dataset 'zzz'; there are: .*airfoil, .*images:PATH"),
        ("", "unknown dataset ''"),
        ("image:x", "unknown kind of data 'image'; did you mean 'images'"),
        ("zip:x", r"unknown kind of data 'zip'; there are: images:DIR"),
        ("images:", "expected a path after images:"),
        ("images:x,sise=3", "unknown option of images 'sise'; did you mean 'size'"),
        ("csv:x,test=5", "^csv: test: expected a number from 0 and below 1, got '5'"),
        (
            "images:x,size=big",
            "^images: size: expected pixels, at most 10,000 a side, as 28 or HEIGHTxWIDTH as 28x32, got 'big'",
        ),
        ("images:x,size=0", "expected pixels"),
        ("images:x,size=2x3x4", "expected pixels"),
        ("images:x,channels=2", "channels: expected one of 1, 3, got '2'"),
        ("images:x,test=1", "test: expected a number from 0 and below 1, got '1'"),
        ("images:x,skip_bad=maybe", "skip_bad: expected true or false, got 'maybe'"),
        ("images:x,size=3,size=4", "expected each option once, got size twice"),
        ("xor,noise", "expected key=value after the comma, got 'noise'"),
        ("xor,nois=1", "unknown option of xor 'nois'; did you mean 'noise'"),
        ("xor,seed=1.5", "seed: expected a whole number from 0, got '1.5'"),
        ("xor,noise=nan", "noise: expected a number from 0, got 'nan'"),
    ],
)
def test_wrong_words_get_one_line_with_advice(name, message):
    with pytest.raises(InputError, match=message) as caught:
        data.load(name)
    assert "\n" not in str(caught.value)


def test_an_unknown_split_is_refused():
    with pytest.raises(UnknownNameError, match="unknown split 'tests'; did you mean 'test'"):
        data.load("xor", "tests")


def test_a_bare_path_is_told_its_kind(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match="there is a folder of that name; write images:"):
        data.load(str(tmp_path))
    with pytest.raises(InputError, match=r"write csv:.*t\.csv,target=COLUMN"):
        data.load(str(tmp_path / "t.csv"))


def test_a_recipes_wish_that_a_set_cannot_fulfil_is_left_out():
    assert data.load("xor", image_size=28, channels=1).tensors["x"].shape == (4, 2)


def test_a_name_made_absolute_means_the_same_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "a, b" / "photos").mkdir(parents=True)
    (tmp_path / "labels.csv").touch()
    (tmp_path / "a, b" / "photos" / "inner.csv").touch()
    monkeypatch.chdir(tmp_path)
    named = absolute("images:a, b/photos,size=3,labels=labels.csv")
    inner = absolute("images:a, b/../a, b/photos,labels=inner.csv")
    monkeypatch.chdir("/")
    assert named == f"images:{tmp_path}/a, b/photos,size=3,labels={tmp_path}/labels.csv"
    assert parse(named).target == f"{tmp_path}/a, b/photos"
    assert absolute(named) == named
    assert inner == f"images:{tmp_path}/a, b/photos,labels=inner.csv"  # a comma would end the option
    assert absolute("csv:~/x.csv,target=y") == f"csv:{Path.home()}/x.csv,target=y"
    assert absolute("fashion-mnist,size=32") == "fashion-mnist,size=32"
