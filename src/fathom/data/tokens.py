"""Text, cut into tokens, piece by piece, so that a large file need not fit into memory."""

import codecs
import gzip
import itertools
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from fathom.data import words
from fathom.data.vocabulary import Vocab, smallest
from fathom.errors import DataError, InputError

CHUNK = 1 << 22  # bytes read at a time
LONGEST = 1 << 24  # characters without a blank, after which a piece ends anyway
UNITS = ("char", "word", "space")
CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff"  # Han, hiragana and katakana, written without spaces
WORDS = re.compile(rf"[{CJK}]|[^\W{CJK}]+(?:['’][^\W{CJK}]+)*|[^\w\s]")


def tokenise(text: str, unit: str = "char") -> list[str]:
    """The tokens of a text.

    Args:
        unit: `char`; `word` (words, punctuation marks, and each Chinese or Japanese character by itself); or `space`
            (what stands between blanks, for text that was cut before).

    >>> tokenise("Don't stop, 你好!", "word")
    ["Don't", 'stop', ',', '你', '好', '!']
    """
    if unit == "char":
        return list(text)
    if unit == "word":
        return WORDS.findall(text)
    if unit == "space":
        return text.split()
    raise InputError(f"unit: expected one of {', '.join(UNITS)}, got {unit!r}")


def numbered(text: str, unit: str) -> tuple[list[str], np.ndarray]:
    """The different tokens of a text in the order of first occurrence, and the place among them of each in the text."""
    if unit == "space":
        return words.numbered(text)
    return words.one_by_one(tokenise(text, unit))


def letters_only(text: str) -> str:
    """Lower-case letters a to z, everything else in between as one blank, as the book prepares The Time Machine."""
    return re.sub("[^a-z]+", " ", text.lower())


def characters(text: str) -> np.ndarray:
    """The code points of a text, `(characters,)` of uint32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def count(pieces: Iterable[str], unit: str = "char") -> Counter[str]:
    """How often each token occurs in a text that comes in pieces, in the order of their first occurrence."""
    counts: Counter[str] = Counter()
    for piece in pieces:
        if unit == "char":
            codes = characters(piece)
            times = np.bincount(codes)
            first = np.zeros(len(times), np.int64)
            first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last that is written is the first that occurs
            seen = np.flatnonzero(times)
            counts.update({chr(code): int(times[code]) for code in seen[np.argsort(first[seen])]})
        else:
            different, numbers = numbered(piece, unit)
            times = np.bincount(numbers, minlength=len(different)).tolist()
            counts.update(dict(zip(different, times, strict=True)))
    return counts


def learn(
    pieces: Callable[[], Iterable[str]], vocabulary: Callable[[Counter[str]], Vocab], unit: str = "char"
) -> tuple[Vocab, np.ndarray]:
    """A vocabulary of a text's tokens, and the numbers of all of them, `(tokens,)`.

    Characters are counted and then looked up all at once, in two passes; other tokens are cut once, numbered in the
    order of their first occurrence, and renumbered.

    Args:
        pieces: gives the text in pieces, from its beginning each time.
        vocabulary: from how often each token occurs.
    """
    if unit == "char":
        vocab = vocabulary(count(pieces(), unit))
        return vocab, encode(pieces(), vocab, unit)
    places: dict[str, int] = {}
    parts = [np.zeros(0, np.int32)]
    for piece in pieces():
        different, found = numbered(piece, unit)
        if not places:  # numbers of the first piece are those of the text
            places = dict(zip(different, itertools.count(), strict=False))
            parts.append(found)
            continue
        new = [token for token in different if token not in places]
        places.update(zip(new, itertools.count(len(places)), strict=False))
        parts.append(np.fromiter(map(places.__getitem__, different), np.int32, len(different))[found])
    numbers = np.concatenate(parts)
    times = np.bincount(numbers, minlength=len(places)).tolist()
    vocab = vocabulary(Counter(dict(zip(places, times, strict=True))))
    return vocab, vocab.encode(places).astype(smallest(len(vocab)))[numbers]


def encode(pieces: Iterable[str], vocab: Vocab, unit: str = "char") -> np.ndarray:
    """The numbers of all tokens of a text in pieces, `(tokens,)`, of the smallest type that holds them."""
    kind = smallest(len(vocab))
    parts = []
    for piece in pieces:
        if unit == "char":
            parts.append(vocab.encode_characters(piece))
        else:
            different, numbers = numbered(piece, unit)
            parts.append(vocab.encode(different).astype(kind)[numbers])
    return np.concatenate(parts) if parts else np.zeros(0, kind)


def read_pieces(file: Path, encoding: str = "utf-8", member: str = "", chunk: int = CHUNK) -> Iterator[str]:
    """The text of a file in pieces that end at a blank or a line's end.

    Args:
        file: plain, or packed by gzip, or a zip archive.
        encoding: as Python names it.
        member: which file of the archive.
        chunk: bytes read at a time.

    Raises:
        DataError: the file is missing, damaged, or its bytes are not text of that encoding; names the first such byte.
        InputError: there is no such encoding.
    """
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError:
        raise InputError(f"encoding: expected a name such as utf-8, latin-1 or gb18030, got {encoding!r}") from None
    rest, offset = "", 0
    try:
        with _opened(file, member) as stream:
            while block := stream.read(chunk):
                text = rest + _decoded(decoder, block, file, offset)
                offset += len(block)
                cut = max(text.rfind(" "), text.rfind("\n")) + 1 or len(text) // LONGEST * LONGEST
                rest = text[cut:]
                if cut:
                    yield text[:cut].replace("\r\n", "\n")
    except (OSError, EOFError, KeyError, zlib.error, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{file}: expected a file of text, but it can't be read ({reason}); check it") from None
    if last := rest + _decoded(decoder, b"", file, offset, final=True):
        yield last.replace("\r\n", "\n")


def _opened(file: Path, member: str) -> IO[bytes]:
    if member:
        return zipfile.ZipFile(file).open(member)
    with file.open("rb") as start:
        packed = start.read(2) == b"\x1f\x8b"
    return gzip.open(file) if packed else file.open("rb")  # type: ignore[return-value]


def _decoded(decoder: codecs.IncrementalDecoder, block: bytes, file: Path, offset: int, final: bool = False) -> str:
    waiting = len(decoder.getstate()[0])  # bytes of a character that the last block began
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: expected text in {error.encoding}, got byte 0x{error.object[error.start]:02x} at offset "
            f"{offset - waiting + error.start:,}; give its encoding, as in encoding=latin-1"
        ) from None
