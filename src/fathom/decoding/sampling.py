"""The next token: the likeliest, or one drawn by its probability from all, from the first few, or from a nucleus."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from fathom.decoding.step import Step
from fathom.errors import InputError

Choice = Callable[[Tensor], Tensor]
"""Logits `(batch, vocab)` to tokens `(batch,)` of int."""


def greedy(logits: Tensor) -> Tensor:
    """The likeliest token of each row, `(batch,)` of int; the first of equals."""
    return logits.argmax(dim=-1)


def probabilities(logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """The distribution to draw from, `(batch, vocab)`; what is left out has 0.

    Args:
        logits: `(batch, vocab)`.
        temperature: the logits are divided by it; below 1 the likely become likelier.
        top_k: only so many of the likeliest stay, and their equals; 0 keeps all.
        top_p: then only the fewest likeliest that have at least this probability together, `0 < top_p <= 1`.

    Raises:
        InputError: a number is out of range.

    Source: Holtzman et al. 2020, arXiv 1904.09751, section 3.1, for the nucleus; Fan, Lewis and Dauphin 2018,
    arXiv 1805.04833, for the first k.
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise InputError(f"temperature: expected a number above 0, got {temperature}; top_k=1 takes the likeliest")
    if top_k < 0:
        raise InputError(f"top_k: expected a whole number from 0 (all), got {top_k}")
    if not 0 < top_p <= 1:
        raise InputError(f"top_p: expected a probability 0 < p <= 1, got {top_p}")
    scaled = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        least = scaled.topk(top_k, dim=-1).values[..., -1:]
        scaled = scaled.masked_fill(scaled < least, -math.inf)
    chances = scaled.softmax(dim=-1)
    if top_p < 1:
        ordered, order = chances.sort(dim=-1, descending=True)
        outside = ordered.cumsum(dim=-1) - ordered >= top_p  # those before it have enough already
        chances = chances.masked_fill(outside.gather(-1, order.argsort(dim=-1)), 0.0)
        chances = chances / chances.sum(dim=-1, keepdim=True)
    return chances


class Sampler:
    """Draws tokens by `probabilities`.

    Args:
        temperature, top_k, top_p: as there.
        generator: where randomness comes from; None is torch's global one.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        generator: Generator | None = None,
    ) -> None:
        self.temperature, self.top_k, self.top_p, self.generator = temperature, top_k, top_p, generator

    def __call__(self, logits: Tensor) -> Tensor:
        """One token a row, `(batch,)` of int."""
        chances = probabilities(logits, self.temperature, self.top_k, self.top_p)
        return torch.multinomial(chances, 1, generator=self.generator)[:, 0]


@torch.no_grad()
def generate(
    step: Step, prefix: Tensor, length: int, choose: Choice = greedy, *, state: Any = None, end: int | None = None
) -> Tensor:
    """What follows `prefix`, token after token.

    Args:
        step: the model.
        prefix: `(batch, steps)` of int, at least one step.
        length: tokens to add at most.
        choose: `greedy` or a `Sampler`.
        state: from which to go on; None begins anew.
        end: a token that ends a row; what stands after it is this token again, and all rows ended stop it.

    Returns:
        `(batch, at most length)` of int, without the prefix.

    Raises:
        InputError: the prefix is empty.
    """
    if prefix.shape[1] < 1:
        raise InputError("prefix: expected at least one token, got none")
    tokens, added = prefix, []
    ended = torch.zeros(len(prefix), dtype=torch.bool, device=prefix.device)
    for _ in range(length):
        logits, state = step(tokens, state)
        chosen = choose(logits)
        if end is not None:
            chosen = torch.where(ended, end, chosen)
            ended = ended | (chosen == end)
        added.append(chosen)
        tokens = chosen[:, None]
        if end is not None and bool(ended.all()):
            break
    return torch.stack(added, dim=1) if added else prefix[:, :0]
