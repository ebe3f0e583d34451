"""Attention: a mean of values, weighted by how well their keys fit the query."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fathom.errors import InputError, ShapeError
from fathom.ops.dropout import dropout


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """softmax(Q Kᵀ / √d) V.

    Args:
        query: `(..., queries, features)`.
        key: `(..., keys, features)`.
        value: `(..., keys, value_features)`.
        attn_mask: broadcasts to `(..., queries, keys)`; of bool, true where one *may* look, or added to the scores.
        dropout_p: `0 <= p <= 1`, of the weights; there is no evaluation mode, give 0 then.
        is_causal: whether query i sees the keys 0 to i only; in place of a mask.
        scale: what the scores are multiplied by; 1 / √features if not given.

    Returns:
        `(..., queries, value_features)`; zeros for a query that may look nowhere.

    Raises:
        ShapeError: queries and keys have different features, or there is not one value for each key.
        InputError: both a mask and `is_causal`.

    Twin: `torch.nn.functional.scaled_dot_product_attention`. Source: Vaswani et al. 2017, arXiv 1706.03762, equation 1;
    Dive into Deep Learning, "Attention Scoring Functions".
    """
    if is_causal:
        if attn_mask is not None:
            raise InputError("attn_mask: expected none with is_causal=True, got one; join the two into one mask")
        attn_mask = ~causal_mask(query.shape[-2], key.shape[-2], query.device)
    if value.shape[-2] != key.shape[-2]:
        raise ShapeError(f"value: expected {key.shape[-2]} steps, one for each key, got {tuple(value.shape)}")
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = additive_mask(~attn_mask, query.dtype)
    weights = attention_weights(query, key, attn_mask, scale)
    return dropout(weights, dropout_p) @ value


def attention_weights(query: Tensor, key: Tensor, added: Tensor | None = None, scale: float | None = None) -> Tensor:
    """softmax(scale · Q Kᵀ + added), the weights of `scaled_dot_product_attention`.

    Args:
        query: `(..., queries, features)`.
        key: `(..., keys, features)`.
        added: broadcasts to `(..., queries, keys)`; minus infinity where one may not look.
        scale: 1 / √features if not given.

    Returns:
        `(..., queries, keys)`; rows sum to 1, or are all zero where a query may look nowhere.
    """
    features = query.shape[-1]
    if key.shape[-1] != features:
        raise ShapeError(f"key: expected {features} features, those of the query, got {tuple(key.shape)}")
    scores = (query * (1 / math.sqrt(features) if scale is None else scale)) @ key.mT
    if added is None:
        return _softmax(scores, scores.detach().amax(-1, keepdim=True))
    scores = scores + added
    largest = scores.detach().amax(-1, keepdim=True)
    return _softmax(scores, largest.masked_fill(largest == -math.inf, 0.0))


def masked_softmax(scores: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Softmax over the last axis with the padding left out.

    Args:
        scores: `(batch, ..., queries, keys)` or `(batch, keys)`, any float dtype; left unchanged.
        lengths: `(batch,)` or `(batch, queries)` of int, how many keys count, from 0 to `keys`; None for all.

    Returns:
        The shape of `scores`; every row sums to 1 and is exactly 0 past its length; a length of 0 gives zeros.

    Raises:
        ShapeError: `lengths` does not have one entry for each example, or for each query of each.
        InputError: a length is below 0 or beyond the keys (seen on the CPU alone: a card would have to be waited for).

    Source: Dive into Deep Learning, "Attention Scoring Functions".
    """
    if lengths is None:
        return _softmax(scores, scores.detach().amax(-1, keepdim=True))
    scores = scores.masked_fill(~within(lengths, scores.shape), -math.inf)
    largest = scores.detach().amax(-1, keepdim=True)
    return _softmax(scores, largest.masked_fill(largest == -math.inf, 0.0))


def within(lengths: Tensor, shape: Sequence[int]) -> Tensor:
    """Of bool, true where one may look: before each length; broadcasts to `shape`, that of the scores.

    Args:
        lengths: as of `masked_softmax`, whose errors these are.
        shape: `(batch, ..., queries, keys)` or `(batch, keys)`.
    """
    _check_lengths(lengths, shape)
    between = [1] * (len(shape) - 1 - lengths.dim())
    lengths = lengths.view(len(lengths), *between, *lengths.shape[1:], 1)
    return torch.arange(shape[-1], device=lengths.device) < lengths


def _check_lengths(lengths: Tensor, shape: Sequence[int]) -> None:
    (batch, *between, keys), given = shape, tuple(lengths.shape)
    if given != (batch,) and not (between and given == (batch, between[-1])):
        each_query = f" or ({batch}, {between[-1]}), one for each query" if between else ""
        raise ShapeError(f"lengths: expected ({batch},), one for each example{each_query}, got {given}")
    if lengths.is_floating_point():
        raise InputError(f"lengths: expected whole numbers, got {lengths.dtype}; use long()")
    if lengths.is_cpu and lengths.numel() and not torch.compiler.is_compiling():
        least, most = (int(x) for x in lengths.aminmax())
        if least < 0 or most > keys:
            got = most if most > keys else least
            raise InputError(
                f"lengths: expected 0 to {keys}, the number of keys, got {got}; cut lengths or give all keys"
            )


def additive_mask(blocked: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where one may look and minus infinity where `blocked`, of bool, is true; a mask of floats stays as it is."""
    if blocked.dtype != torch.bool:
        return blocked
    return torch.zeros(blocked.shape, dtype=dtype, device=blocked.device).masked_fill_(blocked, -math.inf)


def causal_mask(queries: int, keys: int | None = None, device: torch.device | None = None) -> Tensor:
    """`(queries, keys)` of bool, true where one may *not* look: query i sees the keys 0 to i."""
    shape = (queries, queries if keys is None else keys)
    return torch.ones(shape, dtype=torch.bool, device=device).triu(1)


def _softmax(scores: Tensor, largest: Tensor) -> Tensor:
    powers = (scores - largest).exp()
    total = powers.sum(-1, keepdim=True)
    return powers / total.masked_fill(total == 0, 1.0)
