"""The layers of the Transformer, and stacks of them."""

import copy
from collections.abc import Callable

from torch import Tensor, nn

from fathom.layers.attention import MultiheadAttention
from fathom.layers.dropout import Dropout
from fathom.layers.layer_norm import LayerNorm
from fathom.layers.linear import Linear
from fathom.ops.activations import gelu, relu
from fathom.registry import unknown

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {"relu": relu, "gelu": gelu}


class TransformerEncoderLayer(nn.Module):
    """Self-attention, then two linear maps of each step, either with a residual connection and layer normalisation.

    Twin: `torch.nn.TransformerEncoderLayer`. Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.1; norm first:
    Xiong et al. 2020, arXiv 2002.04745; Dive into Deep Learning, "The Transformer Architecture".

    Args:
        d_model: features of each step, in and out.
        nhead: heads of the attention `self_attn`.
        dim_feedforward: features between the two linear maps.
        dropout: `0 <= p <= 1`, of the attention's weights, between the linear maps, and before each addition.
        activation: `"relu"`, `"gelu"` or a function, between the linear maps.
        layer_norm_eps: of the layer normalisations.
        batch_first: `(batch, steps, features)` in place of `(steps, batch, features)`.
        norm_first: x + f(norm(x)) in place of the paper's norm(x + f(x)).
        bias: whether linear maps and norms have biases.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = activation_named(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Map `(steps, batch, d_model)` to the same.

        Args:
            src: `(steps, batch, d_model)`, or `(batch, steps, d_model)` if batch_first.
            src_mask: `(steps, steps)` or `(batch * nhead, steps, steps)`; of bool, true where one may *not* look, or
                added to the scores.
            src_key_padding_mask: `(batch, steps)`, likewise.
            is_causal: a hint that `src_mask` is causal.
        """

        def attend(x: Tensor) -> Tensor:
            y, _ = self.self_attn(
                x, x, x, src_key_padding_mask, need_weights=False, attn_mask=src_mask, is_causal=is_causal
            )
            return self.dropout1(y)

        if self.norm_first:
            x = src + attend(self.norm1(src))
            return x + self._feed_forward(self.norm2(x))
        x = self.norm1(src + attend(src))
        return self.norm2(x + self._feed_forward(x))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(nn.Module):
    """Self-attention, attention to the encoder's output, then two linear maps; residual connections and norms as there.

    Twin: `torch.nn.TransformerDecoderLayer`. Source and arguments: as `TransformerEncoderLayer`; `multihead_attn` is
    the attention to `memory`.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = activation_named(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Map `(steps, batch, d_model)`, with the encoder's `(memory_steps, batch, d_model)`, to the same.

        Args:
            tgt: `(steps, batch, d_model)`, or `(batch, steps, d_model)` if batch_first.
            memory: `(memory_steps, batch, d_model)`, its axes ordered alike.
            tgt_mask: `(steps, steps)` or `(batch * nhead, steps, steps)`; of bool, true where one may *not* look, or
                added to the scores.
            memory_mask: `(steps, memory_steps)`, likewise.
            tgt_key_padding_mask: `(batch, steps)`, likewise.
            memory_key_padding_mask: `(batch, memory_steps)`, likewise.
            tgt_is_causal: a hint that `tgt_mask` is causal.
            memory_is_causal: a hint that `memory_mask` is causal.
        """

        def attend(x: Tensor) -> Tensor:
            y, _ = self.self_attn(
                x, x, x, tgt_key_padding_mask, need_weights=False, attn_mask=tgt_mask, is_causal=tgt_is_causal
            )
            return self.dropout1(y)

        def look_up(x: Tensor) -> Tensor:
            y, _ = self.multihead_attn(
                x,
                memory,
                memory,
                memory_key_padding_mask,
                need_weights=False,
                attn_mask=memory_mask,
                is_causal=memory_is_causal,
            )
            return self.dropout2(y)

        if self.norm_first:
            x = tgt + attend(self.norm1(tgt))
            x = x + look_up(self.norm2(x))
            return x + self._feed_forward(self.norm3(x))
        x = self.norm1(tgt + attend(tgt))
        x = self.norm2(x + look_up(x))
        return self.norm3(x + self._feed_forward(x))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(nn.Module):
    """Copies of one layer, one after the other, and a norm at the end if given.

    Twin: `torch.nn.TransformerEncoder`.

    Args:
        encoder_layer: copied, so all layers start with the same weights, as the twin's do.
        num_layers: how many copies.
        norm: of the last output, or None.
        enable_nested_tensor: taken for the twin's sake; it only says how torch stores padded batches in evaluation.
    """

    def __init__(
        self,
        encoder_layer: nn.Module,
        num_layers: int,
        norm: nn.Module | None = None,
        enable_nested_tensor: bool = True,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Map `(steps, batch, d_model)` to the same; the arguments are those of `TransformerEncoderLayer`."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, is_causal=bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(nn.Module):
    """Copies of one layer, one after the other, and a norm at the end if given.

    Twin: `torch.nn.TransformerDecoder`.

    Args:
        decoder_layer: copied, so all layers start with the same weights, as the twin's do.
        num_layers: how many copies.
        norm: of the last output, or None.
    """

    def __init__(self, decoder_layer: nn.Module, num_layers: int, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Map `(steps, batch, d_model)` to the same; the arguments are those of `TransformerDecoderLayer`."""
        for layer in self.layers:
            tgt = layer(
                tgt,
                memory,
                tgt_mask,
                memory_mask,
                tgt_key_padding_mask,
                memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return tgt if self.norm is None else self.norm(tgt)


def activation_named(activation: str | Activation) -> Activation:
    """The function of that name; a function stays as it is."""
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    return ACTIVATIONS[activation]
