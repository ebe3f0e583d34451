"""Rows for what goes through sequences: recurrent layers, attention, the Transformer's layers."""

from typing import Any

import torch
from torch import Generator, Tensor

from fathom.layers.ladder import Draw
from fathom.layers.rows import row
from fathom.ops.attention import causal_mask

STEPS = (5, 3, 7)  # steps, batch, features: prime and unequal, so that swapped axes fail


def with_cell_state(module: Any, x: Tensor, h: Tensor, c: Tensor) -> Any:
    """Start from a hidden and a cell state."""
    return module(x, (h, c))


RECURRENT = (
    row("", "RNN", STEPS, args=(7, 11)),
    row("relu, no bias", "RNN", STEPS, args=(7, 11), nonlinearity="relu", bias=False),
    row("2 layers, initial state", "RNN", STEPS, (2, 3, 11), args=(7, 11, 2)),
    row("bidirectional, batch first", "RNN", STEPS, args=(7, 11), bidirectional=True, batch_first=True),
    row("", "GRU", STEPS, args=(7, 11)),
    row("2 layers, no bias", "GRU", STEPS, args=(7, 11, 2), bias=False),
    row("batch first, initial state", "GRU", STEPS, (1, 5, 11), args=(7, 11), batch_first=True),
    row("2 layers, bidirectional, initial state", "GRU", STEPS, (4, 3, 11), args=(7, 11, 2), bidirectional=True),
    row("dropout between 3 layers", "GRU", STEPS, args=(7, 11, 3), dropout=0.3),
    row("no batch", "GRU", (5, 7), (1, 11), args=(7, 11)),
    row("evaluation", "GRU", STEPS, args=(7, 11, 2), dropout=0.3, training=False),
    row("", "LSTM", STEPS, args=(7, 11)),
    row("no bias", "LSTM", STEPS, args=(7, 11), bias=False),
    row("initial state", "LSTM", STEPS, (1, 3, 11), (1, 3, 11), args=(7, 11), use=with_cell_state),
    row("batch first, 2 layers", "LSTM", STEPS, args=(7, 11, 2), batch_first=True),
    row(
        "2 layers, bidirectional, initial state",
        "LSTM",
        STEPS,
        (4, 3, 11),
        (4, 3, 11),
        args=(7, 11, 2),
        bidirectional=True,
        use=with_cell_state,
    ),
    row("bidirectional, dropout between layers", "LSTM", STEPS, args=(7, 11, 2), bidirectional=True, dropout=0.3),
    row("no batch", "LSTM", (5, 7), args=(7, 11)),
    row("", "RNNCell", (3, 7), args=(7, 11)),
    row("relu, initial state", "RNNCell", (3, 7), (3, 11), args=(7, 11), nonlinearity="relu"),
    row("no bias, no batch", "RNNCell", (7,), args=(7, 11), bias=False),
    row("", "GRUCell", (3, 7), args=(7, 11)),
    row("initial state, no bias", "GRUCell", (3, 7), (3, 11), args=(7, 11), bias=False),
    row("", "LSTMCell", (3, 7), args=(7, 11)),
    row("initial state, no bias", "LSTMCell", (3, 7), (3, 11), (3, 11), args=(7, 11), bias=False, use=with_cell_state),
)


def padding(steps: int, *lengths: int) -> Draw:
    """`(batch, steps)` of bool, true past each example's length."""
    return lambda _: torch.arange(steps) >= torch.tensor(lengths)[:, None]


def causal(steps: int) -> Draw:
    """`(steps, steps)` of bool, true where a step would see a later one."""
    return lambda _: causal_mask(steps)


def blocked(*shape: int) -> Draw:
    """Of bool, true at random; every query may see the first key."""

    def draw(generator: Generator) -> Tensor:
        mask = torch.rand(shape, generator=generator) < 0.4
        mask[..., 0] = False
        return mask

    return draw


def options(*names: str, **fixed: Any) -> Any:
    """Call a layer with its last inputs under these names, and with fixed options."""

    def use(module: Any, *inputs: Any) -> Any:
        first = len(inputs) - len(names)
        return module(*inputs[:first], **dict(zip(names, inputs[first:], strict=True)), **fixed)

    return use


QUERIES, KEYS = (3, 5, 12), (3, 7, 12)  # batch, steps, features


def attention(name: str, *inputs: tuple[int, ...] | Draw, use: Any = None, **kwargs: Any) -> Any:
    """A row of 12 features in 4 heads, batch first."""
    return row(name, "MultiheadAttention", *inputs, args=(12, 4), batch_first=True, use=use, **kwargs)


def self_attention(module: Any, x: Any) -> Any:
    """Queries, keys and values are the same tensor."""
    return module(x, x, x)


ATTENTION = (
    row("", "MultiheadAttention", (5, 3, 12), (7, 3, 12), (7, 3, 12), args=(12, 4)),
    attention("of itself", QUERIES, use=self_attention),
    attention("no bias, one head each", QUERIES, KEYS, KEYS, bias=False, use=options(average_attn_weights=False)),
    attention("no weights", QUERIES, KEYS, KEYS, use=options(need_weights=False)),
    attention("padding", QUERIES, KEYS, KEYS, padding(7, 7, 2, 5), use=options("key_padding_mask")),
    attention("mask of bool", QUERIES, KEYS, KEYS, blocked(5, 7), use=options("attn_mask")),
    attention("mask for each head", QUERIES, KEYS, KEYS, blocked(12, 5, 7), use=options("attn_mask")),
    attention("mask of float, no weights", QUERIES, KEYS, KEYS, (5, 7), use=options("attn_mask", need_weights=False)),
    attention(
        "both masks",
        QUERIES,
        KEYS,
        KEYS,
        padding(7, 7, 2, 5),
        blocked(5, 7),
        use=options("key_padding_mask", "attn_mask"),
    ),
    attention("keys and values of other sizes", QUERIES, (3, 7, 5), (3, 7, 11), kdim=5, vdim=11),
    attention("dropout", QUERIES, KEYS, KEYS, dropout=0.3),
    row("no batch", "MultiheadAttention", (5, 12), (7, 12), (7, 12), args=(12, 4)),
)


def block(name: str, layer: str, *inputs: tuple[int, ...] | Draw, dropout: float = 0.0, **kwargs: Any) -> Any:
    """A row of a Transformer's layer: 12 features, 4 heads, 17 between the linear maps."""
    return row(name, layer, *inputs, args=(12, 4, 17, dropout), **kwargs)


MASKED = options("src_mask", "src_key_padding_mask")
DECODED = options("tgt_mask", "tgt_key_padding_mask", "memory_key_padding_mask")

TRANSFORMER = (
    block("", "TransformerEncoderLayer", (5, 3, 12)),
    block("batch first, gelu", "TransformerEncoderLayer", QUERIES, batch_first=True, activation="gelu"),
    block("norm first, no bias", "TransformerEncoderLayer", (5, 3, 12), norm_first=True, bias=False),
    block(
        "causal mask and padding",
        "TransformerEncoderLayer",
        QUERIES,
        causal(5),
        padding(5, 5, 2, 3),
        batch_first=True,
        use=MASKED,
    ),
    block("dropout", "TransformerEncoderLayer", (5, 3, 12), dropout=0.3),
    block("evaluation", "TransformerEncoderLayer", QUERIES, batch_first=True, dropout=0.3, training=False),
    block("", "TransformerDecoderLayer", (5, 3, 12), (7, 3, 12)),
    block("norm first, gelu", "TransformerDecoderLayer", (5, 3, 12), (7, 3, 12), norm_first=True, activation="gelu"),
    block(
        "causal mask and padding",
        "TransformerDecoderLayer",
        QUERIES,
        KEYS,
        causal(5),
        padding(5, 5, 2, 3),
        padding(7, 7, 3, 2),
        batch_first=True,
        use=DECODED,
    ),
    block("dropout, no bias", "TransformerDecoderLayer", (5, 3, 12), (7, 3, 12), dropout=0.3, bias=False),
    row(
        "2 layers, norm",
        "TransformerEncoder",
        QUERIES,
        make=lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(12, 4, 17, 0.0, batch_first=True), 2, nn.LayerNorm(12)
        ),
    ),
    row(
        "3 layers, norm first, causal mask and padding",
        "TransformerEncoder",
        QUERIES,
        causal(5),
        padding(5, 5, 2, 3),
        make=lambda nn: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(12, 4, 17, 0.0, batch_first=True, norm_first=True), 3, enable_nested_tensor=False
        ),
        use=options("mask", "src_key_padding_mask"),
    ),
    row(
        "2 layers, norm",
        "TransformerDecoder",
        (5, 3, 12),
        (7, 3, 12),
        make=lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(12, 4, 17, 0.0), 2, nn.LayerNorm(12)),
    ),
    row(
        "2 layers, causal mask and padding",
        "TransformerDecoder",
        QUERIES,
        KEYS,
        causal(5),
        padding(5, 5, 2, 3),
        padding(7, 7, 3, 2),
        make=lambda nn: nn.TransformerDecoder(nn.TransformerDecoderLayer(12, 4, 17, 0.0, batch_first=True), 2),
        use=DECODED,
    ),
)


def lengths(*values: Any) -> Draw:
    """How many keys count, of int."""
    return lambda _: torch.tensor(values)


def outputs_and_weights(module: Any, *inputs: Any) -> Any:
    """What the queries see, and the weights that were kept, times something that has a gradient."""
    y = module(*inputs)
    return y, module.weights * y.sum(-1, keepdim=True)


EACH_QUERY = lengths((7, 2, 0, 5, 1), (3, 3, 6, 7, 4), (0, 1, 2, 3, 4))
ADDED: dict[str, Any] = {"args": (12, 5, 13), "keep_weights": True, "use": outputs_and_weights}
SCORED = ((3, 5, 5), KEYS, (3, 7, 11))  # queries of 5 features, keys of 12, values of 11

SCORES = (
    row("", "AdditiveAttention", *SCORED, **ADDED),
    row("lengths, one of them 0", "AdditiveAttention", *SCORED, lengths(7, 0, 5), **ADDED),
    row("lengths of each query", "AdditiveAttention", *SCORED, EACH_QUERY, **ADDED),
    row("dropout", "AdditiveAttention", *SCORED, lengths(7, 2, 5), args=(12, 5, 13, 0.3)),
    row("", "DotProductAttention", QUERIES, KEYS, (3, 7, 12)),
    row("lengths, one of them 0", "DotProductAttention", QUERIES, KEYS, (3, 7, 12), lengths(7, 0, 5)),
    row("lengths of each query, values of another size", "DotProductAttention", QUERIES, KEYS, (3, 7, 11), EACH_QUERY),
    row(
        "in heads, not scaled",
        "DotProductAttention",
        (3, 2, 5, 12),
        (3, 2, 7, 12),
        (3, 2, 7, 12),
        EACH_QUERY,
        scaled=False,
    ),
    row(
        "weights kept",
        "DotProductAttention",
        QUERIES,
        KEYS,
        (3, 7, 11),
        lengths(7, 0, 5),
        keep_weights=True,
        use=outputs_and_weights,
    ),
    row("dropout", "DotProductAttention", QUERIES, KEYS, (3, 7, 11), args=(0.3,)),
    row("evaluation", "DotProductAttention", QUERIES, KEYS, (3, 7, 11), args=(0.3,), training=False),
)

SEQUENCES = (*RECURRENT, *ATTENTION, *SCORES, *TRANSFORMER)
