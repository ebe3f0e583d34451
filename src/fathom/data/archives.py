"""Unpacking archives that may be hostile: no path leaves the folder, no links or devices, no bombs, all or nothing."""

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from fathom.errors import DataError

MOST_BYTES = 8 << 30  # unpacked, all files together
MOST_FILES = 500_000
MOST_RATIO = 200  # unpacked to packed bytes, of the whole; real data stay below 30
FREE_BYTES = 64 << 20  # so little is never a bomb, whatever its ratio
CHUNK = 1 << 20


def unpack(
    archive: Path,
    folder: Path,
    most_bytes: int = MOST_BYTES,
    most_files: int = MOST_FILES,
    most_ratio: float = MOST_RATIO,
) -> Path:
    """Unpack a zip or tar (plain, gz, bz2, xz) to the new `folder` and return it.

    Files are written to a folder beside it that gets its name when all is well; after an error nothing is left.

    Args:
        archive: the file; its contents decide the format.
        folder: must not exist yet.
        most_bytes: limit on the bytes of all files together.
        most_files: limit on the number of entries.
        most_ratio: limit on unpacked to packed bytes (not applied below 64 MiB).

    Raises:
        DataError: it is no archive, is damaged, is hostile, or `folder` exists.
    """
    if folder.exists():
        raise DataError(f"{folder}: expected a new folder to unpack to, but it exists; remove it")
    if not archive.is_file():
        raise DataError(f"{archive}: expected an archive, but there is no such file; check the path")
    most = min(most_bytes, max(FREE_BYTES, int(archive.stat().st_size * most_ratio)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        left = most
        seen: set[str] = set()
        with _opened(archive) as entries:
            for name, content in entries:
                if len(seen) >= most_files:
                    raise DataError(f"{archive}: expected at most {most_files:,} files, got more; refused as a bomb")
                target = _inside(archive, temporary, name, content is None, seen)
                if content is None:
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                left -= _copy(content, target, left, archive, most)
        temporary.chmod(0o755)
        temporary.replace(folder)
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{archive}: could not be unpacked ({error}); it is damaged, fetch it again") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


Entries = Iterator[tuple[str, IO[bytes] | None]]  # name, and content (None for a folder)


@contextmanager
def _opened(archive: Path) -> Iterator[Entries]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield _zip_entries(archive, file)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive, "r|*") as stream:  # one pass, so a bomb is met before it is indexed
            yield _tar_entries(archive, stream)
    else:
        raise DataError(f"{archive}: expected a zip or tar archive, got something else; fetch it again")


def _zip_entries(archive: Path, file: zipfile.ZipFile) -> Entries:
    for entry in file.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refused(archive, entry.filename, "a link or device")
        if entry.is_dir():
            yield entry.filename, None
        else:
            with file.open(entry) as content:
                yield entry.filename, content


def _tar_entries(archive: Path, stream: tarfile.TarFile) -> Entries:
    for entry in stream:
        if entry.isdir():
            yield entry.name, None
        elif entry.isreg():
            content = stream.extractfile(entry)
            assert content is not None
            yield entry.name, content
        else:
            raise _refused(archive, entry.name, "a link or device")


def _refused(archive: Path, name: str, what: str) -> DataError:
    return DataError(f"{archive}: expected plain files and folders, got {what} ({name!r}); nothing was unpacked")


def _inside(archive: Path, folder: Path, name: str, is_folder: bool, seen: set[str]) -> Path:
    """Where the entry goes; an error if that is not inside `folder` or was there before."""
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if not plain or "\0" in plain or path.is_absolute() or ":" in plain.split("/")[0] or ".." in path.parts:
        raise _refused(archive, name, "a path that leaves the folder")
    key = os.path.normcase(str(path))
    if key in seen and not is_folder:
        raise _refused(archive, name, "the same name twice")
    seen.add(key)
    return folder.joinpath(*path.parts)


def _copy(content: IO[bytes], target: Path, left: int, archive: Path, most: int) -> int:
    """Write the content and return its size; what the archive claims about sizes is not believed."""
    size = 0
    with target.open("xb") as out:
        while chunk := content.read(CHUNK):
            size += len(chunk)
            if size > left:
                raise DataError(f"{archive}: expected at most {most:,} bytes unpacked, got more; refused as a bomb")
            out.write(chunk)
    return size
