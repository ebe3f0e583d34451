import os
import time

import numpy as np
import pytest
import torch
from PIL import Image

from fathom import data
from fathom.data import image_folder
from fathom.errors import DataError


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels, np.uint8))
    image.save(path, **options)
    return path


def photos(folder, classes=("cat", "dog"), count=5, size=(6, 4)):
    """Grey pictures whose every pixel is 100 × class + number."""
    for number, name in enumerate(classes):
        for i in range(count):
            save(folder / name / f"{i}.png", np.full(size, 100 * number + i))
    return folder


def test_folders_are_classes_and_a_fifth_is_held_out(tmp_path):
    photos(tmp_path / "p", ("dog", "cat", "ant"))
    train, test = (data.load(f"images:{tmp_path / 'p'}", split) for split in ("train", "test"))
    assert train.about["classes"] == ["ant", "cat", "dog"]
    assert train.tensors["x"].shape == (12, 1, 6, 4)
    assert test.tensors["y"].tolist() == [0, 1, 2]
    values = torch.cat([train.tensors["x"], test.tensors["x"]])[:, 0, 0, 0]
    assert values.dtype == torch.uint8
    assert sorted(values.tolist()) == [100 * c + i for c in (0, 1, 2) for i in range(5)]
    labels = torch.cat([train.tensors["y"], test.tensors["y"]])
    for value, label in zip(values.tolist(), labels.tolist(), strict=True):
        assert ("dog", "cat", "ant")[value // 100] == train.about["classes"][label]
    assert (train.used.origin, train.used.sizes) == ("user", {"train": 12})


def test_the_split_is_the_same_every_time_and_follows_the_seed(tmp_path):
    spec = f"images:{photos(tmp_path / 'p', count=20)}"
    first, again, other = (data.load(text, "test").tensors["x"] for text in (spec, spec, spec + ",seed=1"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("name", ["test", "testing", "val", "valid", "validation"])
def test_train_and_test_folders_are_taken_as_they_are(tmp_path, train, name):
    photos(tmp_path / train, count=3)
    photos(tmp_path / name, count=2)
    assert len(data.load(f"images:{tmp_path}")) == 6
    assert len(data.load(f"images:{tmp_path}", "test")) == 4


@pytest.mark.parametrize("names", [("car", "train"), ("testing", "training"), ("test", "testing", "train")])
def test_a_class_may_be_called_train(tmp_path, names):
    photos(tmp_path, names)
    assert tuple(data.load(f"images:{tmp_path}").about["classes"]) == names


def test_no_other_folder_may_stand_beside_train_and_test(tmp_path):
    for name in ("train", "test", "extra"):
        photos(tmp_path / name)
    refused(f"images:{tmp_path}", "expected beside train and test no other folder, got 'extra'")


def test_a_split_of_an_unknown_name_is_no_class(tmp_path):
    for name in ("train", "dev"):
        photos(tmp_path / name)
    refused(f"images:{tmp_path}", "expected beside train and test no other folder, got 'dev'")


def test_size_and_channels_are_the_recipes_unless_the_user_says(tmp_path):
    photos(tmp_path / "p")
    dataset = data.load(f"images:{tmp_path / 'p'},channels=3", image_size=28, channels=1)
    assert dataset.tensors["x"].shape == (8, 3, 28, 28)
    assert (dataset.about["channels"], dataset.about["image_size"]) == (3, [28, 28])


def test_hidden_files_and_other_files_are_ignored(tmp_path):
    folder = photos(tmp_path / "p")
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    (folder / "cat" / "._0.png").write_bytes(b"x")
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / ".git").mkdir()
    assert len(data.load(f"images:{folder}")) == 8


def test_a_csv_of_labels_names_the_classes(tmp_path):
    for i in range(4):
        save(tmp_path / "p" / f"{i}.png", np.full((3, 3), i))
    (tmp_path / "p" / "labels.csv").write_text("file,label\n0.png,b\n1.png,a\n2,b\n3,a\n", encoding="utf-8-sig")
    dataset = data.load(f"images:{tmp_path / 'p'},labels=labels.csv,test=0")
    assert dataset.about["classes"] == ["a", "b"]
    assert dataset.tensors["y"].tolist() == [1, 0, 1, 0]
    assert dataset.tensors["x"][:, 0, 0, 0].tolist() == [0, 1, 2, 3]


# --- decoding -------------------------------------------------------------------------------------------------------


def grey(value, mode="L"):
    return Image.new(mode, (8, 8), value)


@pytest.mark.parametrize(
    ("image", "suffix", "expected"),
    [
        (grey(51), ".png", 0.2),
        (grey(1, "1"), ".png", 1.0),
        (grey((51, 51, 51), "RGB"), ".png", 0.2),
        (grey((51, 51, 51), "RGB"), ".bmp", 0.2),
        (grey((51, 51, 51, 255), "RGBA"), ".png", 0.2),
        (grey((51, 51, 51, 0), "RGBA"), ".png", 1.0),
        (grey((51, 0), "LA"), ".png", 1.0),
        (Image.fromarray(np.full((8, 8), 51 * 257, np.uint16)), ".png", 0.2),
        (Image.fromarray(np.full((8, 8), 51 * 257, np.uint16)), ".tiff", 0.2),
        (Image.fromarray(np.full((8, 8), 51, np.float32)), ".tiff", 0.2),
        (grey((51, 51, 51), "RGB").convert("P", palette=Image.Palette.ADAPTIVE), ".gif", 0.2),
        (grey((51, 51, 51), "RGB").convert("P", palette=Image.Palette.ADAPTIVE), ".png", 0.2),
        (grey((0, 0, 0, 204), "CMYK"), ".jpg", 0.2),
        (grey(51), ".jpg", 0.2),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_is_decoded(tmp_path, image, suffix, expected, channels):
    pixels = data.read_image(save(tmp_path / f"a{suffix}", image), (5, 3), channels)
    assert pixels.shape == (channels, 5, 3)
    assert pixels.dtype == torch.float32
    torch.testing.assert_close(pixels, torch.full_like(pixels, expected), atol=0.012, rtol=0)


def test_a_palette_with_a_transparent_entry_becomes_white_there(tmp_path):
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    pixels = data.read_image(save(tmp_path / "a.png", image, transparency=0), (4, 4), 1)
    assert pixels.min() == 1


def test_a_picture_is_turned_as_its_exif_says(tmp_path):
    image = Image.fromarray(np.array([[0, 0, 255], [0, 0, 255]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise
    pixels = data.read_image(save(tmp_path / "a.png", image, exif=exif), (3, 2), 1)
    assert pixels[0].tolist() == [[0, 0], [0, 0], [1, 1]]


def test_the_size_of_a_turned_picture_is_that_after_turning(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        for number in range(2):
            save(tmp_path / name / f"{number}.jpg", np.full((16, 32), 99), exif=exif)
    assert data.load(f"images:{tmp_path},test=0").tensors["x"].shape == (4, 1, 32, 16)


def test_colours_keep_their_order(tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGB", (2, 2), (255, 0, 51)))
    assert data.read_image(path, (2, 2), 3)[:, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])


def test_reading_one_picture_equals_loading_the_folder(tmp_path):
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        save(tmp_path / "p" / name / "x.jpg", random.integers(0, 256, (50, 70, 3)))
    dataset = data.load(f"images:{tmp_path / 'p'},size=13x11,channels=3,test=0")
    one = data.read_image(tmp_path / "p" / "b" / "x.jpg", (13, 11), 3)
    assert torch.equal(data.pixels(dataset.tensors["x"][1]), one)


# --- the cache ------------------------------------------------------------------------------------------------------


def test_decoded_pictures_are_kept_until_a_file_changes(tmp_path, monkeypatch):
    spec = f"images:{photos(tmp_path / 'p')},test=0"
    first = data.load(spec).tensors["x"]
    real, calls = image_folder.decode, []
    monkeypatch.setattr(image_folder, "decode", lambda *arguments: calls.append(1) or real(*arguments))
    assert torch.equal(data.load(spec).tensors["x"], first)
    assert not calls
    path = save(tmp_path / "p" / "cat" / "0.png", np.full((6, 4), 255))
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 10_000_000))
    assert data.load(spec).tensors["x"][0, 0, 0, 0] == 255
    assert calls


def test_the_digest_is_of_the_content(tmp_path):
    digests = [data.load(f"images:{photos(tmp_path / name)}").used.sha256 for name in ("p", "q")]
    assert digests[0] == digests[1]
    save(tmp_path / "q" / "cat" / "0.png", np.full((6, 4), 255))
    assert data.load(f"images:{tmp_path / 'q'}").used.sha256 != digests[0]


def test_more_than_the_machine_holds_is_refused_at_once(tmp_path):
    refused(f"images:{photos(tmp_path, count=1000, size=(1, 1))},size=10000,channels=3", "give a smaller size=")


# --- what can be wrong ----------------------------------------------------------------------------------------------


def refused(spec, message, split="train"):
    with pytest.raises(DataError, match=message) as caught:
        data.load(spec, split)
    assert "\n" not in str(caught.value)


def spoilt(folder):
    photos(folder)
    (folder / "dog" / "1.png").write_bytes(b"not a picture")
    whole = (folder / "dog" / "2.png").read_bytes()
    (folder / "dog" / "2.png").write_bytes(whole[: len(whole) - 25])
    return folder


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    refused(f"images:{spoilt(tmp_path)}", r"dog/1\.png: could not be decoded .*--skip-bad")


def test_bad_pictures_are_skipped_and_counted_if_so_asked(tmp_path, capsys):
    spec = f"images:{spoilt(tmp_path)},skip_bad=true,test=0"
    for _ in range(2):  # the second time from the cache
        assert len(data.load(spec)) == 8
    assert (
        capsys.readouterr().err.count("2 of 10 pictures could not be decoded and are left out (first: dog/1.png)") == 1
    )
    refused(f"images:{tmp_path},test=0", r"dog/1\.png: could not be decoded")


def test_nothing_but_bad_pictures_is_refused(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes(b"")
    refused(f"images:{tmp_path},skip_bad=true,size=3,channels=1", "got none among 2")
    refused(f"images:{tmp_path}", r"a/x\.png: could not be decoded")


def test_wrong_folders_get_one_line(tmp_path):
    refused(f"images:{tmp_path}/none", "but there is none; give images:DIR")
    (tmp_path / "file").write_text("")
    refused(f"images:{tmp_path}/file", "but it is a file")
    (tmp_path / "empty").mkdir()
    refused(f"images:{tmp_path}/empty", "got 0 loose pictures and no folder")
    save(tmp_path / "loose" / "a.png", [[1]])
    refused(f"images:{tmp_path}/loose", "got 1 loose pictures and no folder; .*labels=FILE.csv")
    photos(tmp_path / "one", ("cat",))
    refused(f"images:{tmp_path}/one", "expected at least two classes, got only 'cat'")
    (photos(tmp_path / "hollow") / "cow").mkdir()
    refused(f"images:{tmp_path}/hollow", "expected pictures of class 'cow', got none")
    photos(tmp_path / "split" / "train")
    photos(tmp_path / "split" / "test", ("cat", "cow"))
    refused(f"images:{tmp_path}/split", "got also 'cow'; add it there")
    refused(f"images:{photos(tmp_path / 'all')},test=0", "in the test split, got none", split="test")


def test_wrong_label_files_get_one_line(tmp_path):
    save(tmp_path / "a.png", [[1]])
    save(tmp_path / "b.png", [[1]])

    def labels(text):
        (tmp_path / "labels.csv").write_text(text)
        return f"images:{tmp_path},labels=labels.csv"

    refused(
        labels("file,label\na.png,1\nc.png,2\n"), r"labels\.csv line 3: names 'c\.png', but there is no such picture"
    )
    refused(labels("file,label\na.png\n"), "line 2: expected a file name and a label, got 'a.png'")
    refused(labels("file,label\na.png,1\na.png,2\n"), "line 3: calls 'a.png' '2', an earlier line '1'")
    refused(labels("file,label\n"), "got no row")
    refused(
        labels("file,width,label\na.png,9,1\n"), "expected two columns, file name and label, got 'file,width,label'"
    )
    refused(labels("a.png,1\nb.png,2\n"), r"expected a header, got the picture 'a\.png' in line 1")
    refused(labels("a,1\nb,2\n"), "expected a header, got the picture 'a' in line 1")
    save(tmp_path / "b.jpg", [[1]])
    refused(labels("file,label\n./a.png,1\nb,2\n"), "line 3: 'b' names 2 pictures; give it with its suffix")
    (tmp_path / "b.jpg").unlink()
    refused(f"images:{tmp_path},labels=none.csv", "labels=none.csv: .*no such file")


def test_a_label_file_that_names_some_says_how_many(tmp_path, capsys):
    for name in "abc":
        save(tmp_path / f"{name}.png", [[1]])
    (tmp_path / "l.csv").write_text("file,label\na.png,1\nb.png,2\n")
    assert len(data.load(f"images:{tmp_path},labels=l.csv,test=0")) == 2
    assert "names 2 of the 3 pictures" in capsys.readouterr().err


def test_reading_one_picture_says_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match=r"none\.png: expected a picture, but there is no such file"):
        data.read_image(tmp_path / "none.png", (3, 3), 1)
    (tmp_path / "bad.png").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"bad\.png: could not be decoded as a picture"):
        data.read_image(tmp_path / "bad.png", (3, 3), 1)


def test_a_folder_is_listed_in_order(tmp_path):
    photos(tmp_path / "p")
    assert [path.name for path in data.list_images(tmp_path / "p" / "cat")] == [f"{i}.png" for i in range(5)]


def test_the_cache_tells_folders_apart_whose_files_agree_in_name_size_and_time(tmp_path):
    for folder, shades in (("one", (0, 255)), ("other", (255, 0))):
        for label, shade in zip("ab", shades, strict=True):
            for number in range(3):
                path = tmp_path / folder / label / f"{number}.bmp"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4), shade).save(path)
                os.utime(path, ns=(10**18, 10**18))
    one, other = (data.load(f"images:{tmp_path / folder}").tensors["x"] for folder in ("one", "other"))
    assert torch.equal(one, 255 - other)


@pytest.mark.parametrize("lost", ["ant", "dog"])
@pytest.mark.parametrize("options", ["", ",size=3,channels=1"])
def test_a_class_without_a_good_picture_is_refused_by_name(tmp_path, lost, options):
    photos(tmp_path, ("ant", "cat", "dog"), count=3)
    for picture in (tmp_path / lost).iterdir():
        picture.write_bytes(b"no picture")
    for split in ("train", "test"):
        with pytest.raises(DataError, match=f"of each class to learn from, got none of '{lost}' that can be decoded"):
            data.load(f"images:{tmp_path},skip_bad=true{options}", split)


def test_a_class_whose_good_pictures_are_all_for_testing_is_refused(tmp_path):
    photos(tmp_path / "train", count=2)
    photos(tmp_path / "test", count=2)
    for picture in (tmp_path / "train" / "dog").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match="got none of 'dog' that can be decoded"):
        data.load(f"images:{tmp_path},skip_bad=true")


def test_the_first_good_picture_gives_the_size(tmp_path):
    photos(tmp_path, size=(6, 4))
    (tmp_path / "cat" / "0.png").write_bytes(b"no picture")
    assert data.load(f"images:{tmp_path},skip_bad=true").tensors["x"].shape == (7, 1, 6, 4)
    with pytest.raises(DataError, match=r"0\.png: could not be decoded"):
        data.load(f"images:{tmp_path}")


def test_a_file_that_would_start_a_program_is_not_opened(tmp_path):
    (tmp_path / "a.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    with pytest.raises(DataError, match=r"a\.png: could not be decoded .*in none of the formats that are read"):
        data.read_image(tmp_path / "a.png", (3, 3), 1)
