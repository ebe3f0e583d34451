"""The Transformer: an encoder and a decoder of attention alone.

Source: Vaswani et al. 2017, arXiv 1706.03762; Dive into Deep Learning, "The Transformer Architecture".

    source (batch, source steps) ── Embedding · √d_model + positions ── encoder block × num_layers ──> memory
    given (batch, steps) ── Embedding · √d_model + positions ── decoder block × num_layers, each looks at the memory
                         ── the target's embeddings, transposed ──> logits (batch, steps, vocab)
"""

import math
from typing import Any

import torch
from torch import Tensor

from fathom.errors import InputError
from fathom.models.encoder_decoder import EncoderDecoder
from fathom.models.headed_attention import check_probability, weights_kept
from fathom.models.parts import at_least
from fathom.models.transformer_blocks import DecoderBlock, EncoderBlock, Positions
from fathom.ops.nests import Fixed

NAMES = ("transformer", "transformer_base", "transformer_big")


class Transformer(EncoderDecoder):
    """The source to the target, by attention.

    The last linear map is the target's table of embeddings, without biases; with `shared` the source's is the same one,
    too. Dropout acts where the paper has it: on what each sub-layer gives and on the sums of embeddings and positions.

    Args:
        source_vocab_size: how many source tokens there are.
        target_vocab_size: how many target tokens there are.
        d_model: features of a token throughout; a multiple of `num_heads`.
        num_heads: of each attention.
        num_layers: blocks of encoder and decoder each.
        d_ff: units between the two linear maps of a block; 0 leaves both maps out.
        dropout: probability `0 <= p < 1`.
        norm_first: normalise what goes into a sub-layer, and not, as the paper does, the sum with what comes out of it.
        shared: one table of embeddings for both sides.
        positions: `sinusoidal`, `learned`, `none`, or `relative`: vectors of distances up to 16, in self-attention.
        max_steps: the longest source or target.
        scaled, averaged, residual: as of `transformer_blocks.EncoderBlock`; False, True and False to see what for.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range, or the two vocabularies are of two sizes but shared.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        d_model: int = 128,
        num_heads: int = 4,
        num_layers: int = 2,
        d_ff: int = 512,
        dropout: float = 0.1,
        norm_first: bool = False,
        shared: bool = False,
        positions: str = "sinusoidal",
        max_steps: int = 512,
        scaled: bool = True,
        averaged: bool = False,
        residual: bool = True,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size)
        at_least(1, d_model=d_model, num_layers=num_layers)
        check_probability("dropout", dropout)
        if shared and source_vocab_size != target_vocab_size:
            raise InputError(
                f"shared: expected one vocabulary, got {source_vocab_size} and {target_vocab_size} tokens; "
                "load the pairs with shared=true"
            )
        relative = RELATIVE if positions == "relative" else 0
        options = {"relative": relative, "scaled": scaled, "averaged": averaged, "residual": residual, "nn": nn}
        sizes = (d_model, num_heads, d_ff, dropout, norm_first)
        self.scale = math.sqrt(d_model)
        self.embedding = nn.Embedding(target_vocab_size, d_model)
        self.source_embedding = None if shared else nn.Embedding(source_vocab_size, d_model)
        for table in (self.embedding, self.source_embedding):
            if table is not None:
                nn.init.normal_(table.weight, 0.0, 1 / self.scale)
        self.positions = Positions("none" if relative else positions, max_steps, d_model, nn=nn)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.ModuleList([EncoderBlock(*sizes, **options) for _ in range(num_layers)])
        self.decoder = nn.ModuleList([DecoderBlock(*sizes, **options) for _ in range(num_layers)])
        # with the norms first, nothing has normalised the last sums
        self.encoder_norm = nn.LayerNorm(d_model) if norm_first else nn.Identity()
        self.decoder_norm = nn.LayerNorm(d_model) if norm_first else nn.Identity()

    def encode(self, source: Tensor, source_length: Tensor) -> Any:
        """Each decoder block's keys and values of the encoder's output, and a mask of the source; no past as yet."""
        mask = before_end(source_length, source.shape[1])
        x = self._embed(self.source_embedding or self.embedding, source)
        for block in self.encoder:
            x = block(x, mask)
        x = self.encoder_norm(x)
        return {"past": None, "source": Fixed([[block.cross.project(x) for block in self.decoder], mask])}

    def decode(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits `(batch, steps, vocab)` of the token after each of `tokens` `(batch, steps)`, and the state then.

        In the state are the keys and values of all tokens so far, so that each goes through the decoder once.

        Raises:
            ShapeError: the state is of another number of rows.
            InputError: there are more tokens than positions.
        """
        memories, mask = state["source"]
        past = state["past"] or [None] * len(self.decoder)
        start = 0 if past[0] is None else past[0][0].shape[2]
        x, after = self._embed(self.embedding, tokens, start), []
        for block, cache, memory in zip(self.decoder, past, memories, strict=True):
            x, cache = block(x, None, cache, memory, mask)
            after.append(cache)
        logits = self.nn.functional.linear(self.decoder_norm(x), self.embedding.weight)
        return logits, {**state, "past": after}

    def align(self, source: Tensor, source_length: Tensor, given: Tensor) -> Tensor:
        """Where the last block looks, its heads' mean, before it says the token after each of `given`.

        Args:
            source, source_length, given: as of the forward.

        Returns:
            `(batch, steps, source steps)`.
        """
        with weights_kept(self.decoder[-1].cross) as kept:
            self.decode(given, self.encode(source, source_length))
            return kept[""].weights.mean(1)

    def _embed(self, table: Any, tokens: Tensor, start: int = 0) -> Tensor:
        return self.dropout(self.positions(table(tokens) * self.scale, start))


def before_end(lengths: Tensor, steps: int) -> Tensor | None:
    """Of bool, `(batch, 1, 1, steps)`, true before each row's end; None if, as is seen on a processor, all are full.

    Raises:
        InputError: a length is below 1 or beyond the steps (seen on a processor alone: a card would have to be waited
            for).
    """
    if lengths.is_cpu and not torch.compiler.is_compiling():
        shortest, longest = (int(length) for length in lengths.aminmax())
        if shortest < 1 or longest > steps:
            got = longest if longest > steps else shortest
            raise InputError(f"source_length: expected 1 to {steps}, the steps of the source, got {got}")
        if shortest == steps:
            return None
    return (torch.arange(steps, device=lengths.device) < lengths[:, None])[:, None, None]


RELATIVE = 16  # steps, the clipping distance of Shaw et al. 2018, arXiv 1803.02155, section 4.1

transformer = Transformer


def transformer_base(
    source_vocab_size: int = 37_000,
    target_vocab_size: int = 37_000,
    num_layers: int = 6,
    dropout: float = 0.1,
    max_steps: int = 512,
    *,
    shared: bool = True,
    nn: Any = torch.nn,
) -> Transformer:
    """The paper's base model, section 3 and table 3: 6 blocks of 512 features, 8 heads, 2,048 units; 63 M parameters.

    Args:
        source_vocab_size, target_vocab_size, num_layers, dropout, max_steps, shared, nn: as of `Transformer`.
    """
    return Transformer(
        source_vocab_size,
        target_vocab_size,
        512,
        8,
        num_layers,
        2048,
        dropout,
        shared=shared,
        max_steps=max_steps,
        nn=nn,
    )


def transformer_big(
    source_vocab_size: int = 37_000,
    target_vocab_size: int = 37_000,
    num_layers: int = 6,
    dropout: float = 0.3,
    max_steps: int = 512,
    *,
    shared: bool = True,
    nn: Any = torch.nn,
) -> Transformer:
    """The paper's big model, table 3: 6 blocks of 1,024 features, 16 heads, 4,096 units; 214 M parameters.

    Args:
        dropout: the paper has 0.3, and 0.1 for English to French.
        source_vocab_size, target_vocab_size, num_layers, max_steps, shared, nn: as of `Transformer`.
    """
    return Transformer(
        source_vocab_size,
        target_vocab_size,
        1024,
        16,
        num_layers,
        4096,
        dropout,
        shared=shared,
        max_steps=max_steps,
        nn=nn,
    )
