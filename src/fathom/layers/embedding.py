"""The embedding layer."""

import torch
from torch import Tensor, nn

from fathom.errors import InputError
from fathom.layers import init
from fathom.ops.embedding import embedding


class Embedding(nn.Module):
    """A learned row of numbers for each index.

    Twin: `torch.nn.Embedding`. Source: Dive into Deep Learning, "Pretraining word2vec", "Embedding Layer".

    Args:
        num_embeddings: how many indices there are; `weight` is `(num_embeddings, embedding_dim)`.
        embedding_dim: how many numbers each has.
        padding_idx: the index whose row is 0 at the start and gets no gradient; counted from the end if negative.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__()
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise InputError(f"padding_idx: expected an index below num_embeddings={num_embeddings}, got {padding_idx}")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = nn.Parameter(torch.empty(num_embeddings, embedding_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new rows from the standard normal distribution, as torch does."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            init.zeros_(self.weight[self.padding_idx])

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape of int, from 0 to `num_embeddings - 1`, to that shape and `embedding_dim` behind it."""
        return embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes, for `repr`."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
