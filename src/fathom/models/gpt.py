"""A small GPT: the Transformer's decoder alone, which says what comes next from all that came before.

Source: Radford, Narasimhan, Salimans and Sutskever 2018, "Improving language understanding by generative pre-training";
norms first, and the start of the weights, as in Radford et al. 2019, "Language models are unsupervised multitask
learners".

    tokens (batch, steps)
      ── Embedding + one learnt vector a position ──> (batch, steps, hidden_size)
      ── decoder block: causal attention, then two linear layers with GELU, each added to its normed input's  num_layers
      ── LayerNorm ── the embedding's matrix, transposed ──> (batch, steps, vocab_size) logits
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fathom.errors import ShapeError
from fathom.models.model import Model
from fathom.models.parts import at_least
from fathom.models.transformer_blocks import Cache, DecoderBlock, Positions

NAMES = ("gpt",)
SPREAD = 0.02  # of the weights at the start


class Seen(NamedTuple):
    """What a GPT knows of the steps it has seen; rows first.

    Args:
        tokens: `(batch, steps)` of int.
        caches: of each block, its keys and values.
    """

    tokens: Tensor
    caches: tuple[Cache, ...]


class GPT(Model):
    """Tokens to logits of the token after each.

    Args:
        vocab_size: how many tokens there are.
        hidden_size: features of a token throughout; a multiple of `num_heads`.
        num_heads: attention heads of a block.
        num_layers: blocks.
        max_steps: tokens that it can look back on.
        dropout: probability `0 <= p < 1`, of embeddings, attention weights, and what each part adds.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int = 128,
        num_heads: int = 4,
        num_layers: int = 4,
        max_steps: int = 64,
        dropout: float = 0.0,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, vocab_size=vocab_size, num_layers=num_layers, max_steps=max_steps)
        self.max_steps = max_steps
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.positions = Positions("learned", max_steps, hidden_size, nn=nn)
        self.dropout = nn.Dropout(dropout)
        options = {"cross": False, "activation": "gelu", "attention_dropout": dropout, "nn": nn}
        self.blocks = nn.ModuleList(
            [DecoderBlock(hidden_size, num_heads, 4 * hidden_size, dropout, True, **options) for _ in range(num_layers)]
        )
        self.norm = nn.LayerNorm(hidden_size)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                adds = name.endswith(("out.weight", "linear2.weight"))  # to the sum that goes through all blocks
                nn.init.normal_(parameter, 0.0, SPREAD / math.sqrt(2 * num_layers) if adds else SPREAD)

    def forward(self, tokens: Tensor, state: Seen | None = None) -> tuple[Tensor, Seen]:
        """Logits `(batch, steps, vocab_size)` of the token after each, and what has been seen then.

        Args:
            tokens: `(batch, steps)` of int; with those in `state` at most `max_steps`.
            state: of the steps before; None begins anew.

        Raises:
            InputError: there are more steps than positions.
            ShapeError: the state has not as many rows as `tokens`.
        """
        check_rows(tokens, state)
        before = 0 if state is None else state.tokens.shape[1]
        x = self.dropout(self.positions(self.embedding(tokens), before))
        caches = []
        for number, block in enumerate(self.blocks):
            x, cache = block(x, cache=None if state is None else state.caches[number])
            caches.append(cache)
        seen = tokens if state is None else torch.cat([state.tokens, tokens], dim=1)
        return self.nn.functional.linear(self.norm(x), self.embedding.weight), Seen(seen, tuple(caches))

    def step(self, tokens: Tensor, state: Seen | None = None) -> tuple[Tensor, Seen]:
        """A `decoding.Step` without an end: when the positions are used up, the last `max_steps` tokens are read anew,
        as if nothing had been before them.

        Raises:
            ShapeError: the state has not as many rows as `tokens`.
        """
        check_rows(tokens, state)
        if (0 if state is None else state.tokens.shape[1]) + tokens.shape[1] > self.max_steps:
            seen = tokens if state is None else torch.cat([state.tokens, tokens], dim=1)
            tokens, state = seen[:, -self.max_steps :], None
        logits, state = self(tokens, state)
        return logits[:, -1], state


def check_rows(tokens: Tensor, state: Seen | None) -> None:
    """ShapeError unless the state, if there is one, has as many rows as `tokens`."""
    if state is not None and len(state.tokens) != len(tokens):
        raise ShapeError(f"state: expected {len(tokens)} rows, as many as tokens has, got {len(state.tokens)}")


gpt = GPT
