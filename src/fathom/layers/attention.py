"""Attention with several heads."""

import torch
from torch import Tensor, nn

from fathom.errors import InputError, ShapeError
from fathom.layers import init
from fathom.layers.linear import Linear
from fathom.ops.attention import additive_mask, attention_weights
from fathom.ops.dropout import dropout
from fathom.ops.linear import linear


class MultiheadAttention(nn.Module):
    """softmax(Q Kᵀ / √d) V in several heads, each on its own projections, joined by one more projection.

    Twin: `torch.nn.MultiheadAttention`. Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2; Dive into Deep
    Learning, "Multi-Head Attention". A query that may look nowhere gets zeros, as in the twin of
    `functional.scaled_dot_product_attention`, where torch's layer gives NaN if weights are asked for.

    Args:
        embed_dim: features of the queries and of the output, `num_heads` times the size of a head. `in_proj_weight`,
            `(3 * embed_dim, embed_dim)`, holds the projections of queries, keys and values; if keys or values have
            another size, there are `q_proj_weight`, `k_proj_weight` and `v_proj_weight` in its place. `in_proj_bias` is
            `(3 * embed_dim,)`, `out_proj` a `Linear`.
        num_heads: a divisor of `embed_dim`.
        dropout: `0 <= p <= 1`, of the weights.
        bias: whether the projections have biases.
        kdim: features of the keys; `embed_dim` if not given.
        vdim: features of the values; `embed_dim` if not given.
        batch_first: `(batch, steps, features)` in place of `(steps, batch, features)`.
    """

    in_proj_weight: nn.Parameter | None
    in_proj_bias: nn.Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise InputError(f"num_heads: expected a divisor of embed_dim={embed_dim}, got {num_heads}")
        if not 0 <= dropout <= 1:
            raise InputError(f"dropout: expected a probability from 0 to 1, got {dropout}")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first = batch_first
        self.in_proj_weight = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = nn.Parameter(torch.empty(3 * embed_dim, embed_dim))
        else:
            self.q_proj_weight = nn.Parameter(torch.empty(embed_dim, embed_dim))
            self.k_proj_weight = nn.Parameter(torch.empty(embed_dim, self.kdim))
            self.v_proj_weight = nn.Parameter(torch.empty(embed_dim, self.vdim))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * embed_dim)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new projections of the inputs, as torch does: Xavier's; all biases are 0."""
        for weight in self.input_weights() if self.in_proj_weight is None else [self.in_proj_weight]:
            init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def input_weights(self) -> list[Tensor]:
        """The projections of queries, keys and values."""
        if self.in_proj_weight is None:
            return [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        return list(self.in_proj_weight.chunk(3))

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """What each query sees, and the weights with which it looked.

        Args:
            query: `(queries, batch, embed_dim)`, or `(batch, queries, embed_dim)` if batch_first; without a batch
                `(queries, embed_dim)`.
            key: `(keys, batch, kdim)`, its axes ordered alike.
            value: `(keys, batch, vdim)`, its axes ordered alike.
            key_padding_mask: `(batch, keys)`; of bool, true where one may *not* look, or added to the scores.
            need_weights: whether the weights are wanted.
            attn_mask: `(queries, keys)` or `(batch * num_heads, queries, keys)`; of bool, true where one may *not*
                look, or added to the scores.
            average_attn_weights: whether the weights are the mean over the heads.
            is_causal: a hint that `attn_mask` is a causal mask, which must be given all the same, as in the twin.

        Returns:
            The shape of `query`, and None or weights `(batch, queries, keys)`, `(batch, num_heads, queries, keys)` if
            not averaged.

        Raises:
            ShapeError: an input or a mask does not fit.
            InputError: `is_causal` without a mask.
        """
        if is_causal and attn_mask is None:
            raise InputError("is_causal: expected attn_mask beside it, for it is a hint only; pass the causal mask too")
        batched = query.dim() == 3
        # (batch, steps, features) from here on
        inputs = [self._batch_first(x, batched) for x in (query, key, value)]
        self._check(*inputs)
        if key_padding_mask is not None and not batched:
            key_padding_mask = key_padding_mask.unsqueeze(0)
        # (batch, num_heads, steps, head_size)
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in self._project(*inputs))
        mask = self._mask(key_padding_mask, attn_mask, inputs[0], inputs[1])
        weights = dropout(attention_weights(q, k, mask), self.dropout, self.training)
        # (queries, batch, embed_dim), in memory too: the twin's order, so that dropout after it draws the same
        y = self.out_proj((weights @ v).permute(2, 0, 1, 3).flatten(2))
        if not batched:
            y, weights = y.squeeze(1), weights.squeeze(0)
        elif self.batch_first:
            y = y.transpose(0, 1)
        if not need_weights:
            return y, None
        return y, weights.mean(-3) if average_attn_weights else weights

    def _project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """Queries, keys and values `(batch, steps, embed_dim)`; one matmul when all come from one tensor."""
        if query is key is value and self.in_proj_weight is not None:
            return list(linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1))
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        inputs = zip((query, key, value), self.input_weights(), biases, strict=True)
        return [linear(x, weight, bias) for x, weight, bias in inputs]

    def _mask(
        self, key_padding_mask: Tensor | None, attn_mask: Tensor | None, query: Tensor, key: Tensor
    ) -> Tensor | None:
        """What is added to the scores `(batch, num_heads, queries, keys)`, in a shape that broadcasts to theirs."""
        batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
        added = None
        if attn_mask is not None:
            whole = (batch * self.num_heads, queries, keys)
            if attn_mask.shape not in ((queries, keys), whole):
                raise ShapeError(f"attn_mask: expected {(queries, keys)} or {whole}, got {tuple(attn_mask.shape)}")
            added = additive_mask(attn_mask, query.dtype)
            if added.dim() == 3:
                added = added.unflatten(0, (batch, self.num_heads))
        if key_padding_mask is not None:
            if key_padding_mask.shape != (batch, keys):
                raise ShapeError(f"key_padding_mask: expected {(batch, keys)}, got {tuple(key_padding_mask.shape)}")
            padding = additive_mask(key_padding_mask, query.dtype)[:, None, None]
            added = padding if added is None else added + padding
        return added

    def _batch_first(self, x: Tensor, batched: bool) -> Tensor:
        if x.dim() != (3 if batched else 2):
            raise ShapeError(
                f"query, key, value: expected all with a batch (3 axes) or all without (2 axes), got {tuple(x.shape)}"
            )
        if not batched:
            return x.unsqueeze(0)
        return x if self.batch_first else x.transpose(0, 1)

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        wanted = {"query": self.embed_dim, "key": self.kdim, "value": self.vdim}
        for (name, features), x in zip(wanted.items(), (query, key, value), strict=True):
            if x.shape[-1] != features:
                raise ShapeError(f"{name}: expected {features} features in the last axis, got {x.shape[-1]}")
        if key.shape[:2] != value.shape[:2] or key.shape[0] != query.shape[0]:
            batch, steps = query.shape[0], key.shape[1]
            raise ShapeError(
                f"key, value: expected a batch of {batch} and {steps} steps in both, got batches of {key.shape[0]} and "
                f"{value.shape[0]} with {key.shape[1]} and {value.shape[1]} steps; is batch_first as meant?"
            )

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}, dropout={self.dropout}"
