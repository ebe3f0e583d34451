import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from fathom import data
from fathom.data import contest_folder
from fathom.errors import DataError, InputError

CLASSES = ("cat", "ant", "bee")  # not in alphabetical order


def save(path, value, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(path)


def contest(folder, each=7, entries=(10, 9, 2, 1), suffix=".png", labels="trainLabels.csv"):
    """Picture i is of class i mod 3 and has the value i + 1 everywhere; entry i has the value 100 + i."""
    for i in range(3 * each):
        save(folder / "train" / f"{i + 1}{suffix}", i + 1)
    for number in entries:
        save(folder / "test" / f"{number}{suffix}", 100 + int(number) if str(number).isdecimal() else 7)
    rows = "".join(f"{i + 1},{CLASSES[i % 3]}\n" for i in range(3 * each))
    (folder / labels).write_text("id,label\n" + rows, encoding="utf-8")
    return folder


def values(x):
    return x[:, 0, 0, 0].tolist()


def test_the_label_file_says_of_which_class_a_picture_is(tmp_path):
    name = f"contest:{contest(tmp_path)}"
    train, held = data.load(name), data.load(name, "test")
    assert train.about["classes"] == sorted(CLASSES)
    for split in (train, held):
        assert split.tensors["x"].shape[1:] == (3, 6, 4)
        told = [CLASSES[(value - 1) % 3] for value in values(split.tensors["x"])]
        assert told == [train.about["classes"][number] for number in split.tensors["y"].tolist()]
    assert sorted(values(train.tensors["x"]) + values(held.tensors["x"])) == list(range(1, 22))
    assert held.tensors["y"].bincount().tolist() == [1, 1, 1]  # a tenth of 7, rounded
    assert data.load(f"{name},test=0.4", "test").tensors["y"].bincount().tolist() == [3, 3, 3]


def test_nothing_is_written_to_the_folder(tmp_path):
    folder = contest(tmp_path / "c")
    before = sorted(folder.rglob("*"))
    data.load(f"contest:{folder}")
    data.load_entries(f"contest:{folder}")
    assert sorted(folder.rglob("*")) == before


def test_entries_come_in_numerical_order(tmp_path):
    entries = data.load_entries(f"contest:{contest(tmp_path)}")
    assert entries.ids == ("1", "2", "9", "10")
    assert values(entries.x) == [101, 102, 109, 110]
    assert len(entries) == 4


def test_entries_whose_names_are_no_numbers_come_in_alphabetical_order(tmp_path):
    folder = contest(tmp_path, entries=("b0", "000a", "9"), suffix=".jpg", labels="labels.csv")
    assert data.load_entries(f"contest:{folder}").ids == ("000a", "9", "b0")


def test_pictures_come_in_the_size_asked_for_and_the_user_decides(tmp_path):
    name = f"contest:{contest(tmp_path)}"
    assert data.load(name, size=5, channels=1).tensors["x"].shape[1:] == (1, 5, 5)
    assert data.load_entries(name, size=5, channels=1).x.shape == (4, 1, 5, 5)
    assert data.load_entries(f"{name},size=3x2", size=5).x.shape == (4, 3, 3, 2)


def test_an_archive_is_unpacked_once_and_may_hold_one_folder_with_all(tmp_path):
    contest(tmp_path / "in" / "contest")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in")
    train = data.load(f"contest:{archive}")
    (unpacked,) = (contest_folder.cache.folder() / "unpacked").iterdir()
    marks = unpacked.stat().st_mtime_ns
    assert data.load_entries(f"contest:{archive}").ids == ("1", "2", "9", "10")
    assert unpacked.stat().st_mtime_ns == marks
    plain = data.load(f"contest:{tmp_path / 'in' / 'contest'}")
    assert torch.equal(train.tensors["x"], plain.tensors["x"])
    assert train.used.sha256 == plain.used.sha256


def test_a_hostile_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../train/1.png", b"x")
    with pytest.raises(DataError, match="a path that leaves the folder"):
        data.load(f"contest:{tmp_path / 'evil.zip'}")


def test_labels_may_have_another_name(tmp_path):
    name = f"contest:{contest(tmp_path, labels='answers.csv')}"
    with pytest.raises(DataError, match=r"expected the folders train and test and the file trainLabels\.csv or"):
        data.load(name)
    assert len(data.load(f"{name},labels=answers.csv")) == 18


@pytest.mark.parametrize("spoil", ["train", "test", "trainLabels.csv"])
def test_another_layout_is_named(tmp_path, spoil):
    folder = contest(tmp_path)
    (folder / spoil).rename(folder / "other")
    with pytest.raises(
        DataError, match=r"expected the folders train and test and the file .* got .*other.*; unpack"
    ) as caught:
        data.load(f"contest:{folder}")
    assert "\n" not in str(caught.value)


def test_an_empty_or_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="got nothing; unpack"):
        data.load(f"contest:{tmp_path}")
    with pytest.raises(DataError, match="but there is none; check the path"):
        data.load(f"contest:{tmp_path / 'no'}")


def test_a_label_without_picture_is_named(tmp_path):
    folder = contest(tmp_path)
    (folder / "train" / "5.png").unlink()
    with pytest.raises(DataError, match=r"trainLabels\.csv line 6: names '5', but there is no such picture"):
        data.load(f"contest:{folder}")


def test_a_picture_without_label_is_named(tmp_path):
    folder = contest(tmp_path)
    save(folder / "train" / "77.png", 1)
    save(folder / "train" / "78.png", 1)
    with pytest.raises(DataError, match=r"a row for every picture in .*train, got none for 77\.png and 1 more; add"):
        data.load(f"contest:{folder}")


def test_an_empty_test_folder_is_named(tmp_path):
    folder = contest(tmp_path, entries=())
    (folder / "test").mkdir()
    assert len(data.load(f"contest:{folder}")) == 18
    with pytest.raises(DataError, match="expected pictures to predict, got none"):
        data.load_entries(f"contest:{folder}")


def test_two_entries_of_one_name_are_refused(tmp_path):
    save(contest(tmp_path) / "test" / "9.jpg", 1)
    with pytest.raises(DataError, match="got two called '9'"):
        data.load_entries(f"contest:{tmp_path}")


def test_an_entry_that_can_not_be_decoded_is_named_even_when_bad_pictures_are_skipped(tmp_path):
    (contest(tmp_path) / "test" / "9.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"9\.png: could not be decoded"):
        data.load_entries(f"contest:{tmp_path},skip_bad=true")


def test_data_without_entries_are_no_contest(tmp_path):
    for name in ("fashion-mnist", f"images:{tmp_path}"):
        with pytest.raises(InputError, match="expected a contest, with pictures to predict"):
            data.load_entries(name)


def test_where_the_small_cifar_is_not_at_hand_drawn_shapes_stand_in_throughout(capsys):
    train, held = data.load("cifar10-tiny"), data.load("cifar10-tiny", "test")
    entries = data.load_entries("cifar10-tiny", size=16)
    assert "using drawn-contest instead" in capsys.readouterr().err
    assert (train.card.name, len(train), len(held), len(entries)) == ("drawn-contest", 900, 100, 100)
    assert entries.x.shape == (100, 3, 16, 16)
    assert entries.ids[-1] == "100"


def test_no_drawn_picture_is_in_two_of_the_parts():
    parts = [data.load("drawn-contest").tensors["x"], data.load("drawn-contest", "test").tensors["x"]]
    parts.append(data.load_entries("drawn-contest").x)
    every = torch.cat(parts).flatten(1)
    assert len(every.unique(dim=0)) == len(every) == 1_100


def test_the_real_small_cifar_has_a_hundred_pictures_of_each_class(real_data):
    train, held = data.load("cifar10-tiny"), data.load("cifar10-tiny", "test")
    assert train.card.name == "cifar10-tiny"
    assert train.tensors["y"].bincount().tolist() == [90] * 10
    assert held.tensors["y"].bincount().tolist() == [10] * 10
    assert len(data.load_entries("cifar10-tiny")) == 100
