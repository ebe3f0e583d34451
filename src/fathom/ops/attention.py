"""Attention: a mean of values, weighted by how well their keys fit the query."""

import math

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
