"""The different words of a text and which one stands where, without a Python object for each word.

Every word becomes one number of 64 bits: its bytes if it has up to 8, else a hash of them. A table over these numbers
tells which words are the same; long words are then compared byte by byte, so that a hash decides nothing.
"""

import numpy as np

WIDTH = 8  # bytes that are read at once
OTHER_SPACE = "".join(map(chr, (0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)))
NO_LETTER = np.uint64(0xFF << 56)  # a last byte that UTF-8 never has: no long word is taken for a short one
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd (Knuth, volume 3, 6.4)


def numbered(text: str) -> tuple[list[str], np.ndarray]:
    """What stands between blanks: each word once, in the order of first occurrence, and the text in numbers of them.

    Equal to `text.split()` and numbering the words one by one.

    Returns:
        The words, and `(words in the text,)` of int32 with the place of each.

    >>> numbered("to be or not to be")
    (['to', 'be', 'or', 'not'], array([0, 1, 2, 3, 0, 1], dtype=int32))
    """
    plain = _with_plain_blanks(text)
    content = plain.encode("utf-8", "surrogatepass")
    raw = np.frombuffer(content + b" " * WIDTH, np.uint8)
    starts, stops = _edges(raw)
    if len(starts) == 0:
        return [], np.zeros(0, np.int32)
    if b"\0" in content:  # which would look like the end of a short word
        return one_by_one(plain.split())
    chunks = np.lib.stride_tricks.as_strided(raw[:WIDTH].view(np.uint64), (len(content) + 1,), (1,))
    lengths = stops - starts
    same = _first_of_equal(_keys(chunks, starts, lengths))
    if not _equal(chunks, starts, lengths, same):
        return one_by_one(plain.split())
    heads = np.flatnonzero(same == np.arange(len(same), dtype=np.int32))
    places = np.empty(len(same), np.int32)
    places[heads] = np.arange(len(heads), dtype=np.int32)
    bounds = zip(starts[heads].tolist(), stops[heads].tolist(), strict=True)
    different = b" ".join([content[start:stop] for start, stop in bounds]).decode("utf-8", "surrogatepass").split(" ")
    return different, places[same]


def _with_plain_blanks(text: str) -> str:
    """The text with a blank in the place of every character beyond ASCII that `str.split` cuts at."""
    if not text.isascii():
        for character in OTHER_SPACE:
            text = text.replace(character, " ")
    return text


def _edges(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where words begin and where they have ended, both `(words,)`; the last byte is a blank."""
    space = (raw == 32) | (raw - np.uint8(9) < 5) | (raw - np.uint8(28) < 4)  # below a bound, the difference wraps
    edges = np.flatnonzero(space[1:] != space[:-1]) + 1
    if not space[0]:
        edges = np.concatenate([[0], edges])
    return edges[::2].copy(), edges[1::2].copy()  # side by side in memory


def _pieces(chunks: np.ndarray, starts: np.ndarray, lengths: np.ndarray, done: int) -> np.ndarray:
    """The up to 8 bytes of each word behind the first `done`, moved up over what follows the word."""
    missing = np.maximum(WIDTH + done - lengths, 0).astype(np.uint64)
    return chunks[starts + done] << (missing << np.uint64(3))


def _keys(chunks: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    keys = _pieces(chunks, starts, lengths, 0)
    done, longer = WIDTH, np.flatnonzero(lengths > WIDTH)
    long = longer
    while len(longer):
        keys[longer] = _mixed(keys[longer]) + _pieces(chunks, starts[longer], lengths[longer], done)
        done += WIDTH
        longer = longer[lengths[longer] > done]
    keys[long] = _mixed(keys[long]) | NO_LETTER
    return keys


def _mixed(keys: np.ndarray) -> np.ndarray:
    return (keys ^ (keys >> np.uint64(29))) * MULTIPLIER


def _first_of_equal(keys: np.ndarray) -> np.ndarray:
    """For each key the place of the first one like it, `(keys,)` of int32."""
    bits = max(len(keys) // 2, 1).bit_length()  # a table that stays in the processor's cache
    slots = (_mixed(keys) >> np.uint64(64 - bits)).astype(np.int64)
    table = np.empty(1 << bits, np.int32)
    places = np.arange(len(keys), dtype=np.int32)
    table[slots[::-1]] = places[::-1]  # what is written last stays: the first that occurs
    first = table[slots]
    if len(lost := np.flatnonzero(keys[first] != keys)):  # another key has the slot
        _, heads, which = np.unique(keys[lost], return_index=True, return_inverse=True)
        first[lost] = lost[heads[which]]
    return first


def _equal(chunks: np.ndarray, starts: np.ndarray, lengths: np.ndarray, same: np.ndarray) -> bool:
    """Whether every long word has the bytes of the one it is taken for; a short one's bytes are its key."""
    left = np.flatnonzero(lengths > WIDTH)
    if not np.array_equal(lengths[left], lengths[same[left]]):
        return False
    done = 0
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
