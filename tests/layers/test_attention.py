"""Laws of attention and of the Transformer's layers, and wrong input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention as torchs

from fathom import layers
from fathom.errors import InputError, ShapeError, UnknownNameError
from fathom.layers.functional import scaled_dot_product_attention
from fathom.ops.attention import causal_mask

seeds = st.integers(0, 10_000)
steps = st.integers(1, 6)
laws = settings(max_examples=20, deadline=None)


def numbers(*shape):
    return torch.randn(shape, dtype=torch.float64)


def attention(**options):
    return layers.MultiheadAttention(6, 2, batch_first=True, **options).double().eval()


def encoder(**options):
    return layers.TransformerEncoderLayer(6, 2, 7, batch_first=True, **options).double().eval()


def decoder(**options):
    return layers.TransformerDecoderLayer(6, 2, 7, batch_first=True, **options).double().eval()


@laws
@given(queries=steps, keys=steps, seed=seeds)
def test_attention_is_a_mean_of_values_by_the_definition(queries, keys, seed):
    torch.manual_seed(seed)
    query, key, value = numbers(queries, 3), numbers(keys, 3), numbers(keys, 5)
    expected = torch.zeros(queries, 5, dtype=torch.float64)
    for i in range(queries):
        powers = [math.exp(sum(float(a * b) for a, b in zip(query[i], k, strict=True)) / math.sqrt(3)) for k in key]
        for power, v in zip(powers, value, strict=True):
            expected[i] += power / sum(powers) * v
    torch.testing.assert_close(scaled_dot_product_attention(query, key, value), expected)


@pytest.mark.parametrize(
    "options",
    [{}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": "bool"}, {"attn_mask": "float"}],
    ids=str,
)
def test_scaled_dot_product_attention_equals_torchs(options):
    torch.manual_seed(0)
    inputs = [numbers(2, 3, 5, 7).requires_grad_() for _ in range(3)]
    if "attn_mask" in options:
        options = {"attn_mask": numbers(5, 5) if options["attn_mask"] == "float" else numbers(3, 5, 5) > -0.5}
    ours, theirs = scaled_dot_product_attention(*inputs, **options), torchs(*inputs, **options)
    torch.testing.assert_close(ours, theirs)
    gradients = (torch.autograd.grad(y.square().sum(), inputs) for y in (ours, theirs))
    torch.testing.assert_close(*gradients)


def test_a_query_that_may_look_nowhere_gets_zeros_and_no_nan_gradient():
    torch.manual_seed(0)
    inputs = [numbers(3, 5).requires_grad_() for _ in range(3)]
    may_look = torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    y = scaled_dot_product_attention(*inputs, may_look)
    assert y[1].eq(0).all()
    torch.testing.assert_close(y, torchs(*inputs, may_look))
    assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), inputs))


def test_huge_scores_do_not_overflow():
    x = 1e4 * torch.eye(3)
    torch.testing.assert_close(scaled_dot_product_attention(x, x, torch.eye(3)), torch.eye(3))


@laws
@given(queries=steps, keys=steps, seed=seeds)
def test_weights_of_every_query_sum_to_one(queries, keys, seed):
    torch.manual_seed(seed)
    _, weights = attention()(numbers(2, queries, 6), numbers(2, keys, 6), numbers(2, keys, 6))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, queries, dtype=torch.float64))
    assert (weights >= 0).all()


@laws
@given(queries=steps, kept=steps, padded=st.integers(0, 4), seed=seeds)
def test_a_padding_mask_is_the_same_as_dropping_the_padding(queries, kept, padded, seed):
    torch.manual_seed(seed)
    layer, query, key, value = attention(), numbers(2, queries, 6), numbers(2, kept + padded, 6), None
    value = numbers(2, kept + padded, 6)
    padding = (torch.arange(kept + padded) >= kept).expand(2, -1)
    y, weights = layer(query, key, value, key_padding_mask=padding)
    expected, _ = layer(query, key[:, :kept], value[:, :kept])
    torch.testing.assert_close(y, expected)
    assert weights[..., kept:].eq(0).all()


@pytest.mark.parametrize("norm_first", [False, True])
@laws
@given(kept=steps, padded=st.integers(0, 4), seed=seeds)
def test_a_padded_encoder_sees_only_what_is_not_padding(norm_first, kept, padded, seed):
    torch.manual_seed(seed)
    layer, x = encoder(norm_first=norm_first), numbers(2, kept + padded, 6)
    padding = (torch.arange(kept + padded) >= kept).expand(2, -1)
    torch.testing.assert_close(layer(x, src_key_padding_mask=padding)[:, :kept], layer(x[:, :kept]))


@laws
@given(known=steps, later=st.integers(1, 4), seed=seeds)
def test_a_causal_layer_cannot_see_the_future(known, later, seed):
    torch.manual_seed(seed)
    x, memory = numbers(2, known + later, 6), numbers(2, 3, 6)
    changed = torch.cat((x[:, :known], numbers(2, later, 6)), 1)
    mask = causal_mask(known + later)
    coder, stack = encoder(), layers.TransformerDecoder(decoder(), 2).eval()
    torch.testing.assert_close(coder(x, mask)[:, :known], coder(changed, mask)[:, :known])
    ours, theirs = (stack(y, memory, mask, tgt_is_causal=True)[:, :known] for y in (x, changed))
    torch.testing.assert_close(ours, theirs)
    assert (coder(x)[:, :known] - coder(changed)[:, :known]).abs().max() > 0  # without the mask it does


@laws
@given(count=steps, seed=seeds)
def test_without_positions_attention_does_not_know_the_order_of_keys(count, seed):
    torch.manual_seed(seed)
    layer, query, key, value = attention(), numbers(2, 3, 6), numbers(2, count, 6), numbers(2, count, 6)
    order = torch.randperm(count)
    torch.testing.assert_close(layer(query, key[:, order], value[:, order])[0], layer(query, key, value)[0])


@laws
@given(count=steps, seed=seeds)
def test_examples_of_a_batch_do_not_see_each_other(count, seed):
    torch.manual_seed(seed)
    x, memory, order = numbers(3, count, 6), numbers(3, 2, 6), torch.randperm(3)
    layer = decoder()
    torch.testing.assert_close(layer(x, memory)[order], layer(x[order], memory[order]))


def test_layers_of_a_stack_are_copies_with_weights_of_their_own():
    stack = layers.TransformerEncoder(encoder(), 3, layers.LayerNorm(6))
    torch.testing.assert_close(stack.layers[0].linear1.weight, stack.layers[2].linear1.weight)
    assert stack.layers[0].linear1.weight is not stack.layers[2].linear1.weight


def test_no_layer_of_torchs_is_inside():
    stack = layers.TransformerDecoder(decoder(), 2, layers.LayerNorm(6))
    leaves = [part for part in stack.modules() if not list(part.children())]
    assert all(type(part).__module__.startswith("fathom.") for part in leaves)


def test_an_activation_may_be_a_function():
    def plain(x):
        return x

    assert encoder(activation=plain).activation is plain
    with pytest.raises(UnknownNameError, match="unknown activation 'rely'"):
        encoder(activation="rely")


@pytest.mark.parametrize("heads", [0, 4, 7])
def test_a_number_of_heads_that_does_not_divide_is_refused(heads):
    with pytest.raises(InputError, match=f"num_heads: expected a divisor of embed_dim=6, got {heads}"):
        layers.MultiheadAttention(6, heads)
    with pytest.raises(InputError, match="num_heads: expected a divisor"):
        layers.TransformerEncoderLayer(6, heads)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((2, 3, 5), (2, 3, 6), (2, 3, 6)), {}, "query: expected 6 features"),
        (((2, 3, 6), (2, 4, 6), (2, 5, 6)), {}, "key, value: expected a batch of 2 and 4 steps in both"),
        (((2, 3, 6), (4, 6), (4, 6)), {}, "query, key, value: expected all with a batch"),
        (((2, 3, 6), (2, 4, 6), (2, 4, 6)), {"attn_mask": (4, 3)}, r"attn_mask: expected \(3, 4\) or \(4, 3, 4\)"),
        (((2, 3, 6), (2, 4, 6), (2, 4, 6)), {"key_padding_mask": (4, 2)}, r"key_padding_mask: expected \(2, 4\)"),
    ],
)
def test_what_does_not_fit_is_told_what_would(shapes, options, message):
    masks = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in options.items()}
    with pytest.raises(ShapeError, match=message):
        attention()(*(numbers(*shape) for shape in shapes), **masks)


def test_wrong_words_to_attention_are_refused():
    x = numbers(2, 3, 6)
    with pytest.raises(InputError, match="is_causal: expected attn_mask"):
        attention()(x, x, x, is_causal=True)
    with pytest.raises(InputError, match="dropout: expected a probability"):
        attention(dropout=2.0)
    with pytest.raises(InputError, match="attn_mask: expected none with is_causal"):
        scaled_dot_product_attention(x, x, x, causal_mask(3), is_causal=True)
    with pytest.raises(ShapeError, match="key: expected 6 features"):
        scaled_dot_product_attention(x, numbers(2, 3, 5), x)
    with pytest.raises(ShapeError, match="value: expected 3 steps"):
        scaled_dot_product_attention(x, x, numbers(2, 4, 6))
