"""CIFAR-10 as its authors pack it, its JPEG copy, and the shapes that stand in for it."""

import io
import os
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from fathom import data
from fathom.data import cache, cards, cifar10, drawn_shapes, store
from fathom.errors import DataError

PER_BATCH = {"train": 3, "test": 2}  # pictures a member of the small archive


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty `FATHOM_DATA` with a folder for the set, and a cache of its own."""
    monkeypatch.setenv("FATHOM_DATA", str(tmp_path))
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FATHOM_OFFLINE", "1")
    store.forget()
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


def registered(monkeypatch, card, path, splits):
    """Make `path` the file that `card` asks for."""
    file = replace(card.files[0], sha256=(cache.digest(path),), size=path.stat().st_size)
    changed = replace(card, files=(file,), splits=splits)
    monkeypatch.setattr(cifar10, "CARD" if card is cifar10.CARD else "JPEG", changed)
    monkeypatch.setitem(cards.CARDS._things, card.name, changed)


def pictures(count, seed):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8), random.integers(0, 10, count, dtype=np.uint8)


def write_archive(path):
    """An archive of the authors' form, and what is in it by split."""
    told = {}
    with tarfile.open(path, "w:gz") as archive:
        for split, members in cifar10.MEMBERS.items():
            parts = []
            for seed, member in enumerate(members):
                x, y = pictures(PER_BATCH[split], (seed, len(members)))
                content = b"".join(bytes([label]) + picture.tobytes() for picture, label in zip(x, y, strict=True))
                entry = tarfile.TarInfo(f"cifar-10-batches-bin/{member}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
                parts.append((x, y))
            told[split] = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    return told


def write_jpegs(path):
    arrays = {}
    for split, count in PER_BATCH.items():
        x, y = pictures(count, 7)
        files = []
        for picture in x:
            file = io.BytesIO()
            Image.fromarray(picture.transpose(1, 2, 0)).save(file, "JPEG")
            files.append(file.getvalue())
        arrays[f"{split}_jpeg"] = np.frombuffer(b"".join(files), np.uint8)
        arrays[f"{split}_offsets"] = np.cumsum([0, *map(len, files)])
        arrays[f"{split}_labels"] = y
    np.savez(path, **arrays)
    return arrays


def test_the_archive_gives_every_picture_and_label_in_its_order(folder, monkeypatch):
    told = write_archive(folder / "cifar-10-binary.tar.gz")
    splits = {split: len(x) for split, (x, _) in told.items()}
    registered(monkeypatch, cifar10.CARD, folder / "cifar-10-binary.tar.gz", splits)
    for split, (x, y) in told.items():
        for _ in ("from the archive", "from the cache"):
            loaded = data.load("cifar10", split)
            assert torch.equal((data.pixels(loaded.tensors["x"]) * 255).round().byte(), torch.from_numpy(x))
            assert torch.equal(loaded.tensors["y"], torch.from_numpy(y).long())
            assert loaded.used.name == "cifar10"


def test_an_archive_of_another_size_is_named_as_damaged(folder, monkeypatch):
    write_archive(folder / "cifar-10-binary.tar.gz")
    registered(monkeypatch, cifar10.CARD, folder / "cifar-10-binary.tar.gz", {"train": 17, "test": 2})
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: expected 17 pictures .* got \(15, 3, 32, 32\)"):
        data.load("cifar10")


def test_the_jpeg_copy_is_taken_where_the_archive_is_not_and_the_result_says_so(folder, monkeypatch, capsys):
    written = write_jpegs(folder / "cifar10_jpeg.npz")
    registered(monkeypatch, cifar10.JPEG, folder / "cifar10_jpeg.npz", dict(PER_BATCH))
    loaded = data.load("cifar10")
    assert loaded.used.name == "cifar10-jpeg"
    assert "lossy copy" in capsys.readouterr().err
    start, stop = written["train_offsets"][1:3]
    with Image.open(io.BytesIO(written["train_jpeg"][start:stop].tobytes())) as picture:
        second = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    assert torch.equal((data.pixels(loaded.tensors["x"][1]) * 255).round().byte(), second)


@pytest.mark.usefixtures("folder")
def test_without_either_the_drawn_shapes_stand_in():
    for name in ("cifar10", "cifar10-jpeg"):
        assert data.load(name, "test").used.name == "drawn-shapes"


def test_one_channel_is_the_brightness_that_pillow_finds(folder, monkeypatch):
    told = write_archive(folder / "cifar-10-binary.tar.gz")
    registered(monkeypatch, cifar10.CARD, folder / "cifar-10-binary.tar.gz", {"train": 15, "test": 2})
    grey = data.pixels(data.load("cifar10,channels=1", "test").tensors["x"])
    for ours, colour in zip(grey, told["test"][0], strict=True):
        theirs = np.asarray(Image.fromarray(colour.transpose(1, 2, 0)).convert("L"))
        assert abs(ours[0].numpy() * 255 - theirs).max() <= 1.01


@pytest.mark.skipif("FATHOM_DATA" not in os.environ, reason="needs the real set; FATHOM_DATA names no folder")
def test_the_real_set_has_as_many_pictures_of_each_class():
    loaded = data.load("cifar10", "test")
    if loaded.used.origin == "generated":
        pytest.skip("FATHOM_DATA has no CIFAR-10")
    assert loaded.tensors["y"].bincount().tolist() == [1000] * 10


def test_shapes_are_the_same_every_time_and_every_class_is_drawn_equally_often():
    first, again = (drawn_shapes.draw(70, 3) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert np.bincount(first[1]).tolist() == [7] * 10


@pytest.mark.parametrize("name", drawn_shapes.CLASSES)
def test_a_shape_fills_a_fair_part_of_the_picture_and_not_its_corners(name):
    side = np.linspace(-1.6, 1.6, 65, dtype=np.float32)
    y, x = np.meshgrid(side, side, indexing="ij")
    inside = drawn_shapes._depth(name, x, y) > 0
    assert 0.05 < inside.mean() < 0.5
    assert not inside[[0, 0, -1, -1], [0, -1, 0, -1]].any()
