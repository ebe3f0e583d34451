"""What networks on trees have in common: words at the leaves, one function that joins two, a reading at every node."""

from typing import Any

import torch

from fathom.errors import InputError
from fathom.models.model import Model
from fathom.models.parts import at_least
from fathom.ops import trees


class Recursive(Model):
    """Forests to logits at each node; a subclass says what a leaf's state is and how two become one.

    Source: Goodfellow, Bengio and Courville 2016, section 10.6.

    Args:
        vocab_size: how many words there are.
        num_classes: numbers that come out at each node.
        embedding_size: numbers of a word.
        hidden_size: numbers of a node that are read.
        dropout: probability `0 <= p < 1` with which each of these is left out when it is read.
        nn: the namespace of layers, `torch.nn` or `fathom.layers`.

    Raises:
        InputError: a size below 1, or a dropout that is no probability.
    """

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        embedding_size: int,
        hidden_size: int,
        dropout: float = 0.0,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(
            1, vocab_size=vocab_size, num_classes=num_classes, hidden_size=hidden_size, embedding_size=embedding_size
        )
        if not 0 <= dropout < 1:
            raise InputError(f"dropout: expected a probability 0 <= p < 1, got {dropout}")
        self.hidden_size = hidden_size
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, num_classes)

    @staticmethod
    def begin_as_sum(linear: Any) -> None:
        """Make a layer over [left; right] add the two, but for noise: so words are heard at the root of a deep tree.

        Source: the sentiment network of Stanford CoreNLP, by the authors of Socher et al. 2013: [I, I] and uniform
        numbers within 1 / (2 √hidden_size).
        """
        size = linear.weight.shape[0]
        with torch.no_grad():
            linear.weight.uniform_(-0.5 / size**0.5, 0.5 / size**0.5).add_(torch.eye(size).repeat(1, 2))
            linear.bias.zero_()

    def leaf(self, words: Any) -> Any:
        """States `(leaves, features)` of words `(leaves, embedding_size)`; `hidden_size` of the features are read."""
        raise NotImplementedError

    def join(self, left: Any, right: Any) -> Any:
        """States of nodes from those of their left and right children, all `(nodes, features)`."""
        raise NotImplementedError

    def forward(self, forest: Any) -> Any:
        """Map a forest `(nodes, 4)` of int, as `fathom.ops.trees` has it, to logits `(nodes, num_classes)`."""
        levels = trees.levels(forest)
        leaves = self.leaf(self.embedding(forest[levels.leaves, trees.WORD]))
        return self.read(trees.fold(leaves, levels, self.join))

    def by_node(self, forest: Any) -> Any:
        """As `forward`, node by node in Python: slow, and its judge; they differ where dropout draws."""
        words = [self.leaf(self.embedding(word)) for word in forest[forest[:, trees.HEIGHT] == 0, trees.WORD].split(1)]
        return torch.cat([self.read(state) for state in trees.fold_by_node(words, forest, self.join)])

    def read(self, states: Any) -> Any:
        """Logits `(nodes, num_classes)` of states `(nodes, features)`."""
        return self.output(self.dropout(states[:, : self.hidden_size]))
