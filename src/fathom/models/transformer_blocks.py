"""The Transformer's blocks, of attention and feed-forward layers, and what says where a step stands.

Source: Vaswani et al. 2017, arXiv 1706.03762, section 3; norm first: Xiong et al. 2020, arXiv 2002.04745.

    encoder block   x ── self-attention ─ add & norm ── feed-forward ─ add & norm ──>
    decoder block   x ── causal self-attention ─ add & norm ── [attention to a memory ─ add & norm] ── feed-forward …
"""

from typing import Any

import torch

from fathom.errors import InputError
from fathom.layers.positions import sinusoids
from fathom.models.headed_attention import Cache, CrossAttention, SelfAttention, check_probability, linear
from fathom.models.model import Model
from fathom.models.parts import at_least, check_choice

ACTIVATIONS = ("relu", "gelu")
POSITIONS = ("sinusoidal", "learned", "none")


class FeedForward(Model):
    """Two linear maps of each step and an activation between them.

    Args:
        d_model: features in and out.
        d_ff: features between.
        activation: `relu` or `gelu`.
        nn: the namespace of layers.
    """

    def __init__(self, d_model: int, d_ff: int, activation: str = "relu", *, nn: Any = torch.nn) -> None:
        super().__init__()
        at_least(1, d_model=d_model, d_ff=d_ff)
        check_choice("activation", activation, ACTIVATIONS)
        self.linear1, self.linear2 = linear(nn, d_model, d_ff), linear(nn, d_ff, d_model)
        self.activation = activation

    def forward(self, x: Any) -> Any:
        """Map `(..., d_model)` to the same."""
        return self.linear2(getattr(self.nn.functional, self.activation)(self.linear1(x)))


class AddAndNorm(Model):
    """What stands around a sub-layer f: norm(x + dropout(f(x))), or x + dropout(f(norm(x))).

    Args:
        d_model: features.
        dropout: probability `0 <= p < 1`, of what f gives.
        norm_first: the second form.
        residual: False leaves `x +` out.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        d_model: int,
        dropout: float = 0.1,
        norm_first: bool = False,
        residual: bool = True,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        check_probability("dropout", dropout)
        self.norm, self.dropout = nn.LayerNorm(d_model), nn.Dropout(dropout)
        self.norm_first, self.residual = norm_first, residual

    def before(self, x: Any) -> Any:
        """What f is given."""
        return self.norm(x) if self.norm_first else x

    def after(self, x: Any, y: Any) -> Any:
        """What becomes of x and f's y."""
        y = self.dropout(y)
        y = x + y if self.residual else y
        return y if self.norm_first else self.norm(y)


class EncoderBlock(Model):
    """Self-attention, then two linear maps of each step.

    Equal to `torch.nn.TransformerEncoderLayer` in evaluation, which drops also from the attention's weights and between
    the linear maps, as the paper does not.

    Args:
        d_model: features of each step, in and out; a multiple of `num_heads`.
        num_heads: of the attention.
        d_ff: features between the linear maps; 0 leaves both maps out.
        dropout: probability `0 <= p < 1`, of what either sub-layer gives.
        norm_first: x + f(norm(x)) in place of the paper's norm(x + f(x)).
        activation: `relu` or `gelu`.
        attention_dropout: probability `0 <= p < 1`, of the attention's weights.
        relative, scaled, averaged: as of `SelfAttention`.
        residual: False leaves the addition of x out.
        nn: the namespace of layers.
    """

    causal = False

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        dropout: float = 0.1,
        norm_first: bool = False,
        *,
        activation: str = "relu",
        attention_dropout: float = 0.0,
        relative: int = 0,
        scaled: bool = True,
        averaged: bool = False,
        residual: bool = True,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(0, d_ff=d_ff)
        self.attention = SelfAttention(
            d_model,
            num_heads,
            attention_dropout,
            self.causal,
            relative=relative,
            scaled=scaled,
            averaged=averaged,
            nn=nn,
        )
        self.add_attention = AddAndNorm(d_model, dropout, norm_first, residual, nn=nn)
        self.feed_forward = None
        if d_ff:
            self.feed_forward = FeedForward(d_model, d_ff, activation, nn=nn)
            self.add_feed_forward = AddAndNorm(d_model, dropout, norm_first, residual, nn=nn)

    def forward(self, x: Any, mask: Any = None) -> Any:
        """Map `(batch, steps, d_model)` to the same; the mask is as of `SelfAttention`."""
        return self.feed(self.attend(x, mask)[0])

    def attend(self, x: Any, mask: Any = None, cache: Cache | None = None) -> tuple[Any, Cache]:
        """The first sub-layer, and the keys and values so far."""
        y, cache = self.attention(self.add_attention.before(x), mask, cache)
        return self.add_attention.after(x, y), cache

    def feed(self, x: Any) -> Any:
        """The last sub-layer."""
        if self.feed_forward is None:
            return x
        return self.add_feed_forward.after(x, self.feed_forward(self.add_feed_forward.before(x)))


class DecoderBlock(EncoderBlock):
    """Causal self-attention, perhaps attention to a memory, then two linear maps of each step.

    Equal to `torch.nn.TransformerDecoderLayer` in evaluation. Arguments as of `EncoderBlock`, and:

    Args:
        cross: whether there is a memory to look at; without one, it is the block of a language model.
    """

    causal = True

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ff: int,
        dropout: float = 0.1,
        norm_first: bool = False,
        *,
        cross: bool = True,
        activation: str = "relu",
        attention_dropout: float = 0.0,
        relative: int = 0,
        scaled: bool = True,
        averaged: bool = False,
        residual: bool = True,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__(
            d_model,
            num_heads,
            d_ff,
            dropout,
            norm_first,
            activation=activation,
            attention_dropout=attention_dropout,
            relative=relative,
            scaled=scaled,
            averaged=averaged,
            residual=residual,
            nn=nn,
        )
        self.cross = None
        if cross:
            self.cross = CrossAttention(d_model, num_heads, attention_dropout, scaled=scaled, averaged=averaged, nn=nn)
            self.add_cross = AddAndNorm(d_model, dropout, norm_first, residual, nn=nn)

    def forward(
        self,
        x: Any,
        mask: Any = None,
        cache: Cache | None = None,
        memory: Cache | None = None,
        memory_mask: Any = None,
    ) -> tuple[Any, Cache]:
        """`(batch, steps, d_model)` to the same, and the keys and values so far.

        Args:
            x, mask, cache: as of `SelfAttention`.
            memory, memory_mask: as of `CrossAttention`, whose `project` gives the memory.
        """
        x, cache = self.attend(x, mask, cache)
        if self.cross is not None:
            x = self.add_cross.after(x, self.cross(self.add_cross.before(x), memory, memory_mask))
        return self.feed(x), cache


class Positions(Model):
    """Adds to each step what says where it stands.

    Args:
        kind: `sinusoidal`, `learned` or `none`.
        max_steps: the longest sequence.
        d_model: features of a step.
        nn: the namespace of layers.
    """

    table: Any

    def __init__(self, kind: str, max_steps: int, d_model: int, *, nn: Any = torch.nn) -> None:
        super().__init__()
        at_least(1, max_steps=max_steps, d_model=d_model)
        check_choice("positions", kind, POSITIONS)
        self.kind, self.max_steps = kind, max_steps
        if kind == "sinusoidal":
            self.constant("table", sinusoids(max_steps, d_model))
        elif kind == "learned":
            self.learned = nn.Embedding(max_steps, d_model)

    def forward(self, x: Any, start: int = 0) -> Any:
        """Map `(batch, steps, d_model)` to the same.

        Args:
            start: steps that were there before.

        Raises:
            InputError: there is a step behind the last position.
        """
        stop = start + x.shape[1]
        if stop > self.max_steps:
            raise InputError(
                f"expected at most {self.max_steps} steps, got {stop}; shorten the text or raise max_steps"
            )
        if self.kind == "none":
            return x
        return x + (self.table if self.kind == "sinusoidal" else self.learned.weight)[start:stop]
