"""The plain recursive network: a node is a layer over its two children, with one weight matrix everywhere.

    word ── Embedding ──> (embedding_size) ── tanh ──> leaf
    left, right (hidden_size each) ── Linear ── tanh ──> node (hidden_size)
    node ── Linear ──> (num_classes)

Source: Socher, Perelygin et al. 2013, section 4.1; Pollack 1990, "Recursive distributed representations".
"""

from typing import Any

import torch

from fathom.models.recursive import Recursive


class TreeRNN(Recursive):
    """A recursive network whose nodes are tanh(W [left; right] + b), and whose leaves are tanh of their words.

    Args:
        vocab_size, num_classes, dropout, nn: as of `Recursive`.
        hidden_size: numbers of a node and of a word.
    """

    def __init__(
        self, vocab_size: int, num_classes: int, hidden_size: int = 30, dropout: float = 0.0, *, nn: Any = torch.nn
    ) -> None:
        super().__init__(vocab_size, num_classes, hidden_size, hidden_size, dropout, nn=nn)
        self.linear = nn.Linear(2 * hidden_size, hidden_size)
        self.begin_as_sum(self.linear)

    def leaf(self, words: Any) -> Any:
        """tanh of the words' vectors."""
        return words.tanh()

    def join(self, left: Any, right: Any) -> Any:
        """tanh(W [left; right] + b)."""
        return self.linear(torch.cat([left, right], dim=1)).tanh()
