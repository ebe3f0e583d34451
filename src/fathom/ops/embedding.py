"""A row of a table for each number."""

import torch
from torch import Tensor

from fathom.errors import InputError


def embedding(x: Tensor, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """The rows of `weight` at the indices `x`.

    Args:
        x: any shape, of int, from 0 to `num_embeddings - 1`.
        weight: `(num_embeddings, embedding_dim)`.
        padding_idx: the row that gets no gradient; counted from the end if negative.

    Returns:
        `(*x.shape, embedding_dim)`.

    Raises:
        InputError: `x` is not of int, or has an index that the table has no row for (on the CPU).

    Twin: `torch.nn.functional.embedding`. Source: Dive into Deep Learning, "Word Embedding (word2vec)" and onwards.
    """
    if x.dtype not in (torch.int64, torch.int32):
        raise InputError(f"x: expected indices, of int32 or int64, got {x.dtype}; convert with .long()")
    try:
        rows = weight.index_select(0, x.flatten())
    except IndexError:
        raise InputError(
            f"x: expected indices from 0 to {len(weight) - 1}, got {int(x.min())} to {int(x.max())}"
        ) from None
    rows = rows.reshape(*x.shape, weight.shape[1])
    if padding_idx is None:
        return rows
    padding = (x == padding_idx % len(weight)).unsqueeze(-1)
    return torch.where(padding, rows.detach(), rows)


def one_hot(x: Tensor, num_classes: int) -> Tensor:
    """1 at each number's place, 0 elsewhere.

    Args:
        x: `(...)` of int, from 0 to `num_classes - 1`.
        num_classes: length of the new last axis.

    Returns:
        `(..., num_classes)` of int.

    Raises:
        InputError: a number lies outside.

    Twin: `torch.nn.functional.one_hot`.
    """
    checked = x.device.type == "cpu" and x.numel() and not torch.compiler.is_compiling()
    if checked and not 0 <= int(x.min()) <= int(x.max()) < num_classes:
        raise InputError(
            f"one_hot: expected numbers from 0 to {num_classes - 1}, got {int(x.min())} to {int(x.max())}; "
            "raise num_classes"
        )
    return (x[..., None] == torch.arange(num_classes, device=x.device)).long()
