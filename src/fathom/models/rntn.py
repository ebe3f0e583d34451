"""The recursive neural tensor network: each number of a node is a quadratic form in its two children.

    word ── Embedding ──> (hidden_size) ── tanh ──> leaf
    x = [left; right] (2 hidden_size) ── xᵀ V x + W x + b ── tanh ──> node (hidden_size)
    node ── Linear ──> (num_classes)

Source: Socher, Perelygin et al. 2013, section 4.3, figure 5.
"""

from typing import Any

import torch

from fathom.models.recursive import Recursive


class RNTN(Recursive):
    """A recursive network whose nodes are tanh(xᵀ V x + W x + b) with x = [left; right].

    The slices of V lie in one layer without a bias, `tensor`, whose weight is `(hidden_size * 2 hidden_size,
    2 hidden_size)`: row `k * 2 hidden_size + i` is V[k, i].

    Args:
        vocab_size, num_classes, dropout, nn: as of `Recursive`.
        hidden_size: numbers of a node and of a word; the paper's best were 25 to 35.
    """

    def __init__(
        self, vocab_size: int, num_classes: int, hidden_size: int = 30, dropout: float = 0.0, *, nn: Any = torch.nn
    ) -> None:
        super().__init__(vocab_size, num_classes, hidden_size, hidden_size, dropout, nn=nn)
        self.linear = nn.Linear(2 * hidden_size, hidden_size)
        self.begin_as_sum(self.linear)
        self.tensor = nn.Linear(2 * hidden_size, 2 * hidden_size * hidden_size, bias=False)
        with torch.no_grad():
            self.tensor.weight.uniform_(-0.25 / hidden_size, 0.25 / hidden_size)  # as in CoreNLP's

    def leaf(self, words: Any) -> Any:
        """tanh of the words' vectors."""
        return words.tanh()

    def join(self, left: Any, right: Any) -> Any:
        """tanh(xᵀ V x + W x + b)."""
        x = torch.cat([left, right], dim=1)
        slices = self.tensor(x).view(len(x), -1, x.shape[1])  # (nodes, hidden_size, 2 hidden_size)
        return (torch.einsum("nki,ni->nk", slices, x) + self.linear(x)).tanh()
