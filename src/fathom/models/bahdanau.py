"""A recurrent encoder and a recurrent decoder that looks at all of the encoder's states, at every step anew.

Source: Bahdanau, Cho and Bengio 2014, arXiv 1409.0473; Dive into Deep Learning, "Bahdanau Attention".

    source (batch, source steps) ── Embedding ── GRU or LSTM ──> keys (batch, source steps, hidden_size), and states
    at each step: the top layer's last state asks ── additive attention to the keys ──> context (batch, hidden_size)
                  context, and the token before ── GRU or LSTM ──> next state ── Linear ──> logits
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fathom.layers.composed import layer
from fathom.models.encoder_decoder import EncoderDecoder
from fathom.models.recurrent_encoder import CELLS, RecurrentEncoder, check_sizes
from fathom.ops.nests import Fixed

NAMES = ("bahdanau",)
States = tuple[Tensor, ...]


class Bahdanau(EncoderDecoder):
    """The source to the target, aligned by attention.

    All that does not depend on the step before is done for all steps at once: the keys' part of the scores, the product
    of the weights with the tokens, and that with the keys as values, for a weighted mean of products is the product of
    the weighted mean.

    Args:
        source_vocab_size: how many source tokens there are.
        target_vocab_size: how many target tokens there are.
        embedding_size: features of a token.
        hidden_size: units of each layer of encoder and decoder, and of the attention.
        num_layers: layers of each.
        cell: `gru` or `lstm`.
        dropout: probability `0 <= p < 1` between layers, and of the attention's weights.
        bidirectional: whether half of the encoder's units read from the end, as in the paper.
        nn: the namespace of layers.

    Raises:
        InputError: a size below 1, an odd `hidden_size` for two directions, or a dropout that is no probability.
    """

    def __init__(
        self,
        source_vocab_size: int,
        target_vocab_size: int,
        embedding_size: int = 32,
        hidden_size: int = 32,
        num_layers: int = 2,
        cell: str = "gru",
        dropout: float = 0.1,
        bidirectional: bool = False,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        check_sizes(cell, dropout, target_vocab_size)
        self.encoder = RecurrentEncoder(
            source_vocab_size, embedding_size, hidden_size, num_layers, cell, dropout, bidirectional, nn=nn
        )
        self.attention = layer(nn, "AdditiveAttention")(hidden_size, hidden_size, hidden_size, dropout)
        self.embedding = nn.Embedding(target_vocab_size, embedding_size)
        self.recurrent = getattr(nn, CELLS[cell])(hidden_size + embedding_size, hidden_size, num_layers=num_layers)
        self.output = nn.Linear(hidden_size, target_vocab_size)
        self.num_layers, self.dropout, self.advance = num_layers, dropout, STEPS[cell]

    def encode(self, source: Tensor, source_length: Tensor) -> Any:
        """States of the decoder `(batch, num_layers, hidden_size)`; the keys' part of the scores, that of the first
        layer's sums `(batch, source steps, gates * hidden_size)`, and the lengths.
        """
        keys, states = self.encoder(source, source_length)
        values = self.nn.functional.linear(keys, self.recurrent.weight_ih_l0[:, : keys.shape[2]])
        return {"states": states, "source": Fixed([self.attention.project(keys), values, source_length])}

    def decode(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits `(batch, steps, vocab)` of the token after each of `tokens` `(batch, steps)`, and the state then."""
        keys, values, lengths = state["source"]
        states = [tuple(tensor[:, number] for tensor in state["states"]) for number in range(self.num_layers)]
        reach = None if bool((lengths == keys.shape[1]).all()) else lengths
        outputs = []
        for product in self._products(tokens).unbind(1):
            seen = self.attention.attend(states[-1][0][:, None], keys, values, reach)
            states = self._next(product + seen[:, 0], states)
            outputs.append(states[-1][0])
        after = tuple(torch.stack(tensors, 1) for tensors in zip(*states, strict=True))
        return self.output(torch.stack(outputs, 1)), {**state, "states": after}

    def align(self, source: Tensor, source_length: Tensor, given: Tensor) -> Tensor:
        """Where the decoder looks before it says the token after each of `given`, `(batch, steps, source steps)`.

        Args:
            source, source_length, given: as of the forward.
        """
        state, weights = self.encode(source, source_length), []
        self.attention.keep_weights = True
        try:
            for token in given.split(1, dim=1):
                _, state = self.decode(token, state)
                weights.append(self.attention.weights)
        finally:
            self.attention.keep_weights, self.attention.weights = False, None
        return torch.cat(weights, dim=1)

    def _products(self, tokens: Tensor) -> Tensor:
        """What the tokens add to the first layer's sums, `(batch, steps, gates * hidden_size)`."""
        x, weight = self.embedding(tokens), self.recurrent.weight_ih_l0
        return self.nn.functional.linear(x, weight[:, weight.shape[1] - x.shape[2] :], self.recurrent.bias_ih_l0)

    def _next(self, product: Tensor, states: list[States]) -> list[States]:
        """The next state of each layer, `(batch, hidden_size)`, from the first layer's product with its input."""
        linear, weights = self.nn.functional.linear, self.recurrent
        after: list[States] = []
        for number, state in enumerate(states):
            if number:
                x = self.nn.functional.dropout(after[-1][0], self.dropout, self.training)
                product = linear(x, getattr(weights, f"weight_ih_l{number}"), getattr(weights, f"bias_ih_l{number}"))
            recurrent = getattr(weights, f"weight_hh_l{number}"), getattr(weights, f"bias_hh_l{number}")
            after.append(self.advance(product, linear(state[0], *recurrent), state))
        return after


def gru_step(product: Tensor, recurrent: Tensor, state: States) -> States:
    """The next state of a GRU, from the sums `(batch, 3 * hidden_size)` that input and state add to r, z and n."""
    size = state[0].shape[1]
    reset, update = (product[:, : 2 * size] + recurrent[:, : 2 * size]).sigmoid().chunk(2, dim=1)
    candidate = (product[:, 2 * size :] + reset * recurrent[:, 2 * size :]).tanh()
    return (candidate + update * (state[0] - candidate),)


def lstm_step(product: Tensor, recurrent: Tensor, state: States) -> States:
    """The next state of an LSTM, from the sums `(batch, 4 * hidden_size)` that input and state add to i, f, g and o."""
    i, f, g, o = (product + recurrent).chunk(4, dim=1)
    cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


STEPS: dict[str, Callable[[Tensor, Tensor, States], States]] = {"gru": gru_step, "lstm": lstm_step}

bahdanau = Bahdanau
