"""A Transformer encoder that classifies a sequence of tokens.

Source: Vaswani et al. 2017, arXiv 1706.03762, section 3, the encoder alone; its outputs are averaged over the steps.

    tokens (batch, steps)
      ── Embedding · √hidden_size + sinusoids ──> (batch, steps, hidden_size)
      ── encoder layer: attention, then two linear layers, each added to its input and normalised      num_layers times
      ── mean over the steps ──> (batch, hidden_size) ── Linear ──> (batch, num_classes) logits
"""

import math
from typing import Any

import numpy as np
import torch

from fathom.errors import InputError
from fathom.layers.positions import sinusoids
from fathom.models.model import Model
from fathom.models.parts import at_least

NAMES = ("transformer_encoder",)


class TransformerEncoder(Model):
    """Tokens `(batch, steps)` to logits `(batch, num_classes)`.

    Args:
        vocab_size: how many tokens there are.
        num_classes: how many classes there are.
        hidden_size: features of a token throughout; a multiple of `num_heads`.
        num_heads: attention heads of a layer.
        num_layers: encoder layers.
        feedforward_size: units between the two linear layers; 0 takes 4 · hidden_size, as the paper does.
        dropout: probability `0 <= p < 1`.
        max_steps: the longest sequence.
        causal: a step sees only those before it.
        nn: the namespace of layers.

    Raises:
        InputError: a number is out of range.
    """

    positions: Any
    later: Any

    def __init__(
        self,
        vocab_size: int,
        num_classes: int = 2,
        hidden_size: int = 64,
        num_heads: int = 4,
        num_layers: int = 2,
        feedforward_size: int = 0,
        dropout: float = 0.1,
        max_steps: int = 512,
        causal: bool = False,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, vocab_size=vocab_size, num_classes=num_classes, num_layers=num_layers, max_steps=max_steps)
        at_least(1, hidden_size=hidden_size, num_heads=num_heads)
        if hidden_size % num_heads:
            raise InputError(f"hidden_size: expected a multiple of num_heads ({num_heads}), got {hidden_size}")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout: expected a probability 0 <= p < 1, got {dropout}")
        self.max_steps, self.scale, self.causal = max_steps, math.sqrt(hidden_size), causal
        self.embedding = nn.Embedding(vocab_size, hidden_size)
        self.constant("positions", sinusoids(max_steps, hidden_size))
        self.constant("later", ~np.tri(max_steps, dtype=bool))  # true where one may not look
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            [
                nn.TransformerEncoderLayer(
                    hidden_size, num_heads, feedforward_size or 4 * hidden_size, dropout, batch_first=True
                )
                for _ in range(num_layers)
            ]
        )
        self.output = nn.Linear(hidden_size, num_classes)

    def forward(self, tokens: Any) -> Any:
        """Map `(batch, steps)` of int, at most `max_steps` of them, to `(batch, num_classes)`."""
        _, steps = tokens.shape
        if steps > self.max_steps:
            raise InputError(f"tokens: expected at most {self.max_steps} steps, got {steps}; raise max_steps")
        x = self.dropout(self.embedding(tokens) * self.scale + self.positions[:steps])
        mask = self.later[:steps, :steps] if self.causal else None
        for layer in self.layers:
            x = layer(x, mask)
        return self.output(x.mean(1))


transformer_encoder = TransformerEncoder
