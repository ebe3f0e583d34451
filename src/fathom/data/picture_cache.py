"""Decoded pictures in one file of the cache: written part by part as they are decoded, then mapped into memory.

`KEY.u8` holds the good pictures one behind the other, `KEY.log` a line of JSON for each part that is whole on the disk,
and a last one when all are. A killed process leaves whole parts, from which the next goes on. Mapped pictures take no
memory but what the system has to spare, so a folder may be larger than that.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.data import cache, memory, store
from fathom.data.decoding import cores
from fathom.locks import locked

PART_BYTES = 32 << 20  # of pixels; a killed process loses no more
PART_PICTURES = 1000
VERIFIED_BYTES = 2 << 30  # a larger file is not read through when it is opened: only its size is checked
PART = {"end", "bytes", "crc32", "sha256", "bad"}  # what the log says of each part
PATIENCE_SECONDS = 2.0  # decoding that takes longer says so

Decode = Callable[[Path], np.ndarray]
"""A path to pixels of uint8; ValueError if that can't be done."""


@dataclass(frozen=True)
class Decoded:
    """What became of a list of pictures.

    Args:
        x: the good ones in their order, `(good, channels, height, width)` of uint8. They may be mapped for reading
            only: don't write to them.
        bad: why each of the others could not be decoded, by position.
        sha256: over all pixels, in parts.
    """

    x: Tensor
    bad: dict[int, str]
    sha256: str


@dataclass(frozen=True)
class Part:
    """Pictures `[begin, end)` of the list, decoded."""

    end: int
    pixels: np.ndarray
    bad: dict[int, str]

    def line(self) -> dict[str, Any]:
        """What the log keeps of it."""
        return {
            "end": self.end,
            "bytes": self.pixels.nbytes,
            "bad": self.bad,
            "crc32": zlib.crc32(self.pixels.data),
            "sha256": hashlib.sha256(self.pixels.data).hexdigest(),
        }


def load(key: str, name: str, paths: Sequence[Path], decode: Decode, shape: tuple[int, int, int]) -> Decoded:
    """The pictures of `paths`, decoded now or at some time before.

    Args:
        key: under which they are kept: the same one means the same files, decoded alike.
        name: of the folder, for messages.
        paths: the pictures.
        decode: gives one of them.
        shape: (channels, height, width) of each.

    Raises:
        DataError: they fit neither in the cache nor in memory.
    """
    size = len(paths) * int(np.prod(shape))
    folder = cache.folder() / "pictures"
    file, log = folder / f"{key}.u8", folder / f"{key}.log"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if (whole := _opened(file, log, shape)) is not None:
            return whole
        with locked(folder / f".{key}.lock"):
            if (whole := _opened(file, log, shape)) is not None:  # another process was faster
                return whole
            room = shutil.disk_usage(folder).free + (file.stat().st_size if file.exists() else 0)
            if size < room:
                _write(file, log, name, paths, decode, shape)
                whole = _opened(file, log, shape)
        if whole is not None:
            return whole
    memory.check(
        name, len(paths), shape, bytes_each=1, remedy="a smaller size=, or FATHOM_CACHE on a disk with room for them"
    )
    parts = list(_parts(name, paths, decode, shape, 0))
    x = torch.from_numpy(np.concatenate([part.pixels for part in parts]))
    return Decoded(x, *_summary([part.line() for part in parts]))


def _summary(lines: Sequence[dict[str, Any]]) -> tuple[dict[int, str], str]:
    """All bad pictures, and one digest."""
    bad = {int(position): str(reason) for line in lines for position, reason in line["bad"].items()}
    return bad, cache.digest_text("".join(line["sha256"] for line in lines))


# --- decoding -------------------------------------------------------------------------------------------------------


def _parts(name: str, paths: Sequence[Path], decode: Decode, shape: tuple[int, int, int], begin: int) -> Iterator[Part]:
    """The pictures from `begin` on, decoded by as many threads as there are cores: pillow lets go of the interpreter.

    The next part is under way while one is worked on.
    """

    def attempt(path: Path) -> np.ndarray | str:
        try:
            return decode(path)
        except ValueError as error:
            return str(error)

    step = max(1, min(PART_PICTURES, PART_BYTES // int(np.prod(shape))))
    progress = Progress(name, len(paths), begin)
    pool = ThreadPoolExecutor(cores())
    try:
        starts = range(begin, len(paths), step)
        ahead = pool.map(attempt, paths[begin : begin + step])
        for start in starts:
            results, ahead = ahead, pool.map(attempt, paths[start + step : start + 2 * step])
            good, bad = np.empty((len(paths[start : start + step]), *shape), np.uint8), {}
            for position, result in enumerate(results, start):
                if isinstance(result, str):
                    bad[position] = result
                else:
                    good[position - start - len(bad)] = result
            end = min(start + step, len(paths))
            yield Part(end, good[: len(good) - len(bad)], bad)
            progress(end)
    finally:
        pool.shutdown(cancel_futures=True)
        progress.close()


class Progress:
    """Says on stderr how far a long decoding has come: on a terminal in one line that moves, else once."""

    def __init__(self, name: str, total: int, begin: int) -> None:
        self.name, self.total, self.begin = name, total, begin
        self.began, self.said = time.monotonic(), False

    def __call__(self, done: int) -> None:
        """`done` pictures of all are decoded."""
        seconds = time.monotonic() - self.began
        if seconds < PATIENCE_SECONDS or store.quiet or (self.said and not sys.stderr.isatty()):
            return
        speed = (done - self.begin) / seconds
        rate = f"{speed:,.0f}" if speed >= 10 else f"{speed:.1f}"
        line = f"{self.name}: {done:,} of {self.total:,} pictures decoded for the cache, {rate} a second"
        print(f"\r{line}  " if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
        sys.stderr.flush()
        self.said = True

    def close(self) -> None:
        """End the line that moves."""
        if self.said and sys.stderr.isatty():
            print(file=sys.stderr, flush=True)


# --- the file -------------------------------------------------------------------------------------------------------


def _lines(log: Path) -> list[dict[str, Any]]:
    """The log's lines up to the first that is not whole."""
    lines = []
    with contextlib.suppress(OSError, ValueError):
        for line in log.read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            if not isinstance(found, dict) or not ("done" in found or found.keys() >= PART):
                raise ValueError(line)
            lines.append(found)
    return lines


def _write(
    file: Path, log: Path, name: str, paths: Sequence[Path], decode: Decode, shape: tuple[int, int, int]
) -> None:
    """Decode what the file lacks, and append it; OSError, and neither file, if that can't be done."""
    known = [line for line in _lines(log) if "end" in line]
    size = sum(line["bytes"] for line in known)
    if not file.exists() or file.stat().st_size < size or not _sound(file, known):
        known, size = [], 0
        file.unlink(missing_ok=True)  # whoever has mapped a damaged one keeps it
    log.write_text("".join(f"{json.dumps(line)}\n" for line in known), encoding="utf-8")
    try:
        with file.open("ab") as pixels, log.open("a", encoding="utf-8") as journal:
            pixels.truncate(size)
            for part in _parts(name, paths, decode, shape, known[-1]["end"] if known else 0):
                pixels.write(part.pixels.data)
                _flush(pixels)
                journal.write(f"{json.dumps(part.line())}\n")
                _flush(journal)
            journal.write('{"done": true}\n')
    except OSError:
        file.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        raise


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _opened(file: Path, log: Path, shape: tuple[int, int, int]) -> Decoded | None:
    """The finished file, mapped; None if it is not there, not finished or damaged."""
    lines = _lines(log)
    if not lines or not lines.pop().get("done"):
        return None
    size = sum(line["bytes"] for line in lines)
    if not file.is_file() or file.stat().st_size != size or (size <= VERIFIED_BYTES and not _sound(file, lines)):
        log.unlink(missing_ok=True)
        return None
    return Decoded(mapped(file, (size // int(np.prod(shape)), *shape)), *_summary(lines))


def _sound(file: Path, lines: Sequence[dict[str, Any]]) -> bool:
    """Whether the bytes are still those that were written."""
    with file.open("rb") as pixels:
        return all(zlib.crc32(pixels.read(line["bytes"])) == line["crc32"] for line in lines)


def mapped(file: Path, shape: tuple[int, ...]) -> Tensor:
    """The bytes of `file` as a tensor of uint8 whose pages are read when they are used.

    What is written to the tensor stays in this process. Where the machine could not hold that much, the tensor is for
    reading only, and a write to it ends the process.
    """
    if 0 in shape:
        return torch.empty(shape, dtype=torch.uint8)
    try:
        return torch.from_numpy(np.memmap(file, np.uint8, "c", shape=shape))
    except OSError:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            return torch.from_numpy(np.memmap(file, np.uint8, "r", shape=shape))
