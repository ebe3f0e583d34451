"""A mean of known values, weighted by how near their keys are: regression without a model."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fathom.errors import InputError, ShapeError
from fathom.registry import unknown

KERNELS: Mapping[str, Callable[[Tensor], Tensor]] = {  # squared distance in widths to the kernel's logarithm
    "gaussian": lambda squared: -squared / 2,
    "boxcar": lambda squared: torch.where(squared <= 1, 0.0, -math.inf),
    "epanechnikov": lambda squared: (1 - squared).clamp_min(0).log(),
}


def kernel_weights(queries: Tensor, keys: Tensor, width: float | Tensor, kernel: str = "gaussian") -> Tensor:
    """With which share each key counts for each query, `(..., queries, keys)`; the logarithms go through a softmax.

    So the nearest key of a Gaussian counts however far away it is. Of the others, a query without a key within the
    width gets zeros.

    Args:
        queries: `(..., queries, features)`.
        keys: `(..., keys, features)`.
        width: above 0, of the kernel, in units of the features; anything that broadcasts to `(..., queries, keys)`.
        kernel: `gaussian`, `boxcar` or `epanechnikov`.

    Raises:
        ShapeError: queries and keys have different features.
        InputError: a width that is not above 0.
        UnknownNameError: there is no such kernel.
    """
    if kernel not in KERNELS:
        raise unknown("kernel", kernel, KERNELS)
    if queries.shape[-1] != keys.shape[-1]:
        raise ShapeError(f"keys: expected {queries.shape[-1]} features, those of queries, got {tuple(keys.shape)}")
    if not bool(torch.as_tensor(width > 0).all()):
        raise InputError(f"width: expected a number above 0, got {width}")
    squared = (queries[..., :, None, :] - keys[..., None, :, :]).square().sum(-1) / width**2
    logarithms = KERNELS[kernel](squared).to(squared.dtype)
    return logarithms.softmax(-1).nan_to_num(nan=0.0)


def nadaraya_watson(
    queries: Tensor, keys: Tensor, values: Tensor, width: float | Tensor, kernel: str = "gaussian"
) -> Tensor:
    """The values' mean at each query, weighted by a kernel of the distance to their keys: `(..., queries, outputs)`.

    Args:
        queries, keys, width, kernel: as of `kernel_weights`.
        values: `(..., keys, outputs)`.

    Source: Nadaraya 1964, "On estimating regression"; Watson 1964, "Smooth regression analysis".
    """
    return kernel_weights(queries, keys, width, kernel) @ values


def left_out_error(keys: Tensor, values: Tensor, width: float | Tensor) -> Tensor:
    """Mean squared error of each value, predicted with a Gaussian kernel from all others, of float64.

    Args:
        keys: `(keys, features)`.
        values: `(keys, outputs)`.
        width: as of `kernel_weights`.
    """
    squared = torch.cdist(keys.double(), keys.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    scores = (-squared / (2 * width**2)).fill_diagonal_(-math.inf)
    return (scores.softmax(-1) @ values.double() - values).square().mean()
