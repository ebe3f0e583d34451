"""A recurrent encoder and a recurrent decoder with one vector between them.

Source: Cho et al. 2014, arXiv 1406.1078; Sutskever, Vinyals and Le 2014, arXiv 1409.3215; Dive into Deep Learning,
"Sequence to Sequence Learning".

    source (batch, steps) ── Embedding ── GRU or LSTM ──> states (batch, num_layers, hidden_size), the top one: context
    given (batch, steps) ── Embedding ──┬── GRU or LSTM from those states on ── Linear ──> logits
                     context at each ───┘
"""

from typing import Any

import torch
from torch import Tensor

from fathom.models.encoder_decoder import EncoderDecoder
from fathom.models.recurrent_encoder import CELLS, RecurrentEncoder, check_sizes
from fathom.ops.nests import Fixed

NAMES = ("seq2seq",)


class Seq2Seq(EncoderDecoder):
    """The source through a vector to the target.

    Where the book leaves the source: the encoder stops at each row's end, where the book's reads on through the
    padding; and the context stays that of the encoder, where the book's, in prediction, is the decoder's last state.

    Args:
        source_vocab_size: how many source tokens there are.
        target_vocab_size: how many target tokens there are.
        embedding_size: features of a token.
        hidden_size: units of each layer of encoder and decoder.
        num_layers: layers of each.
        cell: `gru` or `lstm`.
        dropout: probability `0 <= p < 1` between layers.
        bidirectional: whether half of the encoder's units read from the end.
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
        self.embedding = nn.Embedding(target_vocab_size, embedding_size)
        self.recurrent = getattr(nn, CELLS[cell])(
            embedding_size + hidden_size,
            hidden_size,
            num_layers=num_layers,
            dropout=dropout if num_layers > 1 else 0.0,
            batch_first=True,
        )
        self.output = nn.Linear(hidden_size, target_vocab_size)

    def encode(self, source: Tensor, source_length: Tensor) -> Any:
        """States of the decoder `(batch, num_layers, hidden_size)`, and the context `(batch, hidden_size)`."""
        _, states = self.encoder(source, source_length)
        return {"states": states, "context": Fixed([states[0][:, -1]])}

    def decode(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Logits `(batch, steps, vocab)` of the token after each of `tokens` `(batch, steps)`, and the state then."""
        (context,) = state["context"]
        x = torch.cat([self.embedding(tokens), context[:, None].expand(-1, tokens.shape[1], -1)], 2)
        before = tuple(tensor.transpose(0, 1).contiguous() for tensor in state["states"])
        x, after = self.recurrent(x, before if len(before) > 1 else before[0])
        states = tuple(tensor.transpose(0, 1) for tensor in (after if isinstance(after, tuple) else (after,)))
        return self.output(x), {**state, "states": states}


seq2seq = Seq2Seq
