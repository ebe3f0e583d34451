"""Layers that torch.nn lacks, composed of its own layers and functions: ours on rung torch.

`layer(torch.nn, "AdditiveAttention")` finds them, and on the other rungs those of the namespace itself.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fathom.errors import InputError, ShapeError
from fathom.ops.attention import within


class AdditiveAttention(nn.Module):
    """`fathom.layers.AdditiveAttention`, with torch.nn's linear layers and softmax."""

    weights: Tensor | None

    def __init__(
        self, key_size: int, query_size: int, num_hiddens: int, dropout: float = 0.0, *, keep_weights: bool = False
    ) -> None:
        super().__init__()
        self.dropout, self.keep_weights, self.weights = _probability(dropout), keep_weights, None
        self.key = nn.Linear(key_size, num_hiddens, bias=False)
        self.query = nn.Linear(query_size, num_hiddens, bias=False)
        self.score = nn.Linear(num_hiddens, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map queries `(batch, queries, query_size)` to `(batch, queries, value_features)`."""
        return self.attend(queries, self.project(keys), values, lengths)

    def project(self, keys: Tensor) -> Tensor:
        """The keys' part of the scores, `(batch, keys, num_hiddens)`."""
        return self.key(keys)

    def attend(self, queries: Tensor, projected: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As the forward, with what `project` made of the keys in their place."""
        hidden = torch.tanh(self.query(queries).unsqueeze(-2) + projected.unsqueeze(-3))
        weights = _softmax(self.score(hidden).squeeze(-1), lengths)
        _expect_values(values, weights.shape[-1])
        self.weights = weights.detach() if self.keep_weights else None
        return functional.dropout(weights, self.dropout, self.training) @ values


class DotProductAttention(nn.Module):
    """`fathom.layers.DotProductAttention`, by torch's fused kernel unless the weights are kept or dropped from.

    The kernel takes memory in proportion to the keys and not to keys times queries.
    """

    weights: Tensor | None

    def __init__(self, dropout: float = 0.0, scaled: bool = True, *, keep_weights: bool = False) -> None:
        super().__init__()
        self.dropout, self.keep_weights, self.weights = _probability(dropout), keep_weights, None
        self.scaled = scaled

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map queries `(batch, ..., queries, features)` to `(batch, ..., queries, value_features)`."""
        features, count = queries.shape[-1], keys.shape[-2]
        if keys.shape[-1] != features:
            raise ShapeError(f"keys: expected {features} features, those of the queries, got {tuple(keys.shape)}")
        _expect_values(values, count)
        scale = features**-0.5 if self.scaled else 1.0
        if self.keep_weights or (self.training and self.dropout):
            weights = _softmax(queries @ keys.transpose(-2, -1) * scale, lengths)
            self.weights = weights.detach() if self.keep_weights else None
            return functional.dropout(weights, self.dropout, self.training) @ values
        self.weights = None
        mask = None if lengths is None else within(lengths, (*queries.shape[:-1], count))
        return _fused(queries, keys, values, mask, scale)


def _fused(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """torch's kernel, which asks for four axes; without heads one is put in."""
    if queries.dim() != 3:
        return functional.scaled_dot_product_attention(queries, keys, values, mask, scale=scale)
    mask = None if mask is None else mask.unsqueeze(1)
    queries, keys, values = (x.unsqueeze(1) for x in (queries, keys, values))
    return functional.scaled_dot_product_attention(queries, keys, values, mask, scale=scale).squeeze(1)


def _softmax(scores: Tensor, lengths: Tensor | None) -> Tensor:
    """torch's softmax before the lengths, and zeros past them."""
    if lengths is None:
        return functional.softmax(scores, dim=-1)
    padding = ~within(lengths, scores.shape)
    lowest = torch.finfo(scores.dtype).min  # not minus infinity, of which a row without keys would get NaN
    return functional.softmax(scores.masked_fill(padding, lowest), dim=-1).masked_fill(padding, 0.0)


def _probability(dropout: float) -> float:
    if not 0 <= dropout <= 1:
        raise InputError(f"dropout: expected a probability from 0 to 1, got {dropout}")
    return dropout


def _expect_values(values: Tensor, keys: int) -> None:
    if values.shape[-2] != keys:
        raise ShapeError(f"values: expected {keys}, one for each key, got {tuple(values.shape)}")


COMPOSED = {"AdditiveAttention": AdditiveAttention, "DotProductAttention": DotProductAttention}


def layer(namespace: Any, name: str) -> Any:
    """The layer of this name on the rung of a namespace; on rung torch perhaps one that is composed here.

    Args:
        namespace: `torch.nn`, `fathom.layers` or `fathom.autograd.nn`.
        name: of the layer.
    """
    return COMPOSED[name] if namespace is nn and name in COMPOSED else getattr(namespace, name)
