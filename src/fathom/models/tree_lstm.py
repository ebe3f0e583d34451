"""The binary Tree-LSTM: an LSTM whose memory comes from two children, with a gate for forgetting each.

    word ── Embedding ──> (embedding_size) ── Linear ──> input and output gate, candidate ──> leaf (h, c)
    left h, right h ── Linear ──> input gate, two forget gates, output gate, candidate ──> node (h, c)
    h ── Dropout ── Linear ──> (num_classes)

Source: Tai, Socher and Manning 2015, "Improved semantic representations from tree-structured long short-term memory
networks", arXiv 1503.00075, section 3.2, with N = 2. Words are at leaves and children at inner nodes alone, so each of
the two kinds has a layer, and a bias, of its own.
"""

from typing import Any

import torch

from fathom.models.recursive import Recursive


class TreeLSTM(Recursive):
    """A recursive network whose nodes are c = i u + f_left c_left + f_right c_right and h = o tanh(c).

    The state of a node is h and c side by side.

    Args:
        vocab_size, num_classes, dropout, nn: as of `Recursive`.
        embedding_size: numbers of a word.
        hidden_size: units, h and c of each.
    """

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        embedding_size: int = 50,
        hidden_size: int = 150,
        dropout: float = 0.0,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__(vocab_size, num_classes, embedding_size, hidden_size, dropout, nn=nn)
        self.leaf_gates = nn.Linear(embedding_size, 3 * hidden_size)  # i, o, u
        self.inner_gates = nn.Linear(2 * hidden_size, 5 * hidden_size)  # i, f of the left, f of the right, o, u

    def leaf(self, words: Any) -> Any:
        """c = σ(i) tanh(u), h = σ(o) tanh(c)."""
        i, o, u = self.leaf_gates(words).chunk(3, dim=1)
        c = i.sigmoid() * u.tanh()
        return torch.cat([o.sigmoid() * c.tanh(), c], dim=1)

    def join(self, left: Any, right: Any) -> Any:
        """The gates from both h, the memory from both c."""
        h_left, c_left = left.chunk(2, dim=1)
        h_right, c_right = right.chunk(2, dim=1)
        i, f_left, f_right, o, u = self.inner_gates(torch.cat([h_left, h_right], dim=1)).chunk(5, dim=1)
        c = i.sigmoid() * u.tanh() + f_left.sigmoid() * c_left + f_right.sigmoid() * c_right
        return torch.cat([o.sigmoid() * c.tanh(), c], dim=1)
