"""Attention by lengths, forward and backward: the fused kernel beside explicit scores with a masked softmax.

Eight examples with eight heads of 64 features, float32, n queries and n keys, of which at least half count.
`explicit scores` is plain PyTorch as the book writes it: the scores, -1e6 past the lengths, softmax, times the values.
Memory is what the process grows by, at its peak, in one such call, each way in a process of its own at one thread.
`one query` is a decoder's step: additive scores against keys of 32 steps, projected once or, as in the book, each time.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.harness import Comparison, compare
from benchmarks.memory import growth_apart, measurable
from fathom.layers.composed import AdditiveAttention, DotProductAttention

BATCH, HEADS, FEATURES = 8, 8, 64
SIZES = (512, 1024, 2048)  # queries, and keys
STEPS, HIDDEN, SENTENCES = 32, 256, 64  # of the decoder


def explicit(queries: Tensor, keys: Tensor, values: Tensor, lengths: Tensor) -> Tensor:
    """The scores at once, masked and normalised."""
    scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
    padding = torch.arange(keys.shape[-2]) >= lengths[:, None, None, None]
    return scores.masked_fill(padding, -1e6).softmax(dim=-1) @ values


WAYS = {"fused": DotProductAttention(), "explicit": explicit}


def pass_through(way: str, size: int) -> Callable[[], None]:
    """A call of forward and backward, on the same numbers for each way."""
    torch.manual_seed(0)
    inputs = [torch.randn(BATCH, HEADS, size, FEATURES, requires_grad=True) for _ in range(3)]
    lengths = torch.randint(size // 2, size + 1, (BATCH,))
    weights = torch.randn(BATCH, HEADS, size, FEATURES)

    def call() -> None:
        torch.autograd.grad(WAYS[way](*inputs, lengths), inputs, weights)

    return call


def warmed(way: str, size: int) -> Callable[[], None]:
    """The same, after a small call that loads and makes what is made once."""
    pass_through(way, 64)()
    return pass_through(way, size)


def decoding(prepared: bool) -> Callable[[], None]:
    """Additive attention of one query after the other, forward and backward."""
    torch.manual_seed(0)
    layer = AdditiveAttention(HIDDEN, HIDDEN, HIDDEN)
    queries, keys = (torch.randn(SENTENCES, STEPS, HIDDEN, requires_grad=True) for _ in range(2))
    lengths = torch.randint(STEPS // 2, STEPS + 1, (SENTENCES,))
    wanted = [queries, keys, *layer.parameters()]

    def call() -> None:
        projected = layer.project(keys) if prepared else None
        seen = [
            layer(query, keys, keys, lengths) if projected is None else layer.attend(query, projected, keys, lengths)
            for query in queries.split(1, dim=1)
        ]
        torch.autograd.grad(torch.cat(seen, 1).sum(), wanted)

    return call


def run(rounds: int) -> list[Comparison]:
    comparisons = []
    for size in SIZES:
        title = f"n = {size}"
        if measurable():
            ours, theirs = (growth_apart(warmed, way, size) for way in WAYS)
            title += f", memory {ours:.0f} MiB beside {theirs:.0f}"
        peers = {"explicit scores": pass_through("explicit", size)}
        comparisons.append(compare(title, ("fused", pass_through("fused", size)), peers, rounds))
    peers = {"projected each time": decoding(prepared=False)}
    comparisons.append(compare("one query, 32 times", ("projected once", decoding(prepared=True)), peers, rounds))
    return comparisons
