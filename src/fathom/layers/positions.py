"""Where a step stands: sinusoids, and what the distance between two steps adds to how they look at each other."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.errors import InputError


def frequencies(features: int) -> np.ndarray[Any, Any]:
    """1 / 10000^(2i / features), `(ceil(features / 2),)`: radians a step of each pair of columns."""
    return 1 / 10_000 ** (np.arange(0, features, 2) / features)


def sinusoids(steps: int, features: int) -> np.ndarray[Any, Any]:
    """The positions' table `(steps, features)`: sin(p / 10000^(2i / features)) in column 2i, its cosine in 2i + 1.

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.5.
    """
    angles = np.arange(steps)[:, None] * frequencies(features)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(steps, -1)[:, :features].astype(np.float32)


def rotation(distance: float, features: int) -> np.ndarray[Any, Any]:
    """The matrix `(features, features)` that takes each row of `sinusoids` to that of `distance` steps later.

    It turns each pair of columns by an angle of its own, and knows nothing of where it starts.

    Args:
        features: an even number.

    Raises:
        InputError: it is odd.

    Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.5: "a linear function of PE(pos)"; Dive into Deep
    Learning, "Self-Attention and Positional Encoding".
    """
    if features % 2:
        raise InputError(f"features: expected an even number, whose columns are pairs, got {features}")
    turn, angles = np.zeros((features, features)), distance * frequencies(features)
    sines, cosines = np.arange(0, features, 2), np.arange(1, features, 2)
    turn[sines, sines] = turn[cosines, cosines] = np.cos(angles)
    turn[sines, cosines], turn[cosines, sines] = np.sin(angles), -np.sin(angles)
    return turn


def relative_scores(queries: Tensor, vectors: Tensor, keys: int) -> Tensor:
    """q · a / √features, where a belongs to the distance from query to key: `(..., queries, keys)`, to add to scores.

    Args:
        queries: `(..., queries, features)`; the last query stands at the last key.
        vectors: `(2 * most + 1, features)`, of the distances from -most (the key stands before) to most.
        keys: how many.

    Source: Shaw, Uszkoreit and Vaswani 2018, arXiv 1803.02155, equations 4 and 5; the vectors that equation 3 adds to
    the values are left out, which the paper's table 3 finds to change nothing.
    """
    count, most = queries.shape[-2], len(vectors) // 2
    where = torch.arange(keys, device=queries.device)
    distances = (where - where[keys - count :, None]).clamp(-most, most) + most  # (queries, keys)
    products = queries @ vectors.mT * queries.shape[-1] ** -0.5  # (..., queries, 2 * most + 1)
    return products.gather(-1, distances.expand(*queries.shape[:-1], keys))
