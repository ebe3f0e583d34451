import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from fathom import data
from fathom.data import cache, image_folder, picture_cache
from fathom.errors import DataError

SHAPE = (3, 2, 5)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(picture_cache, "PART_PICTURES", 4)


class Decoder:
    """Numbers as pictures: every pixel of path `17` is 17; what `spoil` names can't be decoded."""

    def __init__(self, spoil=(), stop=None):
        self.spoil, self.stop, self.seen = spoil, stop, []

    def __call__(self, path):
        number = int(path.name)
        self.seen.append(number)
        if number == self.stop:
            raise KeyboardInterrupt
        if number in self.spoil:
            raise ValueError(f"no picture {number}")
        return np.full(SHAPE, number, np.uint8)


PATHS = [Path(str(number)) for number in range(23)]


def load(decoder=None, paths=PATHS):
    return picture_cache.load("key", "photos", paths, decoder or Decoder(), SHAPE)


def files():
    folder = cache.folder() / "pictures"
    return folder / "key.u8", folder / "key.log"


def numbers(decoded):
    assert decoded.x.dtype == torch.uint8
    assert decoded.x.shape[1:] == SHAPE
    assert all(picture.unique().numel() == 1 for picture in decoded.x)
    return decoded.x[:, 0, 0, 0].tolist()


def test_good_pictures_stand_in_order_and_bad_ones_are_told():
    decoded = load(Decoder(spoil=(2, 4, 22)))
    assert numbers(decoded) == [number for number in range(23) if number not in (2, 4, 22)]
    assert decoded.bad == {2: "no picture 2", 4: "no picture 4", 22: "no picture 22"}


def test_the_second_time_nothing_is_decoded():
    first, decoder = load(Decoder(spoil=(3,))), Decoder()
    again = load(decoder)
    assert decoder.seen == []
    assert torch.equal(first.x, again.x)
    assert (first.bad, first.sha256) == (again.bad, again.sha256)


def test_a_process_stopped_in_the_middle_leaves_whole_parts_and_the_next_goes_on():
    with pytest.raises(KeyboardInterrupt):
        load(Decoder(spoil=(1,), stop=14))
    kept = [json.loads(line)["end"] for line in files()[1].read_text().splitlines()]
    assert kept[-1] in (8, 12)
    decoder = Decoder(spoil=(1,))
    decoded = load(decoder)
    assert min(decoder.seen) == kept[-1]
    assert numbers(decoded) == [0, *range(2, 23)]
    for file in files():
        file.unlink()
    assert load(Decoder(spoil=(1,))).sha256 == decoded.sha256


@pytest.mark.parametrize("torn", ["log", "pixels", "both"])
def test_what_is_not_whole_is_decoded_again(torn):
    whole = load().x.clone()
    pixels, log = files()
    lines = log.read_text().splitlines(keepends=True)
    if torn != "log":  # pixels of a part that the log does not know yet
        pixels.write_bytes(pixels.read_bytes()[:250] + b"?" * (torn == "both"))
    log.write_text("".join(lines[:2]) + lines[2][:30])
    decoder = Decoder()
    assert torch.equal(load(decoder).x, whole)
    assert len(decoder.seen) < 23


@pytest.mark.parametrize("log", ['[]\n{"done": true}', "5", '{"end": 5}\n{"done": true}'])
def test_a_log_of_another_form_is_written_anew(log):
    whole = numbers(load())
    next(path for path in files() if path.suffix == ".log").write_text(log)
    assert numbers(load()) == whole


def test_a_damaged_file_is_decoded_anew():
    whole = load().x.clone()
    content = bytearray(files()[0].read_bytes())
    content[100] ^= 1
    files()[0].write_bytes(content)
    decoder = Decoder()
    assert torch.equal(load(decoder).x, whole)
    assert sorted(decoder.seen) == list(range(23))


def test_what_is_written_to_the_tensor_does_not_reach_the_file():
    load().x.zero_()
    assert numbers(load(Decoder(stop=0))) == list(range(23))


def test_a_cache_that_cannot_be_written_only_costs_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "file"))
    first = load(Decoder(spoil=(5,)))
    assert numbers(first) == [number for number in range(23) if number != 5]
    assert first.bad == {5: "no picture 5"}


def test_without_room_on_the_disk_pictures_stay_in_memory_or_are_refused(monkeypatch):
    monkeypatch.setattr(picture_cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=600))
    assert numbers(load()) == list(range(23))
    assert not any(file.exists() for file in files())
    monkeypatch.setattr(picture_cache.memory, "SHARE", 0.0)
    with pytest.raises(DataError, match=r"photos: 23 examples of 3x2x5 take .* or FATHOM_CACHE on a disk with room"):
        load()


def test_a_disk_that_fills_up_leaves_nothing(monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(picture_cache, "_flush", full)
    assert numbers(load()) == list(range(23))
    assert not any(file.exists() for file in files())


def test_two_that_want_the_same_pictures_take_turns():
    decoders, found = [Decoder(), Decoder()], []
    threads = [threading.Thread(target=lambda each=each: found.append(load(each))) for each in decoders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(decoder.seen) for decoder in decoders) == [0, 23]
    assert torch.equal(found[0].x, found[1].x)


def test_a_long_decoding_says_so_in_one_line(monkeypatch, capsys):
    load()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(picture_cache, "PATIENCE_SECONDS", 0.0)
    for file in files():
        file.unlink()
    load()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("photos: 4 of 23 pictures decoded for the cache, ")


def test_no_good_picture_is_an_empty_tensor():
    assert load(Decoder(spoil=range(3)), PATHS[:3]).x.shape == (0, *SHAPE)
    assert load(Decoder(), PATHS[:3]).x.shape == (0, *SHAPE)


def folder_of(path, count=60, side=40):
    for name, shade in (("black", 10), ("white", 200)):
        (path / name).mkdir(parents=True)
        for number in range(count):
            Image.new("L", (side, side), shade + number % 50).save(path / name / f"{number}.png")
    return path


def test_both_splits_of_a_folder_are_views_of_one_file(tmp_path):
    folder = folder_of(tmp_path / "p", count=5)
    splits = [data.load(f"images:{folder}", split) for split in ("train", "test")]
    assert [len(split) for split in splits] == [8, 2]
    for split in splits:
        assert split.tensors["x"].untyped_storage().nbytes() == 10 * 40 * 40
        assert (split.tensors["x"].amax((1, 2, 3)) > 100).tolist() == split.tensors["y"].bool().tolist()


KILLED = """
import sys, time
from fathom import data
from fathom.data import image_folder, picture_cache
picture_cache.PART_PICTURES = 7
real = image_folder.decode
image_folder.decode = lambda *arguments: time.sleep(0.02) or real(*arguments)
data.load(sys.argv[1])
"""


@pytest.mark.slow
def test_killed_while_decoding_and_begun_again_equals_never_killed(tmp_path, monkeypatch):
    spec = f"images:{folder_of(tmp_path / 'p')}"
    process = subprocess.Popen([sys.executable, "-c", KILLED, spec])
    pictures, deadline = cache.folder() / "pictures", time.monotonic() + 60
    while time.monotonic() < deadline and not any(log.stat().st_size for log in pictures.glob("*.log")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < sum(file.stat().st_size for file in pictures.glob("*.u8")) < 120 * 40 * 40
    real, calls = image_folder.decode, []
    monkeypatch.setattr(image_folder, "decode", lambda *arguments: calls.append(1) or real(*arguments))
    monkeypatch.setattr(picture_cache, "PART_PICTURES", 7)
    continued = data.load(spec)
    assert 0 < len(calls) < 120
    monkeypatch.setenv("FATHOM_CACHE", str(tmp_path / "another"))
    anew = data.load(spec)
    assert torch.equal(continued.tensors["x"], anew.tensors["x"])
    assert continued.used.sha256 == anew.used.sha256


LIMITED = """
import resource, sys
from fathom import data
from fathom.data import picture_cache
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
picture_cache.PART_BYTES = 4 << 20
room = int(status["VmData"].split()[0]) * 1024 + (112 << 20)
resource.setrlimit(resource.RLIMIT_DATA, (room, room))
train = data.load(sys.argv[1])
x = train.tensors["x"]
assert x.untyped_storage().nbytes() > (112 << 20), x.shape
total = 0.0
for pictures, labels in data.Batches(x, train.tensors["y"], batch_size=2, shuffle=True):
    total += float(pictures.mean()) * len(pictures)
print(total / len(x))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_more_than_fits_into_memory_is_mapped_and_trained_on(tmp_path):
    folder = folder_of(tmp_path / "p", count=40, side=8)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, f"images:{folder},size=1400,channels=1,test=0"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "1000000"},  # gives back what is freed
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx((10 + 200 + 39) / 2 / 255, abs=1e-4)
