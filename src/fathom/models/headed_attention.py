"""Attention in several heads: of a sequence to itself, with a cache of the steps so far, and to another, a memory.

Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2; relative positions: Shaw, Uszkoreit and Vaswani 2018, arXiv
1803.02155.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from fathom import autograd
from fathom.errors import InputError, ShapeError
from fathom.layers.positions import relative_scores
from fathom.models.model import Model, concatenate
from fathom.models.parts import at_least

Cache = tuple[Any, Any]
"""Keys and values of all steps so far, `(batch, num_heads, steps, head_size)` each."""


def up_to_now(queries: int, keys: int, like: Any) -> Any:
    """`(queries, keys)` of bool, true where one may look: the last query sees all keys, each before it one less.

    Args:
        like: a tensor of the rung and on the device that are wanted.
    """
    if isinstance(like, torch.Tensor):
        return torch.ones(queries, keys, dtype=torch.bool, device=like.device).tril(keys - queries)
    return autograd.from_numpy(np.tri(queries, keys, keys - queries, dtype=bool))


class HeadedAttention(Model):
    """What both attentions share: how heads look, and how they are joined.

    Args:
        d_model: features of each step, in and out; a multiple of `num_heads`.
        num_heads: how many.
        dropout: probability `0 <= p < 1`, of the weights, where the paper has none.
        scaled: whether scores are divided by √head_size.
        averaged: the mean of the heads goes into the last projection, and not all of them side by side.
        nn: the namespace of layers.

    `keep_weights` may be set at any time; `weights` then holds those of the last call, `(batch, num_heads, queries,
    keys)`, before dropout and without their graph. Else the fused kernel of the rung never writes them out.
    """

    weights: Any

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        dropout: float = 0.0,
        *,
        scaled: bool = True,
        averaged: bool = False,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        at_least(1, d_model=d_model, num_heads=num_heads)
        if d_model % num_heads:
            raise InputError(f"num_heads: expected a divisor of d_model ({d_model}), got {num_heads}")
        check_probability("dropout", dropout)
        self.num_heads, self.head_size, self.dropout = num_heads, d_model // num_heads, dropout
        self.scaled, self.averaged = scaled, averaged
        self.keep_weights, self.weights = False, None
        self.out = linear(nn, self.head_size if averaged else d_model, d_model)

    def split(self, x: Any, parts: int) -> tuple[Any, ...]:
        """`(batch, steps, parts * d_model)` to so many `(batch, num_heads, steps, head_size)`."""
        return x.unflatten(-1, (parts, self.num_heads, self.head_size)).transpose(1, 3).unbind(2)

    def look(self, q: Any, k: Any, v: Any, mask: Any, causal: bool = False) -> Any:
        """What the queries see, `(batch, queries, d_model)`."""
        if not self.scaled:
            q = q * math.sqrt(self.head_size)  # which the kernel divides by
        p = self.dropout if self.training else 0.0
        if self.keep_weights:
            y = self._look_and_keep(q, k, v, up_to_now(q.shape[2], k.shape[2], q) if causal else mask, p)
        else:
            y = self.nn.functional.scaled_dot_product_attention(q, k, v, mask, p, causal)
        return self.out(y.mean(1) if self.averaged else y.transpose(1, 2).flatten(2))

    def _look_and_keep(self, q: Any, k: Any, v: Any, mask: Any, p: float) -> Any:
        scores = q @ k.mT * (1 / math.sqrt(self.head_size))
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf) if is_bool(mask) else scores + mask
        weights = scores.softmax(-1)
        if isinstance(mask, torch.Tensor) and is_bool(mask):
            weights = weights.masked_fill(~mask.any(-1, keepdim=True), 0.0)  # who may look nowhere, as in the kernel
        self.weights = weights.detach()
        return self.nn.functional.dropout(weights, p, self.training) @ v


class SelfAttention(HeadedAttention):
    """The steps of a sequence look at each other.

    Args:
        d_model, num_heads, dropout, scaled, averaged, nn: as of `HeadedAttention`.
        causal: a step sees itself and those before it only.
        relative: distances up to so many steps, in either direction, have vectors of their own, which are added to the
            keys (all further ones that of the furthest); 0 has none.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        dropout: float = 0.0,
        causal: bool = False,
        *,
        relative: int = 0,
        scaled: bool = True,
        averaged: bool = False,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__(d_model, num_heads, dropout, scaled=scaled, averaged=averaged, nn=nn)
        at_least(0, relative=relative)
        self.causal, self.relative = causal, relative
        self.qkv = linear(nn, d_model, 3 * d_model)
        if relative:
            self.distances = nn.Embedding(2 * relative + 1, self.head_size)
            nn.init.xavier_uniform_(self.distances.weight)

    def forward(self, x: Any, mask: Any = None, cache: Cache | None = None) -> tuple[Any, Cache]:
        """What each step sees, `(batch, steps, d_model)`, and the keys and values so far.

        Args:
            x: `(batch, steps, d_model)`; with a cache, the steps that follow it.
            mask: of bool, true where one may look; broadcasts to `(batch, num_heads, steps, keys)`. None is everywhere,
                but not ahead if causal.
            cache: of the steps before.

        Raises:
            ShapeError: the cache has not as many rows as `x`.
        """
        q, k, v = self.split(self.qkv(x), 3)
        if cache is not None:
            if len(cache[0]) != len(x):
                raise ShapeError(f"cache: expected {len(x)} rows, as many as x has, got {len(cache[0])}; pick its rows")
            k, v = concatenate([cache[0], k], 2), concatenate([cache[1], v], 2)
        queries, keys = q.shape[2], k.shape[2]
        causal = self.causal and queries > 1
        if causal and (mask is not None or queries != keys or self.relative):
            earlier = up_to_now(queries, keys, q)
            mask, causal = earlier if mask is None else earlier & mask, False
        if self.relative:
            added = relative_scores(q, self.distances.weight, keys)
            mask = added if mask is None else added.masked_fill(~mask, -math.inf)
        return self.look(q, k, v, mask, causal), (k, v)


class CrossAttention(HeadedAttention):
    """The steps of one sequence look at those of another, a memory.

    Args:
        d_model, num_heads, dropout, scaled, averaged, nn: as of `HeadedAttention`.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        dropout: float = 0.0,
        *,
        scaled: bool = True,
        averaged: bool = False,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__(d_model, num_heads, dropout, scaled=scaled, averaged=averaged, nn=nn)
        self.query = linear(nn, d_model, d_model, gain=math.sqrt(1 / 2))
        self.keys_values = linear(nn, d_model, 2 * d_model, gain=math.sqrt(3 / 4))  # each as in one of three

    def project(self, memory: Any) -> Cache:
        """Keys and values of a memory `(batch, keys, d_model)`, which a decoder needs once."""
        k, v = self.split(self.keys_values(memory), 2)
        return k, v

    def forward(self, x: Any, memory: Cache, mask: Any = None) -> Any:
        """What each step sees of the memory, `(batch, steps, d_model)`.

        Args:
            x: `(batch, steps, d_model)`.
            memory: what `project` gave.
            mask: of bool, true where one may look; broadcasts to `(batch, num_heads, steps, keys)`.

        Raises:
            ShapeError: the memory has not as many rows as `x`.
        """
        if len(memory[0]) != len(x):
            raise ShapeError(f"memory: expected {len(x)} rows, as many as x has, got {len(memory[0])}; pick its rows")
        (q,) = self.split(self.query(x), 1)
        return self.look(q, *memory, mask)


@contextlib.contextmanager
def weights_kept(model: Any) -> Iterator[dict[str, Any]]:
    """Every attention of a model by its name, keeping its weights as long as the context lasts.

    >>> layers = torch.nn.ModuleList([SelfAttention(6, 2)])
    >>> with weights_kept(layers) as attentions:
    ...     _ = layers[0](torch.zeros(1, 3, 6))
    ...     {name: attention.weights.shape for name, attention in attentions.items()}
    {'0': torch.Size([1, 2, 3, 3])}
    """
    found = {name: part for name, part in model.named_modules() if hasattr(part, "keep_weights")}
    for part in found.values():
        part.keep_weights = True
    try:
        yield found
    finally:
        for part in found.values():
            part.keep_weights, part.weights = False, None


def linear(nn: Any, in_features: int, out_features: int, gain: float = 1.0) -> Any:
    """A linear map whose weights are drawn as Glorot and Bengio do, its biases 0.

    Args:
        nn: the namespace of layers.
        gain: of the weights; those of queries, keys and values in one matrix are √½ of what each alone would be given.
    """
    made = nn.Linear(in_features, out_features)
    nn.init.xavier_uniform_(made.weight, gain)
    nn.init.zeros_(made.bias)
    return made


def check_probability(name: str, p: float) -> None:
    """InputError unless `0 <= p < 1`."""
    if not 0 <= p < 1:
        raise InputError(f"{name}: expected a probability 0 <= p < 1, got {p}")


def is_bool(mask: Any) -> bool:
    """Whether a mask, of any rung, says where one may look, and is not added to the scores."""
    return mask.dtype in (torch.bool, bool)
