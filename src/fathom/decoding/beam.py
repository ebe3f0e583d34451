"""Beam search: the likeliest sequences, of which only the first few beginnings are followed up."""

from typing import Any

import torch
from torch import Tensor, nn

from fathom.decoding.hypotheses import Hypotheses, Penalty, Pool, check
from fathom.decoding.step import Step
from fathom.errors import InputError
from fathom.ops.nests import pick

BLOCK = 64  # numbers whose maximum stands for them all


@torch.no_grad()
def beam(
    step: Step,
    first: Tensor,
    state: Any = None,
    *,
    end: int,
    length: int,
    width: int = 4,
    alpha: float = 0.6,
    penalty: str = "gnmt",
    best: int = 1,
    early_stop: bool = True,
) -> Hypotheses:
    """The best sequences that follow `first`, of those that begin with one of the `width` likeliest beginnings.

    At each length the `2 * width` likeliest continuations of a row's beginnings are looked at. Those that end are
    hypotheses if they are among the first `width`; the `width` likeliest that do not end are followed up. At the
    greatest length all of them are hypotheses, ended or not. A row whose search is over takes no part in further steps.

    Args:
        step: the model; its state is a nest of tensors whose first axis counts the rows, see `pick`.
        first: `(rows, steps)` of int, what stands before.
        state: from which to go on; None begins anew.
        end: the token that ends a sequence.
        length: tokens of the longest sequence, its end included.
        width: beginnings followed up; 1 with `alpha=0` is greedy search, and with all that there are, exhaustive.
        alpha, penalty: log-probabilities are divided by `PENALTIES[penalty](tokens, alpha)`.
        best: sequences wanted for each row.
        early_stop: a row is done as soon as no beginning has a better score, at its present length, than the worst of
            the `best` that have been found. False goes on until none can have, however long it became.

    Raises:
        InputError: a number is out of range.

    Source: Dive into Deep Learning, "Beam Search"; Wu et al. 2016, arXiv 1609.08144, section 7.
    """
    divisor = check(first, length, alpha, penalty, best)
    if width < 1:
        raise InputError(f"width: expected a beam of at least 1, got {width}; 1 is greedy search")
    logits, state = step(first, state)
    pool = Pool(len(first), best, length, end, logits)
    rows = torch.arange(len(first), device=first.device)
    scores, tokens = logits.new_zeros(len(rows), 1), first.new_empty(len(rows), 1, 0)
    for steps in range(1, length + 1):
        scores, parents, chosen = _candidates(logits, scores, 2 * width)
        tokens = torch.cat([_gather(tokens, parents), chosen[..., None]], 2)
        ended = chosen == end
        accepted = ended.clone()
        accepted[:, width:] = False
        if steps == length:
            accepted |= ~ended
        if bool(accepted.any()):
            pool.add(rows, scores.masked_fill(~accepted, -torch.inf), divisor(steps, alpha), tokens)
        if steps == length:
            break
        order = ended.to(torch.uint8).argsort(dim=1, stable=True)[:, :width]
        scores = scores.masked_fill(ended, -torch.inf).gather(1, order)
        parents, tokens = parents.gather(1, order), _gather(tokens, order)
        going = _going(pool.scores[rows, -1], scores[:, 0], divisor, steps if early_stop else length, alpha)
        every = bool(going.all())
        places = parents + torch.arange(len(rows), device=rows.device)[:, None] * (len(logits) // len(rows))
        if not every:
            rows, scores, tokens, places = (part[going] for part in (rows, scores, tokens, places))
            if len(rows) == 0:
                break
        state = pick(state, places.flatten(), fixed=not every or steps == 1)
        logits, state = step(tokens[..., -1].reshape(-1, 1), state)
    return pool.found()


def _candidates(logits: Tensor, scores: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probability, beginning and token of the likeliest continuations, each `(rows, count)`, the likeliest first.

    Where there are fewer, the log-probability is minus infinity. The softmax is never written out: of each beginning
    only the largest `count` logits matter, and one normalisation.

    Args:
        logits: `(rows * beginnings, vocab)`.
        scores: `(rows, beginnings)`, log-probabilities of the beginnings.
    """
    rows, beginnings = scores.shape
    likeliest = min(count, logits.shape[1])
    values, tokens = largest(logits, likeliest)
    values = values - logits.logsumexp(1, keepdim=True)
    sums = (scores[..., None] + values.view(rows, beginnings, likeliest)).flatten(1)
    found, places = sums.topk(min(count, sums.shape[1]), dim=1)
    chosen, parents = tokens.view(rows, -1).gather(1, places), places // likeliest
    missing = (0, count - found.shape[1])
    pad = nn.functional.pad
    return pad(found, missing, value=-torch.inf), pad(parents, missing), pad(chosen, missing)


def largest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest of each row and their places, `(rows, count)` both, in falling order: `topk` along the last axis.

    On a processor a large vocabulary is looked through by blocks: the largest numbers are in the blocks with the
    largest maxima, and a maximum is found several times as fast as an order.
    """
    blocks = logits.shape[1] // BLOCK
    if logits.device.type != "cpu" or blocks < 2 * count:
        return logits.topk(count, dim=1)
    body = logits[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK))
    chosen = body.amax(2).topk(count, dim=1).indices[..., None]
    places = (chosen * BLOCK + torch.arange(BLOCK)).flatten(1)
    rest = torch.arange(blocks * BLOCK, logits.shape[1]).expand(len(logits), -1)
    places = torch.cat([places, rest], 1)
    values, order = logits.gather(1, places).topk(count, dim=1)
    return values, places.gather(1, order)


def _gather(tokens: Tensor, order: Tensor) -> Tensor:
    """Sequences `(rows, wanted, steps)` from `(rows, beginnings, steps)` in each row's order."""
    return tokens.gather(1, order[..., None].expand(-1, -1, tokens.shape[2]))


def _going(worst: Tensor, likeliest: Tensor, divisor: Penalty, steps: int, alpha: float) -> Tensor:
    """Which rows `(rows,)` of bool may still find a hypothesis better than their worst."""
    return likeliest / divisor(steps, alpha) > worst
