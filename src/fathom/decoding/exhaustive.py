"""Exhaustive search: the best of all sequences that there are."""

from typing import Any

import torch
from torch import Tensor

from fathom.decoding.hypotheses import Hypotheses, Pool, check
from fathom.decoding.step import Step
from fathom.errors import InputError
from fathom.ops.nests import pick

MOST = 2**20  # beginnings at once


@torch.no_grad()
def exhaustive(
    step: Step,
    first: Tensor,
    state: Any = None,
    *,
    end: int,
    length: int,
    alpha: float = 0.6,
    penalty: str = "gnmt",
    best: int = 1,
) -> Hypotheses:
    """The best of all sequences that follow `first`; for small vocabularies and lengths, to measure a beam by.

    A sequence ends with `end`, or has `length` tokens. There are `(vocab - 1)^(length - 1)` beginnings of the last
    token, all of which are followed up.

    Args:
        step, first, state, end, length, alpha, penalty, best: as of `beam`.

    Raises:
        InputError: a number is out of range, or there are more than 2^20 beginnings.

    Source: Dive into Deep Learning, "Beam Search", under "Exhaustive Search".
    """
    divisor = check(first, length, alpha, penalty, best)
    logits, state = step(first, state)
    rows, vocab = len(first), logits.shape[1]
    if rows * (vocab - 1) ** (length - 1) > MOST:
        raise InputError(
            f"length: expected at most {MOST:,} beginnings, got {rows} × {vocab - 1}^{length - 1}; "
            "search with a beam, or give a smaller vocabulary or length"
        )
    pool = Pool(rows, best, length, end, logits)
    which = torch.arange(rows, device=first.device)
    others = torch.tensor([token for token in range(vocab) if token != end], device=first.device)
    scores, tokens = logits.new_zeros(rows, 1), first.new_empty(rows, 1, 0)
    for steps in range(1, length + 1):
        chances = scores[..., None] + logits.log_softmax(1).view(rows, -1, vocab)
        ended = torch.cat([tokens, tokens.new_full((rows, tokens.shape[1], 1), end)], 2)
        pool.add(which, chances[..., end], divisor(steps, alpha), ended)
        beginnings = tokens.shape[1]
        scores = chances[..., others].flatten(1)
        added = others.repeat(beginnings).expand(rows, -1)
        tokens = torch.cat([tokens.repeat_interleave(len(others), 1), added[..., None]], 2)
        if steps == length:
            pool.add(which, scores, divisor(steps, alpha), tokens)
            break
        parents = torch.arange(rows * beginnings, device=first.device).repeat_interleave(len(others))
        logits, state = step(tokens[..., -1].reshape(-1, 1), pick(state, parents))
    return pool.found()
