"""Attention with one head, by how a key is scored against a query: with a small net, or by their dot product."""

from torch import Tensor, nn

from fathom.errors import InputError, ShapeError
from fathom.layers.linear import Linear
from fathom.ops.attention import masked_softmax
from fathom.ops.dropout import dropout


class LengthAttention(nn.Module):
    """What both attentions share: how weights are made of scores and laid on values.

    Args:
        dropout: `0 <= p <= 1`, of the weights.
        keep_weights: as of the two.
    """

    weights: Tensor | None

    def __init__(self, dropout: float, keep_weights: bool) -> None:
        super().__init__()
        if not 0 <= dropout <= 1:
            raise InputError(f"dropout: expected a probability from 0 to 1, got {dropout}")
        self.dropout, self.keep_weights, self.weights = dropout, keep_weights, None

    def mean(self, scores: Tensor, values: Tensor, lengths: Tensor | None) -> Tensor:
        """The values' mean `(..., queries, value_features)`, weighted by a masked softmax of the scores."""
        if values.shape[-2] != scores.shape[-1]:
            raise ShapeError(f"values: expected {scores.shape[-1]}, one for each key, got {tuple(values.shape)}")
        weights = masked_softmax(scores, lengths)
        self.weights = weights.detach() if self.keep_weights else None
        return dropout(weights, self.dropout, self.training) @ values


class AdditiveAttention(LengthAttention):
    """softmax(wᵀ tanh(W q + U k)) of the keys before a length, and with these weights the mean of the values.

    Twin: none in torch.nn; on rung torch `fathom.layers.composed.AdditiveAttention`, made of its layers.
    Source: Bahdanau, Cho and Bengio 2014, arXiv 1409.0473, appendix A.1.2; Dive into Deep Learning, "Attention Scoring
    Functions". A whole batch of scores takes `batch * queries * keys * num_hiddens` numbers.

    Args:
        key_size: features of the keys; `key` is a `Linear` without bias.
        query_size: features of the queries; `query` is one too.
        num_hiddens: units between; `score` takes them to a number.
        dropout: `0 <= p <= 1`, of the weights.
        keep_weights: whether `weights` holds those of the last call, `(batch, queries, keys)`, before dropout and
            without their graph; else it is None. May be changed at any time.
    """

    def __init__(
        self, key_size: int, query_size: int, num_hiddens: int, dropout: float = 0.0, *, keep_weights: bool = False
    ) -> None:
        super().__init__(dropout, keep_weights)
        self.key = Linear(key_size, num_hiddens, bias=False)
        self.query = Linear(query_size, num_hiddens, bias=False)
        self.score = Linear(num_hiddens, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What each query sees, `(batch, queries, value_features)`.

        Args:
            queries: `(batch, queries, query_size)`.
            keys: `(batch, keys, key_size)`.
            values: `(batch, keys, value_features)`.
            lengths: `(batch,)` or `(batch, queries)` of int, how many keys count; None for all.

        Raises:
            ShapeError, InputError: an input does not fit, or a length is beyond the keys.
        """
        return self.attend(queries, self.project(keys), values, lengths)

    def project(self, keys: Tensor) -> Tensor:
        """U k, `(batch, keys, num_hiddens)`: a decoder that asks again and again needs it once."""
        return self.key(keys)

    def attend(self, queries: Tensor, projected: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As the forward, with what `project` made of the keys in their place."""
        hidden = (self.query(queries)[..., :, None, :] + projected[..., None, :, :]).tanh()
        return self.mean(self.score(hidden)[..., 0], values, lengths)


class DotProductAttention(LengthAttention):
    """softmax(q · k / √features) of the keys before a length, and with these weights the mean of the values.

    Twin: `torch.nn.functional.scaled_dot_product_attention` with a mask of the lengths, as
    `fathom.layers.composed.DotProductAttention` calls it. Source: Vaswani et al. 2017, arXiv 1706.03762, equation 1;
    without the scale, Luong, Pham and Manning 2015, arXiv 1508.04025, equation 8; Dive into Deep Learning, "Attention
    Scoring Functions".

    Args:
        dropout: `0 <= p <= 1`, of the weights.
        scaled: whether the scores are divided by √features.
        keep_weights: whether `weights` holds those of the last call, `(batch, ..., queries, keys)`, before dropout and
            without their graph; else it is None. May be changed at any time.
    """

    def __init__(self, dropout: float = 0.0, scaled: bool = True, *, keep_weights: bool = False) -> None:
        super().__init__(dropout, keep_weights)
        self.scaled = scaled

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What each query sees, `(batch, ..., queries, value_features)`.

        Args:
            queries: `(batch, ..., queries, features)`; what stands between is heads, say.
            keys: `(batch, ..., keys, features)`.
            values: `(batch, ..., keys, value_features)`.
            lengths: `(batch,)` or `(batch, queries)` of int, how many keys count; None for all.

        Raises:
            ShapeError, InputError: an input does not fit, or a length is beyond the keys.
        """
        features = queries.shape[-1]
        if keys.shape[-1] != features:
            raise ShapeError(f"keys: expected {features} features, those of the queries, got {tuple(keys.shape)}")
        if self.scaled:
            queries = queries * features**-0.5
        return self.mean(queries @ keys.mT, values, lengths)
