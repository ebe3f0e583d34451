"""Where the bytes of a dataset are: folders of the user, the cache, the network, or the package itself.

Environment: `FATHOM_DATA` lists folders (`FOLDER/DATASET/FILE`), separated as in `PATH`; `FATHOM_CACHE` names the cache
folder; `FATHOM_OFFLINE=1` forbids the network.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from fathom.data import cache
from fathom.data.dataset import Card, RemoteFile
from fathom.data.options import expanded
from fathom.errors import ChecksumError, DataError, DownloadError, SaveError
from fathom.locks import locked

SAMPLES = Path(__file__).parent / "samples"
CONNECT_SECONDS = 3.0  # short, so that a laptop without a network falls back at once
READ_SECONDS = 30.0
CHUNK = 1 << 14  # bytes; what a broken connection may lose
ROUNDS = 10  # times that all mirrors are asked, as long as each round brings something

quiet = False  # True silences `say`
_said: set[str] = set()
_unreachable: set[str] = set()  # hosts that could not be reached by this process


class UnavailableError(DownloadError):
    """The files are nowhere and can't be fetched now; a sample may stand in."""


@dataclass(frozen=True)
class Found:
    """A verified file: where it is, where it came from (`folder`, `cache`, `download`, `sample`), its digest."""

    path: Path
    origin: str
    sha256: str


def say(line: str) -> None:
    """Print `line` on stderr, once in the life of the process, unless `quiet`."""
    if line not in _said and not quiet:
        print(line, file=sys.stderr, flush=True)
    _said.add(line)


def forget() -> None:
    """Forget what has been said and which hosts could not be reached."""
    _said.clear()
    _unreachable.clear()


def offline() -> bool:
    """True if `FATHOM_OFFLINE` forbids the network."""
    return os.environ.get("FATHOM_OFFLINE", "") not in ("", "0")


def user_folders(card: Card) -> list[Path]:
    """The folders of `FATHOM_DATA` that may hold this set, in order."""
    roots = os.environ.get("FATHOM_DATA", "").split(os.pathsep)
    return [expanded(root) / (card.folder or card.name) for root in roots if root]


def find(card: Card, file: RemoteFile, fresh: bool = False) -> Found | None:
    """The file, or `FILE.gz`, in the first place that has it, verified; None if no place on this machine has it.

    Args:
        fresh: compute the digest now, even if it is remembered.

    Raises:
        ChecksumError: the file is there but its bytes are not those of the card.
    """
    places = [(folder, "folder") for folder in user_folders(card)] + [(cache.folder() / card.name, "cache")]
    if not file.urls:
        places.append((SAMPLES / card.name.removesuffix("-sample").replace("-", "_"), "sample"))
    for folder, origin in places:
        for path in (folder / file.name, folder / f"{file.name}.gz"):
            if path.is_file():
                return Found(path, origin, _verified(card, file, path, fresh))
    return None


def _verified(card: Card, file: RemoteFile, path: Path, fresh: bool = False) -> str:
    try:
        got = cache.digest(path) if fresh else cache.remembered_digest(path)
    except OSError as error:
        raise DataError(f"{path}: could not be read ({error.strerror}); check the file's permissions") from error
    if got not in file.sha256:
        size = path.stat().st_size
        short = f" ({size:,} bytes, should be {file.size:,})" if size < 0.99 * file.size else ""
        raise ChecksumError(
            f"{path}: expected sha256 {file.sha256[0][:16]}…, got {got[:16]}…{short}; it is damaged: delete it, "
            f"then run fathom data get {card.name}"
        )
    return got


def locate(card: Card) -> list[Found]:
    """All files of the set, found on this machine or downloaded, in the card's order.

    Raises:
        ChecksumError: a file is there but damaged.
        DownloadError: every mirror gave wrong bytes.
        UnavailableError: a file is nowhere, and no mirror can be reached or may be asked.
    """
    found = {file.name: find(card, file) for file in card.files}
    missing = [file for file in card.files if found[file.name] is None]
    if missing and not missing[0].urls:
        raise DataError(f"{card.name}: {missing[0].name} is missing from the package; install fathom-dl again")
    if missing:
        found |= {file.name: fetch(card, file) for file in missing}
    return [entry for entry in found.values() if entry is not None]


# --- downloads ------------------------------------------------------------------------------------------------------


def fetch(card: Card, file: RemoteFile) -> Found:
    """Download one file to the cache, whole and verified; what a killed attempt left is continued.

    The bytes gather in `FILE.part` and get their name once the digest is right. Processes that want the same file
    take turns.

    Raises:
        UnavailableError: the network is forbidden, no mirror answers, or the cache can't be written.
        DownloadError: every mirror that answered gave wrong bytes.
    """
    if offline():
        raise UnavailableError(f"{card.name}: {file.name} is not here and FATHOM_OFFLINE forbids the network")
    folder = cache.folder() / card.name
    target, part = folder / file.name, folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f".{file.name}.lock"):
            if target.is_file():  # another process was faster
                return Found(target, "download", _verified(card, file, target))
            megabytes = sum(entry.size for entry in card.files) / 1e6
            say(f"downloading {card.title} ({megabytes:.1f} MB) to {folder}")
            sha256 = _from_mirrors(card, file, part)
            part.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnavailableError(f"{card.name}: can't write to {folder} ({reason}); set FATHOM_CACHE") from error
    return Found(target, "download", sha256)


def _from_mirrors(card: Card, file: RemoteFile, part: Path) -> str:
    """Fill `part` from the mirrors in turn, as long as one of them brings something; its digest.

    `DownloadError` if a mirror gave wrong bytes and none the right ones, `UnavailableError` if none gave them all.
    """
    wrong = ""
    bad: set[str] = set()  # mirrors that sent the whole file, and it was not ours
    for _ in range(ROUNDS):
        failures = []
        grown = False
        for url in file.urls:
            host = urlsplit(url).netloc
            if url in bad or host in _unreachable:
                continue
            before = _size(part)
            try:
                got = _whole(url, file, part)
            except _MirrorError as error:
                failures.append(f"{host}: {error}")
                if error.unreachable:
                    _unreachable.add(host)
                grown |= _size(part) > before
                continue
            if got in file.sha256:
                return got
            wrong = got
            bad.add(url)
        if not grown:
            break
    if wrong:
        raise DownloadError(
            f"{card.name}: {file.name}: expected sha256 {file.sha256[0][:16]}…, got {wrong[:16]}… from every mirror "
            "that answered; try again later, or give a copy by FATHOM_DATA"
        )
    reasons = "; ".join(failures) or "no mirror could be reached"
    raise UnavailableError(f"{card.name}: could not download {file.name} ({reasons}); try again, or set FATHOM_DATA")


def _whole(url: str, file: RemoteFile, part: Path) -> str:
    """Fill `part` from one mirror; its digest. If the bytes are wrong, `part` is gone.

    A beginning from elsewhere that turns out to be spoilt is thrown away, and the mirror asked once more.
    """
    before = _size(part)
    _append(url, file, part)
    got = cache.digest(part)
    if got in file.sha256:
        return got
    part.unlink()
    return _whole(url, file, part) if before else got


class _MirrorError(Exception):
    """One mirror failed; `unreachable` if it is no use to ask that host again."""

    def __init__(self, reason: str, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


def _append(url: str, file: RemoteFile, part: Path) -> None:
    """Ask `url` for what `part` lacks and append it; `_MirrorError` unless the answer came whole."""
    import requests

    have = _size(part)
    headers = {"Range": f"bytes={have}-"} if have else {}
    headers["Accept-Encoding"] = "identity"  # the file's own bytes: a .gz must not be unpacked on the way
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as answer:
            if answer.status_code == 416:  # nothing is left: the part is whole already, or too long
                return
            if answer.status_code not in (200, 206):
                raise _MirrorError(f"answered {answer.status_code}")
            start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
            resumed = answer.status_code == 206 and start == str(have)
            if answer.status_code == 206 and not resumed:
                raise _MirrorError(f"sent bytes from {start or '?'} instead of {have}")
            length = answer.headers.get("Content-Length", "")
            with part.open("ab" if resumed else "wb", buffering=0) as out:
                _copy(answer.iter_content(CHUNK), out, file.size * 2 + (1 << 20))
                received = out.tell() - (have if resumed else 0)
    except requests.exceptions.ConnectionError as error:
        raise _MirrorError("could not be reached", unreachable=_size(part) <= have) from error
    except requests.exceptions.RequestException as error:
        raise _MirrorError(f"broke off ({type(error).__name__})") from error
    if length.isdecimal() and received < int(length):
        raise _MirrorError(f"broke off after {received:,} of {int(length):,} bytes")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _copy(chunks: Iterator[bytes], out: IO[bytes], most: int) -> None:
    """Write the chunks; a server that sends far more than the file's size is cut off."""
    for chunk in chunks:
        out.write(chunk)
        if out.tell() > most:
            raise _MirrorError("sent far more bytes than the file has")


def get(card: Card) -> list[Found]:
    """Every file of the set, in the cache or a folder of the user; a damaged one in the cache is fetched anew.

    Raises:
        DownloadError: a file can't be had.
    """
    for file in card.files:
        try:
            find(card, file, fresh=True)
        except DataError:
            path = cache.folder() / card.name / file.name
            if not path.is_file() or cache.digest(path) in file.sha256:
                raise
            try:
                path.unlink()
            except OSError as error:
                raise SaveError(f"could not delete the damaged {path}: {error.strerror}; delete it yourself") from error
    return locate(card)
