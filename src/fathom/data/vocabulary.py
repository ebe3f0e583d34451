"""Which tokens there are, and their numbers."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from fathom.errors import InputError
from fathom.registry import unknown

UNKNOWN = "<unk>"


class Vocab:
    """Tokens with numbers from 0; number 0 is `<unk>`, for all that is not among them.

    Args:
        tokens: all others, in the order of their numbers; `<unk>` may be among them and then moves to the front.
        counts: how often each was seen, where that is known.
        min_count: what it took to be among them, for the repr.

    Raises:
        InputError: a token is there twice.

    Source: Dive into Deep Learning, "Text Preprocessing".
    """

    def __init__(self, tokens: Sequence[str], counts: Mapping[str, int] | None = None, min_count: int = 1) -> None:
        self.tokens: tuple[str, ...] = (UNKNOWN, *[token for token in tokens if token != UNKNOWN])
        self.numbers = dict(zip(self.tokens, range(len(self.tokens)), strict=True))
        self.counts = dict(counts or {})
        self.min_count = min_count
        if len(self.numbers) != len(self.tokens):
            twice = next(token for number, token in enumerate(self.tokens) if self.numbers[token] != number)
            raise InputError(f"vocabulary: expected each token once, got {twice!r} twice; leave one out")

    @classmethod
    def of(cls, counts: Mapping[str, int], min_count: int = 1, reserved: Sequence[str] = (), most: int = 0) -> "Vocab":
        """The tokens that were counted, the most frequent first; equal counts keep the order of the mapping.

        Args:
            counts: how often each token occurs.
            min_count: rarer tokens are left out, and so become `<unk>`.
            reserved: tokens that come right after `<unk>`, whether they were seen or not (`<pad>`, `<bos>`, `<eos>`).
            most: leave out all but so many of the most frequent; 0 keeps all.
        """
        if min_count < 1:
            raise InputError(f"min_count: expected at least 1, got {min_count}")
        special = {UNKNOWN, *reserved}
        enough = [token for token, times in counts.items() if times >= min_count and token not in special]
        frequent = sorted(enough, key=counts.__getitem__, reverse=True)  # which leaves equal counts in order
        return cls((*reserved, *frequent[: most or None]), counts, min_count)

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self.numbers

    def __getitem__(self, token: str) -> int:
        """The number of a token that must be there; `encode` takes any.

        Raises:
            UnknownNameError: it is not.
        """
        if token not in self.numbers:
            raise unknown("token", token, self.tokens)
        return self.numbers[token]

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The numbers of tokens, `(tokens,)` of int64, 0 for one that is not there."""
        return np.fromiter(map(self.numbers.get, tokens, itertools.repeat(0)), np.int64)

    def encode_characters(self, text: str) -> np.ndarray:
        """The numbers of a text's characters, `(characters,)`, of the smallest type that holds them: by one look-up."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        known = {ord(token): number for token, number in self.numbers.items() if len(token) == 1}
        table = np.zeros(max(int(codes.max(initial=0)), *known, 0) + 1, dtype=smallest(len(self)))
        table[list(known)] = list(known.values())
        return table[codes]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The tokens of numbers.

        Raises:
            InputError: there is no token of that number.
        """
        try:
            return [self.tokens[number] for number in _checked(numbers, len(self))]
        except IndexError as error:
            raise InputError(f"decode: expected numbers from 0 to {len(self) - 1}, got {error}") from None

    def __repr__(self) -> str:
        return f"Vocab({len(self)} tokens, min_count={self.min_count})"


def smallest(numbers: int) -> type[np.integer]:
    """The smallest of uint8, int16, int32, int64 that holds the numbers below `numbers`; torch has all of them."""
    for kind in (np.uint8, np.int16, np.int32):
        if numbers <= np.iinfo(kind).max + 1:
            return kind
    return np.int64


def _checked(numbers: Iterable[int], most: int) -> Iterable[int]:
    for number in numbers:
        if not 0 <= number < most:
            raise IndexError(number)
        yield int(number)
