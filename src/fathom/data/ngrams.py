"""How often runs of tokens occur, and the language model that those counts are."""

import math
from dataclasses import dataclass

import numpy as np

from fathom.errors import InputError
from fathom.registry import unknown

SMOOTHINGS = ("laplace", "backoff")


def count_ngrams(tokens: np.ndarray, n: int, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Each run of `n` tokens that occurs, `(runs, n)` of int, and how often, `(runs,)`; the most frequent first.

    Args:
        tokens: `(tokens,)` of int below `vocab_size`, at least `n` of them.
    """
    table = _tables(tokens, n, vocab_size)[-1]
    order = np.argsort(-table.counts, kind="stable")
    return table.runs[order], table.counts[order]


@dataclass(frozen=True)
class _Table:
    """All runs of one length: sorted keys `parent * vocab_size + last token`, where the parent is the place of the run
    without its last token in the table of runs that are one shorter."""

    keys: np.ndarray
    counts: np.ndarray
    runs: np.ndarray
    totals: np.ndarray  # by parent: how often it is followed by anything
    kinds: np.ndarray  # by parent: by how many different tokens

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The place of each key, -1 where it is not there."""
        places = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)


def _tables(tokens: np.ndarray, n: int, vocab_size: int) -> list[_Table]:
    if n < 1 or len(tokens) < n:
        raise InputError(f"n-grams: expected at least n = {max(n, 1)} tokens and n of at least 1, got {len(tokens)}")
    tokens = tokens.astype(np.int64)
    places, tables = np.zeros(len(tokens), np.int64), []  # of the run that ends before each token
    runs = np.zeros((1, 0), np.int64)
    for _ in range(n):
        keys, back, counts = np.unique(places * vocab_size + tokens, return_inverse=True, return_counts=True)
        parents = keys // vocab_size
        totals = np.bincount(parents, counts, minlength=len(runs)).astype(np.int64)
        kinds = np.bincount(parents, minlength=len(runs))
        runs = np.column_stack([runs[parents], keys % vocab_size])
        tables.append(_Table(keys, counts, runs, totals, kinds))
        places, tokens = back[:-1], tokens[1:]
    return tables


class NGramModel:
    """P(token | the n - 1 tokens before), from counts.

    - `laplace`: (count + strength · P(token | one token less)) / (count of the context + strength); the shortest has
      1 / vocab_size in its place.
    - `backoff`: where the run was seen, (count - strength) / (count of the context); elsewhere what was taken off
      there, shared out in proportion to P(token | one token less). Katz's back-off with absolute discounting.

    Args:
        tokens: `(tokens,)` of int below `vocab_size`.
        n: length of a run: 1 knows no context, 2 one token.
        vocab_size: how many tokens there are.
        smoothing: `laplace` or `backoff`.
        strength: tokens' worth of the shorter context (above 0), or the discount (above 0, below 1).

    Raises:
        InputError: fewer tokens than `n`, or a strength out of range.

    Source: Dive into Deep Learning, "Language Models and the Dataset", for `laplace`; Katz 1987, "Estimation of
    probabilities from sparse data", and Ney, Essen and Kneser 1994 for the discount.
    """

    def __init__(
        self, tokens: np.ndarray, n: int, vocab_size: int, smoothing: str = "backoff", strength: float = 0.75
    ) -> None:
        if smoothing not in SMOOTHINGS:
            raise unknown("smoothing", smoothing, SMOOTHINGS)
        most = 1.0 if smoothing == "backoff" else math.inf
        if not 0 < strength < most:
            raise InputError(f"strength: expected a number above 0{' and below 1' * (most == 1)}, got {strength}")
        self.n, self.vocab_size, self.smoothing, self.strength = n, vocab_size, smoothing, strength
        self._tables = _tables(np.asarray(tokens), n, vocab_size)
        self._left: list[np.ndarray] = []  # by context length and context: the shorter context's share of the unseen
        for table in self._tables:
            lower = self._shorter(table.runs[:, :-1], table.runs[:, -1])
            seen = np.bincount(table.keys // vocab_size, lower, minlength=len(table.totals))
            self._left.append(np.maximum(1 - seen, 1e-12))

    def __call__(self, contexts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """P(token | context), `(rows,)`.

        Args:
            contexts: `(rows, length)` of int, at most n - 1 tokens each, the last the nearest.
            tokens: `(rows,)` of int.
        """
        lower = self._shorter(contexts, tokens)
        table, places = self._tables[contexts.shape[1]], self._places(contexts)
        known = places.clip(min=0)
        found = table.find(known * self.vocab_size + tokens)
        counts = np.where((places >= 0) & (found >= 0), table.counts[found], 0)
        totals, kinds = (np.where(places >= 0, of[known], 0) for of in (table.totals, table.kinds))
        if self.smoothing == "laplace":
            return (counts + self.strength * lower) / (totals + self.strength)
        discount = np.where(kinds < self.vocab_size, self.strength, 0.0)  # nothing is unseen where all was seen
        some = np.maximum(totals, 1)
        unseen = np.where(totals > 0, discount * kinds / some / self._left[contexts.shape[1]][known], 1.0) * lower
        return np.where(counts > 0, (counts - discount) / some, unseen)

    def _shorter(self, contexts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        if contexts.shape[1]:
            return self(contexts[:, 1:], tokens)
        return np.full(len(tokens), 1 / self.vocab_size)

    def _places(self, contexts: np.ndarray) -> np.ndarray:
        """The place of each row among the runs of its length, -1 where it never occurred before another token."""
        places = np.zeros(len(contexts), np.int64)
        for table, column in zip(self._tables, contexts.T, strict=False):
            places = np.where(places < 0, -1, table.find(places * self.vocab_size + column))
        return np.where(places < len(self._tables[contexts.shape[1]].totals), places, -1)

    def log_probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """ln P of each token after those before it in the sequence, `(tokens,)`; the first ones have less context."""
        tokens = np.asarray(tokens, np.int64)
        length = self.n - 1
        parts = [self(tokens[None, :i], tokens[i : i + 1]) for i in range(min(length, len(tokens)))]
        if len(tokens) > length:
            runs = np.lib.stride_tricks.sliding_window_view(tokens, self.n)
            parts.append(self(runs[:, :-1], runs[:, -1]))
        return np.log(np.concatenate(parts))

    def perplexity(self, tokens: np.ndarray) -> float:
        """exp of the mean of -ln P over the tokens of a sequence: 1 at best, `vocab_size` if all are equally likely."""
        return math.exp(-float(self.log_probabilities(tokens).mean()))

    def __repr__(self) -> str:
        return f"NGramModel(n={self.n}, {self.smoothing}, {len(self._tables[-1].keys):,} runs)"
