import numpy as np
import pytest
import torch
from PIL import Image

from fathom import data
from fathom.data import cards, streaming
from fathom.data.streaming import FixedViews, RandomView, Streamed, cut
from fathom.errors import DataError, DownloadError, InputError


def photos(folder, count=7, sides=((31, 23), (20, 47), (64, 64))):
    """Grey pictures of several sizes, all pixels 30 × class + number."""
    for number, name in enumerate(("ant", "bee", "cow")):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("L", sides[i % len(sides)], 30 * number + i).save(folder / name / f"{i}.png")
    return folder


def streamed(folder, view=None, **settings):
    files = data.load_files(f"images:{folder},test=0")
    return Streamed(files, view or FixedViews(5, 8), **{"batch_size": 4, "workers": 2, **settings})


def shades(x):
    """The one value of each picture's pixels."""
    assert x.amin((1, 2, 3)).equal(x.amax((1, 2, 3)))
    return (x[:, 0, 0, 0] * 255).round().int().tolist()


# --- views ----------------------------------------------------------------------------------------------------------


def noise(width, height):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(("across", "down", "left", "top"), [(0.0, 0.0, 0, 0), (1.0, 1.0, 17, 4), (0.5, 0.5, 9, 2)])
def test_a_square_is_that_of_the_picture_scaled_as_a_whole(across, down, left, top):
    image = noise(60, 34)
    whole = np.asarray(image.resize((30, 17), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    square = cut(image, short=17, side=13, across=across, down=down)
    assert square.shape == (3, 13, 13)
    assert np.abs(square.astype(int) - whole[:, top : top + 13, left : left + 13]).max() <= 1


def test_random_squares_cover_all_sizes_places_and_both_ways_round(tmp_path):
    ramp = np.tile(np.arange(128, dtype=np.uint8), (128, 1))
    Image.fromarray(np.stack([ramp, ramp.T, ramp], axis=-1)).save(tmp_path / "a.png")
    view, random = RandomView(side=16, shortest=16, longest=64), np.random.default_rng(0)
    squares = [view(tmp_path / "a.png", random).astype(int) for _ in range(400)]
    steps = np.array([np.median(np.diff(square[0], axis=1)) for square in squares])  # of brightness from left to right
    assert 0.4 < (steps < 0).mean() < 0.6  # mirrored
    assert abs(steps).min() == pytest.approx(2, abs=0.2)  # a shorter side of 64
    assert abs(steps).max() == pytest.approx(8, abs=0.2)  # of 16
    corners = np.array([[square[0].min(), square[1].min()] for square in squares])
    assert (corners.min(axis=0) < 5).all()
    assert (corners.max(axis=0) > 80).all()
    assert np.corrcoef(corners.T)[0, 1] < 0.95  # across and down are drawn apart


def test_ten_views_are_the_middle_the_corners_and_all_of_them_mirrored(tmp_path):
    image = noise(10, 10)
    image.save(tmp_path / "a.png")
    pixels = np.asarray(image).transpose(2, 0, 1)
    views = FixedViews(side=6, short=10, count=10)(tmp_path / "a.png")
    places = [(2, 2), (0, 0), (0, 4), (4, 0), (4, 4)]
    for number, (top, left) in enumerate(places):
        assert np.array_equal(views[number], pixels[:, top : top + 6, left : left + 6])
        assert np.array_equal(views[5 + number], views[number][:, :, ::-1])
    assert np.array_equal(FixedViews(6, 10)(tmp_path / "a.png"), views[0])


def test_a_large_jpeg_is_decoded_no_larger_than_needed(tmp_path):
    noise(640, 480).resize((640, 480)).save(tmp_path / "a.jpg")
    assert streaming.opened_at(tmp_path / "a.jpg", 100).size == (160, 120)
    assert streaming.opened_at(tmp_path / "a.jpg", 256).size == (640, 480)


# --- batches --------------------------------------------------------------------------------------------------------


def test_every_picture_comes_once_an_epoch_with_its_label(tmp_path):
    batches = streamed(photos(tmp_path), shuffle=True)
    orders = []
    for _ in range(2):
        seen = list(batches)
        assert [len(y) for _, y in seen] == [4, 4, 4, 4, 4, 1]
        orders.append([shade for x, _ in seen for shade in shades(x)])
        assert sorted(orders[-1]) == sorted(30 * number + i for number in range(3) for i in range(7))
        assert [shade // 30 for shade in orders[-1]] == torch.cat([y for _, y in seen]).tolist()
    assert orders[0] != orders[1]
    assert batches.epoch == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_neither_workers_nor_where_it_began_change_what_comes(tmp_path, workers):
    folder, view = photos(tmp_path), RandomView(5, 8, 16)
    settings = {"shuffle": True, "colours": True, "seed": 3}
    never_stopped = streamed(folder, view, **settings)
    whole = [batch for _ in range(2) for batch in never_stopped]
    first, second = (streamed(folder, view, **settings, workers=workers) for _ in range(2))
    began = []
    for batch in first:
        began.append(batch)
        if len(began) == 2:
            break
    second.load_state_dict(first.state_dict())
    rest = [batch for _ in range(2) for batch in second]
    for ours, theirs in zip([*began, *rest], whole, strict=True):
        assert len(ours) == 3
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_another_seed_epoch_or_stream_gives_other_squares(tmp_path):
    folder = tmp_path / "p"
    for name in "ab":
        (folder / name).mkdir(parents=True)
        noise(40, 40).save(folder / name / "0.png")
    batches = streamed(folder, RandomView(5, 8, 16))
    (first, _), (later, _) = next(iter(batches)), next(iter(streamed(folder, RandomView(5, 8, 16), stream=1)))
    other, _ = next(iter(streamed(folder, RandomView(5, 8, 16), seed=1)))
    batches.load_state_dict({"epoch": 1, "position": 0})
    second, _ = next(iter(batches))
    for one in (later, other, second, first[[1, 0]]):
        assert not torch.equal(first, one)


def test_torchs_own_random_numbers_are_left_alone(tmp_path):
    batches = streamed(photos(tmp_path), RandomView(5, 8, 16), shuffle=True)
    before = torch.get_rng_state()
    list(batches)
    assert torch.equal(torch.get_rng_state(), before)


def test_limit_takes_the_first_batches(tmp_path):
    batches = streamed(photos(tmp_path), limit=2)
    assert (len(batches), batches.examples) == (2, 8)
    assert [shade for x, _ in batches for shade in shades(x)] == [0, 1, 2, 3, 4, 5, 6, 30]
    assert repr(batches) == "Streamed(2 an epoch of 4, 8 pictures, in order)"


@pytest.mark.parametrize("settings", [{"batch_size": 0}, {"limit": -1}, {"workers": -1}])
def test_numbers_out_of_range_are_refused(tmp_path, settings):
    with pytest.raises(InputError, match="streamed: expected a batch_size of at least 1"):
        streamed(photos(tmp_path), **settings)


def test_a_place_past_the_end_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a position from 0 to 6, got 7"):
        streamed(photos(tmp_path)).load_state_dict({"epoch": 0, "position": 7})


# --- what can be wrong ----------------------------------------------------------------------------------------------


def test_a_picture_that_cannot_be_decoded_is_named_in_one_line(tmp_path):
    (photos(tmp_path) / "bee" / "3.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bee/3\.png: could not be decoded .*--skip-bad") as caught:
        list(streamed(tmp_path))
    assert "\n" not in str(caught.value)


def test_bad_pictures_are_left_out_and_named_if_so_asked(tmp_path, capsys):
    folder = photos(tmp_path, count=2)
    for name in ("0", "1"):
        (folder / "cow" / f"{name}.png").write_bytes(b"no picture")
    batches = Streamed(
        data.load_files(f"images:{folder},test=0,skip_bad=true"), FixedViews(5, 8), batch_size=2, workers=1
    )
    for _ in range(2):
        assert [shades(x) for x, _ in batches] == [[0, 1], [30, 31]]
    assert capsys.readouterr().err.count("; it is left out\n") == 2


def test_only_pictures_in_files_can_be_streamed(tmp_path):
    with pytest.raises(InputError, match=r"fashion-mnist: expected pictures in files, .*give images:DIR"):
        data.load_files("fashion-mnist")
    with pytest.raises(InputError, match="in the test split, got none"):
        data.load_files(f"images:{photos(tmp_path)},test=0", "test")


def test_folders_are_split_as_when_they_are_decoded_once(tmp_path):
    folder = photos(tmp_path)
    for split in ("train", "test"):
        files, decoded = data.load_files(f"images:{folder}", split), data.load(f"images:{folder},size=8", split)
        assert torch.equal(files.tensors["y"], decoded.tensors["y"])
        assert files.tensors["x"].shape[0] == len(files) == len(decoded)
        x = torch.cat([x for x, _ in Streamed(files, FixedViews(5, 8), batch_size=9, workers=1)])
        assert shades(x) == shades(data.pixels(decoded.tensors["x"]))


# --- imagenet -------------------------------------------------------------------------------------------------------


def imagenet(folder, monkeypatch):
    """A tiny folder in ImageNet's layout."""
    for split, count in (("train", 3), ("val", 2)):
        for name in ("n02", "n01"):
            (folder / "imagenet" / split / name).mkdir(parents=True)
            for i in range(count):
                noise(20 + i, 30).save(folder / "imagenet" / split / name / f"{name}_{i}.JPEG")
    monkeypatch.setenv("FATHOM_DATA", str(folder))
    return folder / "imagenet"


def test_imagenet_is_read_from_its_folders(tmp_path, monkeypatch):
    folder = imagenet(tmp_path, monkeypatch)
    train, test = (data.load_files("imagenet", split) for split in ("train", "test"))
    assert train.about["classes"] == ["n01", "n02"]
    assert (len(train), len(test)) == (6, 4)
    assert test.path(3) == folder / "val" / "n02" / "n02_1.JPEG"
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert (train.used.origin, train.used.name) == ("folder", "imagenet")
    decoded = data.load("imagenet,size=9", "test")
    assert decoded.tensors["x"].shape == (4, 3, 9, 9)
    assert decoded.card.classes == ("n01", "n02")


def test_what_else_lies_beside_imagenets_folders_is_left_alone(tmp_path, monkeypatch):
    folder = imagenet(tmp_path, monkeypatch)
    (folder / "ILSVRC2012_devkit_t12").mkdir()
    (folder / "test").mkdir()
    noise(20, 30).save(folder / "test" / "1.JPEG")
    assert len(data.load("imagenet,size=9", "test")) == len(data.load_files("imagenet", "test")) == 4


def test_an_imagenet_that_is_not_whole_is_not_called_good(tmp_path, monkeypatch):
    folder = imagenet(tmp_path, monkeypatch)
    with pytest.raises(DataError, match="train: expected 1,281,167 pictures, got 6; unpack the archive again"):
        data.verify("imagenet")
    for file in (folder / "val" / "n02").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"val/n02: expected pictures of class 'n02', got none"):
        data.load_files("imagenet", "test")


def test_without_imagenet_drawn_photographs_stand_in_and_how_to_get_it_is_said(capsys):
    train, test = (data.load_files("imagenet", split) for split in ("train", "test"))
    card = cards.card("drawn-photographs")
    assert (len(train), len(test)) == (card.splits["train"], card.splits["test"])
    assert train.used.name == card.name
    assert train.about["classes"] == list(card.classes)
    assert sorted(train.labels.tolist()) == [label for label in range(10) for _ in range(24)]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "it can't be downloaded; using drawn-photographs instead" in said
    assert "image-net.org/download" in said
    with pytest.raises(DownloadError, match=r"imagenet: not on this machine; get ILSVRC2012_img_train\.tar"):
        data.get("imagenet")


def test_drawn_photographs_differ_in_size_and_are_drawn_once(tmp_path, monkeypatch):
    files = data.load_files("drawn-photographs")
    sizes = set()
    for number in range(20):
        with Image.open(files.path(number)) as image:
            assert image.format == "JPEG"
            sizes.add(image.size)
    assert len(sizes) > 10
    before = files.path(0).stat().st_mtime_ns
    assert data.load_files("drawn-photographs").path(0).stat().st_mtime_ns == before
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "file"))
    elsewhere = data.load_files("drawn-photographs")
    assert elsewhere.path(0).read_bytes() == files.path(0).read_bytes()
