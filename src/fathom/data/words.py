"""The different words of a text and which one stands where, without a Python object for each word.

Every word becomes one number of 64 bits: its bytes if it has up to 8, else a hash of them. A table over these numbers
tells which words are the same; long words are then compared byte by byte, so that a hash decides nothing.
"""

import re

import numpy as np

WIDTH = 8  # bytes that are read at once
SPACE = np.zeros(256, bool)
SPACE[[9, 10, 11, 12, 13, 28, 29, 30, 31, 32]] = True  # where `str.split` cuts, below 128
OTHER_SPACE = re.compile(r"[^\S\x09-\x0d\x1c-\x20]")
MASKS = np.array([(1 << (8 * count)) - 1 for count in range(WIDTH + 1)], np.uint64)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd (Knuth, volume 3, 6.4)


def numbered(text: str) -> tuple[list[str], np.ndarray]:
    """What stands between blanks: each word once, in the order of first occurrence, and the text in numbers of them.

    Equal to `text.split()` and numbering the words one by one.

    Returns:
        The words, and `(words in the text,)` of int32 with the place of each.

    >>> numbered("to be or not to be")
    (['to', 'be', 'or', 'not'], array([0, 1, 2, 3, 0, 1], dtype=int32))
    """
    plain = text if text.isascii() else OTHER_SPACE.sub(" ", text)
    content = plain.encode("utf-8", "surrogatepass")
    raw = np.frombuffer(content + b" " * WIDTH, np.uint8)
    starts, stops = _edges(raw)
    if len(starts) == 0:
        return [], np.zeros(0, np.int32)
    chunks = np.lib.stride_tricks.as_strided(raw[:WIDTH].view(np.uint64), (len(content) + 1,), (1,))
    lengths = stops - starts
    same = _first_of_equal(_keys(chunks, starts, lengths))
    if not _equal(chunks, starts, lengths, same):
        return one_by_one(plain.split())
    heads = np.flatnonzero(same == np.arange(len(same), dtype=np.int32))
    places = np.empty(len(same), np.int32)
    places[heads] = np.arange(len(heads), dtype=np.int32)
    bounds = zip(starts[heads].tolist(), stops[heads].tolist(), strict=True)
    return [content[start:stop].decode("utf-8", "surrogatepass") for start, stop in bounds], places[same]


def _edges(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where words begin and where they have ended, both `(words,)`; the last byte is a blank."""
    space = SPACE[raw]
    edges = np.flatnonzero(space[1:] != space[:-1]) + 1
    if not space[0]:
        edges = np.concatenate([[0], edges])
    return edges[::2], edges[1::2]


def _pieces(chunks: np.ndarray, starts: np.ndarray, lengths: np.ndarray, done: int) -> np.ndarray:
    """The up to 8 bytes of each word behind the first `done`, zeros behind its end."""
    return chunks[starts + done] & MASKS[np.minimum(lengths - done, WIDTH)]


def _keys(chunks: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    keys = _pieces(chunks, starts, lengths, 0)
    done, longer = WIDTH, np.flatnonzero(lengths > WIDTH)
    while len(longer):
        mixed = (keys[longer] ^ (keys[longer] >> np.uint64(29))) * MULTIPLIER
        keys[longer] = mixed + _pieces(chunks, starts[longer], lengths[longer], done)
        done += WIDTH
        longer = longer[lengths[longer] > done]
    return keys


def _first_of_equal(keys: np.ndarray) -> np.ndarray:
    """For each key the place of the first one like it, `(keys,)` of int32."""
    bits = int(len(keys) * 4).bit_length()
    slots = (((keys ^ (keys >> np.uint64(32))) * MULTIPLIER) >> np.uint64(64 - bits)).astype(np.int64)
    table = np.empty(1 << bits, np.int32)
    places = np.arange(len(keys), dtype=np.int32)
    table[slots[::-1]] = places[::-1]  # what is written last stays: the first that occurs
    first = table[slots]
    if len(lost := np.flatnonzero(keys[first] != keys)):  # another key has the slot
        _, heads, which = np.unique(keys[lost], return_index=True, return_inverse=True)
        first[lost] = lost[heads[which]]
    return first


def _equal(chunks: np.ndarray, starts: np.ndarray, lengths: np.ndarray, same: np.ndarray) -> bool:
    """Whether every word has the bytes of the one it is taken for."""
    if not np.array_equal(lengths, lengths[same]):
        return False
    done, left = 0, np.flatnonzero(lengths > WIDTH)  # up to 8 bytes are the key itself
    while len(left):
        mine = _pieces(chunks, starts[left], lengths[left], done)
        if not np.array_equal(mine, _pieces(chunks, starts[same[left]], lengths[left], done)):
            return False
        done += WIDTH
        left = left[lengths[left] > done]
    return True


def one_by_one(words: list[str]) -> tuple[list[str], np.ndarray]:
    """As `numbered`, for words that have been cut."""
    places = {word: place for place, word in enumerate(dict.fromkeys(words))}
    return list(places), np.fromiter(map(places.__getitem__, words), np.int32, len(words))
