"""What a search finds: the best sequences of each row so far, by a score that may make up for length."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fathom.errors import InputError
from fathom.registry import unknown

Penalty = Callable[[int, float], float]
"""Tokens of a sequence and α to what its log-probability is divided by; 1 or more, no less for a longer one."""


def power(length: int, alpha: float) -> float:
    """L^α. Source: Dive into Deep Learning, "Beam Search", equation of the score, with α = 0.75."""
    return float(length**alpha)


def gnmt(length: int, alpha: float) -> float:
    """((5 + L) / 6)^α. Source: Wu et al. 2016, arXiv 1609.08144, equation 14; the Transformer has α = 0.6."""
    return float(((5 + length) / 6) ** alpha)


PENALTIES: dict[str, Penalty] = {"gnmt": gnmt, "power": power}


def check(first: Tensor, length: int, alpha: float, penalty: str, best: int) -> Penalty:
    """The penalty's function, if every argument of a search is in its range.

    Raises:
        InputError: a number is out of range, or there is no token to begin with.
        UnknownNameError: there is no such penalty.
    """
    if first.dim() != 2 or first.shape[1] < 1:
        raise InputError(
            f"first: expected (rows, steps) with at least one token to begin with, got {tuple(first.shape)}"
        )
    for name, number in (("length", length), ("best", best)):
        if number < 1:
            raise InputError(f"{name}: expected a whole number of at least 1, got {number}")
    if not alpha >= 0:
        raise InputError(f"alpha: expected a number of at least 0, got {alpha}; 0 does not make up for length")
    if penalty not in PENALTIES:
        raise unknown("penalty", penalty, PENALTIES)
    return PENALTIES[penalty]


class Hypotheses(NamedTuple):
    """The best sequences of each row, the best first.

    Args:
        tokens: `(rows, best, steps)` of int, without those that the search began with; behind its end each is filled
            with the end token.
        lengths: `(rows, best)` of int, tokens of each, the end included; 0 where there are fewer sequences than asked.
        scores: `(rows, best)`, log-probability over penalty; minus infinity where there is none.
        log_probabilities: `(rows, best)` in nats.
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    log_probabilities: Tensor


class Pool:
    """The best finished sequences of each row, of a first so many that are asked for.

    Args:
        rows: how many.
        best: sequences of a row to keep.
        length: the longest.
        end: the end token.
        like: log-probabilities, of the dtype and on the device that are wanted.
    """

    def __init__(self, rows: int, best: int, length: int, end: int, like: Tensor) -> None:
        self.end = end
        self.scores = like.new_full((rows, best), -torch.inf)
        self.log_probabilities = self.scores.clone()
        self.lengths = torch.zeros(rows, best, dtype=torch.long, device=like.device)
        self.tokens = torch.full((rows, best, length), end, device=like.device)

    def add(self, rows: Tensor, log_probabilities: Tensor, penalty: float, tokens: Tensor) -> None:
        """Take in finished sequences of one length.

        Args:
            rows: `(some,)` of int, which rows they belong to.
            log_probabilities: `(some, candidates)`; minus infinity where there is none.
            penalty: what they are divided by.
            tokens: `(some, candidates, steps)` of int.
        """
        best, steps = self.scores.shape[1], tokens.shape[2]
        candidates = log_probabilities / penalty
        self.scores[rows], order = torch.cat([self.scores[rows], candidates], 1).topk(best, dim=1)
        both = torch.cat([self.log_probabilities[rows], log_probabilities], 1)
        self.log_probabilities[rows] = both.gather(1, order)
        lengths = torch.where(candidates > -torch.inf, steps, 0)
        self.lengths[rows] = torch.cat([self.lengths[rows], lengths], 1).gather(1, order)
        longer = nn.functional.pad(tokens, (0, self.tokens.shape[2] - steps), value=self.end)
        every = torch.cat([self.tokens[rows], longer], 1)
        self.tokens[rows] = every.gather(1, order[..., None].expand(-1, -1, every.shape[2]))

    def found(self) -> Hypotheses:
        """All that is in it, as long as the longest."""
        steps = int(self.lengths.max()) if self.lengths.numel() else 0
        return Hypotheses(self.tokens[..., :steps], self.lengths, self.scores, self.log_probabilities)
