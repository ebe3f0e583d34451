"""Attention with one head, its scores by a small net or by the dot product. Twins: `fathom.layers`' of these names."""

import math

import numpy as np

from fathom.autograd.errors import ShapeError
from fathom.autograd.nn import functional as F
from fathom.autograd.nn.layers import Linear
from fathom.autograd.nn.module import Module
from fathom.autograd.tensor import Tensor


def masked_softmax(scores: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Softmax over the last axis of `(batch, ..., queries, keys)`, 0 past the lengths, and all 0 for a length of 0.

    Args:
        scores: left unchanged.
        lengths: `(batch,)` or `(batch, queries)` of int, from 0 to `keys`; None for all.
    """
    if lengths is None:
        return scores.softmax(-1)
    batch, keys = scores.shape[0], scores.shape[-1]
    if lengths.shape not in ((batch,), (batch, *scores.shape[-2:-1])):
        raise ShapeError(f"lengths: expected ({batch},) or one for each query of {scores.shape}, got {lengths.shape}")
    if lengths.array.size and not 0 <= lengths.array.min() <= lengths.array.max() <= keys:
        raise ShapeError(f"lengths: expected 0 to {keys}, the number of keys, got up to {lengths.array.max()}")
    between = [1] * (scores.ndim - 1 - lengths.ndim)
    ends = lengths.array.reshape(batch, *between, *lengths.shape[1:], 1)
    padding = Tensor.wrap(np.broadcast_to(np.arange(keys) >= ends, scores.shape))
    lowest = float(np.finfo(scores.dtype).min)  # not minus infinity, of which a row without keys would get NaN
    return scores.masked_fill(padding, lowest).softmax(-1).masked_fill(padding, 0.0)


class AdditiveAttention(Module):
    """softmax(wᵀ tanh(W q + U k)) of the keys before a length, and with these weights the mean of the values.

    Source: Bahdanau, Cho and Bengio 2014, arXiv 1409.0473, appendix A.1.2.
    """

    weights: Tensor | None

    def __init__(
        self, key_size: int, query_size: int, num_hiddens: int, dropout: float = 0.0, *, keep_weights: bool = False
    ) -> None:
        super().__init__()
        self.dropout, self.keep_weights, self.weights = dropout, keep_weights, None
        self.key = Linear(key_size, num_hiddens, bias=False)
        self.query = Linear(query_size, num_hiddens, bias=False)
        self.score = Linear(num_hiddens, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`(batch, queries, query_size)`, `(batch, keys, key_size)` and values to `(batch, queries, features)`."""
        return self.attend(queries, self.project(keys), values, lengths)

    def project(self, keys: Tensor) -> Tensor:
        """The keys' part of the scores, `(batch, keys, num_hiddens)`."""
        return self.key(keys)

    def attend(self, queries: Tensor, projected: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As the forward, with what `project` made of the keys in their place."""
        hidden = (self.query(queries).unsqueeze(-2) + projected.unsqueeze(-3)).tanh()
        weights = masked_softmax(self.score(hidden)[..., 0], lengths)
        self.weights = weights.detach() if self.keep_weights else None
        return F.dropout(weights, self.dropout, self.training) @ values


class DotProductAttention(Module):
    """softmax(q · k / √features) of the keys before a length, and with these weights the mean of the values.

    Source: Vaswani et al. 2017, arXiv 1706.03762, equation 1.
    """

    weights: Tensor | None

    def __init__(self, dropout: float = 0.0, scaled: bool = True, *, keep_weights: bool = False) -> None:
        super().__init__()
        self.dropout, self.scaled, self.keep_weights, self.weights = dropout, scaled, keep_weights, None

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """`(batch, ..., queries, features)` and keys and values of the same leading axes to the values' features."""
        scores = queries @ keys.mT * (1 / math.sqrt(queries.shape[-1]) if self.scaled else 1.0)
        weights = masked_softmax(scores, lengths)
        self.weights = weights.detach() if self.keep_weights else None
        return F.dropout(weights, self.dropout, self.training) @ values
