"""Multi-head attention and the Transformer encoder. Twins: torch's of the same names."""

import copy
import math
from collections.abc import Callable
from typing import Any

from fathom.autograd.errors import ShapeError
from fathom.autograd.nn import functional as F
from fathom.autograd.nn import init
from fathom.autograd.nn.containers import ModuleList
from fathom.autograd.nn.layers import Dropout, Linear, fresh
from fathom.autograd.nn.module import Module
from fathom.autograd.nn.normalisation import LayerNorm
from fathom.autograd.tensor import Tensor


def _scores_mask(mask: Tensor, dtype: Any) -> Tensor:
    """A boolean mask, true where one may *not* look, as what is added to the scores; a float mask stays."""
    if mask.dtype != bool:
        return mask
    return F.where(mask, Tensor(-math.inf).to(dtype), Tensor(0.0).to(dtype))


class MultiheadAttention(Module):
    """softmax(Q Kᵀ / √d) V for each head, on projections of query, key and value, joined by one more projection.

    `in_proj_weight` is `(3 * embed_dim, embed_dim)` for query, key and value, `out_proj` is a Linear.
    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2.2.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, batch_first: bool = False
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise ShapeError(f"MultiheadAttention: {embed_dim} features do not divide into {num_heads} heads")
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.in_proj_weight = fresh(3 * embed_dim, embed_dim)
        self.register_parameter("in_proj_bias", fresh(3 * embed_dim) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        init.xavier_uniform_(self.in_proj_weight)
        if bias:
            init.zeros_(self.out_proj.bias)

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
        """The attended values and the weights.

        Args:
            query: `(queries, batch, embed_dim)`, or `(batch, queries, embed_dim)` if batch_first.
            key: `(keys, batch, embed_dim)`, batch first alike.
            value: the shape of `key`.
            key_padding_mask: `(batch, keys)`, true where one may not look.
            attn_mask: `(queries, keys)` or `(batch * heads, queries, keys)`, true where one may not look, or added.
            is_causal: `attn_mask` is a causal mask (a hint, as in torch: the mask must still be given).

        Returns:
            The shape of `query`, and `(batch, queries, keys)` if weights are needed, with heads if not averaged.
        """
        if is_causal and attn_mask is None:
            raise ShapeError("MultiheadAttention: is_causal is a hint and needs attn_mask; pass the causal mask too")
        if not self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        q, k, v = (self._project(x, part) for part, x in enumerate((query, key, value)))
        scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]))  # (batch, heads, queries, keys)
        if attn_mask is not None:
            mask = _scores_mask(attn_mask, scores.dtype)
            scores = scores + (mask if mask.ndim == 2 else mask.reshape(scores.shape))
        if key_padding_mask is not None:
            scores = scores + _scores_mask(key_padding_mask, scores.dtype)[:, None, None]
        weights = F.dropout(scores.softmax(-1), self.dropout, self.training)
        joined = (weights @ v).transpose(1, 2).flatten(2)  # (batch, queries, embed_dim)
        y = self.out_proj(joined)
        if not self.batch_first:
            y = y.transpose(0, 1)
        if not need_weights:
            return y, None
        return y, weights.mean(1) if average_attn_weights else weights

    def _project(self, x: Tensor, part: int) -> Tensor:
        """`(batch, steps, embed_dim)` to `(batch, heads, steps, head_size)`."""
        rows = slice(part * self.embed_dim, (part + 1) * self.embed_dim)
        bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
        y = F.linear(x, self.in_proj_weight[rows], bias)
        return y.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class TransformerEncoderLayer(Module):
    """Self-attention, then two linear layers, each with a residual connection and layer norm (after, or first).

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.1; norm first: Xiong et al. 2020, arXiv 2002.04745.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Callable[[Tensor], Tensor] = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = getattr(F, activation) if isinstance(activation, str) else activation

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """`(steps, batch, d_model)`, batch first if asked for, to the same shape."""

        def attend(x: Tensor) -> Tensor:
            masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask}
            return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

        def feed_forward(x: Tensor) -> Tensor:
            return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))

        if self.norm_first:
            x = src + attend(self.norm1(src))
            return x + feed_forward(self.norm2(x))
        x = self.norm1(src + attend(src))
        return self.norm2(x + feed_forward(x))


class TransformerEncoder(Module):
    """Copies of one layer, one after the other, with a norm at the end if given."""

    def __init__(self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The shape of `src`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask)
        return src if self.norm is None else self.norm(src)
