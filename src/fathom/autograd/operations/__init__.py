"""The rows of the table, by family; importing this room fills the table."""

from fathom.autograd.operations import (
    arithmetic,
    convolution,
    elementwise,
    indexing,
    linear,
    lookup,
    normalisation,
    pooling,
    reduction,
    shape,
    softmax,
)

__all__ = [
    "arithmetic",
    "convolution",
    "elementwise",
    "indexing",
    "linear",
    "lookup",
    "normalisation",
    "pooling",
    "reduction",
    "shape",
    "softmax",
]
