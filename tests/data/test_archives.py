import io
import os
import random
import stat
import tarfile
import zipfile

import pytest

from fathom.data import archives
from fathom.errors import DataError


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def tarred(path, entries, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for entry, content in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(entry)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def nothing_left(tmp_path, *allowed):
    return sorted(entry.name for entry in tmp_path.iterdir()) == sorted(allowed)


@pytest.mark.parametrize("make", [zipped, tarred, lambda path, entries: tarred(path, entries, "w:xz")])
def test_an_honest_archive_is_unpacked(tmp_path, make):
    archive = make(tmp_path / "a", [("deep/er/one.txt", b"1"), ("two.bin", os.urandom(3000)), ("empty", b"")])
    folder = archives.unpack(archive, tmp_path / "out")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "deep/er/one.txt",
        "empty",
        "two.bin",
    ]
    assert (folder / "deep/er/one.txt").read_bytes() == b"1"


EVIL_NAMES = ["../evil", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "a/..", "\\evil"]


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", EVIL_NAMES)
def test_no_path_leaves_the_folder(tmp_path, make, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    archive = make(inner / "a", [("fine", b"1"), (name, b"2")])
    with pytest.raises(DataError, match="a path that leaves the folder"):
        archives.unpack(archive, inner / "out")
    assert nothing_left(inner, "a")
    assert nothing_left(tmp_path, "inner")


@pytest.mark.parametrize(
    "entry",
    [
        link("l", "/etc/passwd", tarfile.SYMTYPE),
        link("l", "fine", tarfile.SYMTYPE),
        link("l", "fine", tarfile.LNKTYPE),
        link("l", "../../x", tarfile.LNKTYPE),
        link("l", "", tarfile.CHRTYPE),
        link("l", "", tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, entry):
    archive = tarred(tmp_path / "a", [("fine", b"1"), (entry, b"")])
    with pytest.raises(DataError, match="a link or device"):
        archives.unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, "a")


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("l")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="a link or device"):
        archives.unpack(tmp_path / "a", tmp_path / "out")
    assert nothing_left(tmp_path, "a")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_bomb_is_refused(tmp_path, make, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    archive = make(tmp_path / "a", [(f"zeros{number}", bytes(1_000_000)) for number in range(3)])
    with pytest.raises(DataError, match="refused as a bomb"):
        archives.unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, "a")


def test_the_total_size_is_limited(tmp_path):
    archive = zipped(tmp_path / "a", [("x", random.Random(0).randbytes(6000)), ("y", random.Random(1).randbytes(6000))])
    with pytest.raises(DataError, match="at most 10,000 bytes"):
        archives.unpack(archive, tmp_path / "out", most_bytes=10_000)
    assert archives.unpack(archive, tmp_path / "out", most_bytes=12_000).is_dir()


def test_the_number_of_files_is_limited(tmp_path):
    archive = tarred(tmp_path / "a", [(f"f{number}", b"") for number in range(6)])
    with pytest.raises(DataError, match="at most 5 files"):
        archives.unpack(archive, tmp_path / "out", most_files=5)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_name_may_come_once(tmp_path, make):
    archive = make(tmp_path / "a", [("x", b"1"), ("x", b"2")])
    with pytest.raises(DataError, match="the same name twice"):
        archives.unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_truncated_archive_leaves_nothing(tmp_path, make):
    archive = make(tmp_path / "a", [("x", random.Random(0).randbytes(50_000))])
    archive.write_bytes(archive.read_bytes()[:30_000])
    with pytest.raises(DataError, match="fetch it again"):
        archives.unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, "a")


def test_a_spoilt_byte_is_noticed(tmp_path):
    archive = zipped(tmp_path / "a", [("x", random.Random(0).randbytes(5000))])
    data = bytearray(archive.read_bytes())
    data[2000] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        archives.unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, "a")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a").write_text("hello")
    with pytest.raises(DataError, match="expected a zip or tar"):
        archives.unpack(tmp_path / "a", tmp_path / "out")
    with pytest.raises(DataError, match="no such file"):
        archives.unpack(tmp_path / "b", tmp_path / "out")


def test_a_folder_that_exists_is_kept(tmp_path):
    archive = zipped(tmp_path / "a", [("x", b"1")])
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="expected a new folder"):
        archives.unpack(archive, tmp_path / "out")
    assert nothing_left(tmp_path, "a", "out")
