"""Attention by lengths: the definition in loops, torch's own functions, laws of the weights, wrong input."""

import copy
import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.masked import softmax as torchs_masked_softmax

from fathom import autograd, layers
from fathom.autograd import nn as engine_nn
from fathom.errors import InputError, ShapeError
from fathom.layers import composed
from fathom.ops.attention import masked_softmax, within

laws = settings(max_examples=20, deadline=None)
seeds = st.integers(0, 10_000)
RUNGS = pytest.mark.parametrize("namespace", [nn, layers], ids=["torch", "scratch"])
ROWS = {"1-D": torch.tensor([7, 0, 2]), "2-D": torch.tensor([[7, 0, 1, 4, 5], [3, 3, 3, 0, 7], [1, 2, 6, 7, 2]])}


def numbers(*shape):
    return torch.randn(shape, dtype=torch.float64)


def brute_force(score, queries, keys, values, lengths):
    """One number at a time; `score` of two rows of numbers, lengths `(batch, queries)`."""
    found = torch.zeros(*queries.shape[:2], values.shape[2], dtype=torch.float64)
    weights = torch.zeros(*queries.shape[:2], keys.shape[1], dtype=torch.float64)
    for b, q in torch.cartesian_prod(*map(torch.arange, queries.shape[:2])).tolist():
        powers = [math.exp(score(queries[b, q].tolist(), k.tolist())) for k in keys[b, : int(lengths[b, q])]]
        for k, power in enumerate(powers):
            weights[b, q, k] = power / sum(powers)
            found[b, q] += power / sum(powers) * values[b, k]
    return found, weights


def dot(query, key):
    return sum(a * b for a, b in zip(query, key, strict=True))


def additive(layer):
    u, w, v = (part.weight.tolist() for part in (layer.key, layer.query, layer.score))
    return lambda query, key: sum(
        v[0][i] * math.tanh(dot(w[i], query) + dot(u[i], key)) for i in range(layer.score.weight.shape[1])
    )


def each_query(lengths, queries):
    return lengths if lengths.dim() == 2 else lengths[:, None].expand(-1, queries)


@pytest.mark.parametrize("axes", ROWS)
@RUNGS
def test_additive_attention_is_its_definition_in_loops(namespace, axes):
    torch.manual_seed(0)
    layer = composed.layer(namespace, "AdditiveAttention")(3, 2, 5, keep_weights=True).double()
    queries, keys, values = numbers(3, 5, 2), numbers(3, 7, 3), numbers(3, 7, 11)
    expected = brute_force(additive(layer), queries, keys, values, each_query(ROWS[axes], 5))
    torch.testing.assert_close((layer(queries, keys, values, ROWS[axes]), layer.weights), expected)


@pytest.mark.parametrize("keep_weights", [False, True], ids=["fused", "weights kept"])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("axes", ROWS)
@RUNGS
def test_dot_product_attention_is_its_definition_in_loops(namespace, axes, scaled, keep_weights):
    torch.manual_seed(0)
    layer = composed.layer(namespace, "DotProductAttention")(scaled=scaled, keep_weights=keep_weights)
    queries, keys, values = numbers(3, 5, 2), numbers(3, 7, 2), numbers(3, 7, 11)
    scale = 1 / math.sqrt(2) if scaled else 1.0
    expected, weights = brute_force(lambda q, k: scale * dot(q, k), queries, keys, values, each_query(ROWS[axes], 5))
    torch.testing.assert_close(layer(queries, keys, values, ROWS[axes]), expected)
    if keep_weights:
        torch.testing.assert_close(layer.weights, weights)
    else:
        assert layer.weights is None


@laws
@given(queries=st.integers(1, 5), keys=st.integers(1, 7), heads=st.integers(1, 3), seed=seeds)
def test_masked_softmax_equals_torchs_of_masked_tensors(queries, keys, heads, seed):
    torch.manual_seed(seed)
    scores = numbers(2, heads, queries, keys)
    for lengths in (torch.randint(1, keys + 1, (2,)), torch.randint(1, keys + 1, (2, queries))):
        ends = each_query(lengths, queries)
        mask = torch.stack([torch.arange(keys) < end for end in ends.flatten()]).view(2, 1, queries, keys)
        mask = mask.expand_as(scores)
        expected = torchs_masked_softmax(scores, -1, mask=mask).masked_fill(~mask, 0.0)
        torch.testing.assert_close(masked_softmax(scores, lengths), expected)


@laws
@given(queries=st.integers(1, 5), keys=st.integers(1, 7), seed=seeds, size=st.sampled_from([1.0, 1e3, 1e300]))
def test_rows_sum_to_one_and_are_zero_past_their_length(queries, keys, seed, size):
    torch.manual_seed(seed)
    scores, lengths = size * numbers(2, queries, keys), torch.randint(0, keys + 1, (2, queries))
    weights = masked_softmax(scores, lengths)
    torch.testing.assert_close(weights.sum(-1), (lengths > 0).double())
    assert weights[~within(lengths, scores.shape)].eq(0).all()


@pytest.mark.parametrize("lengths", [None, *ROWS.values()], ids=["none", *ROWS])
def test_the_callers_scores_are_left_as_they_were(lengths):
    scores = numbers(3, 5, 7)
    before = scores.clone()
    masked_softmax(scores, lengths)
    assert torch.equal(scores, before)


def test_a_length_of_zero_gives_zeros_and_a_gradient_without_nan():
    scores = numbers(2, 5, 7).requires_grad_()
    weights = masked_softmax(scores, torch.tensor([0, 3]))
    (gradient,) = torch.autograd.grad(weights.square().sum(), scores)
    assert weights[0].eq(0).all()
    assert gradient[0].eq(0).all()
    assert gradient[1, :, :3].ne(0).all()
    assert gradient[1, :, 3:].eq(0).all()


def test_scores_without_queries_take_a_length_each():
    scores = numbers(2, 3)
    torch.testing.assert_close(
        masked_softmax(scores, torch.tensor([2, 3])),
        torch.stack([torch.cat([scores[0, :2].softmax(0), torch.zeros(1)]), scores[1].softmax(0)]),
    )


@pytest.mark.parametrize("name", ["AdditiveAttention", "DotProductAttention"])
@RUNGS
def test_padding_and_batch_size_change_nothing(namespace, name):
    torch.manual_seed(0)
    arguments = (2, 2, 5) if name == "AdditiveAttention" else ()
    layer = composed.layer(namespace, name)(*arguments).double()
    queries, keys, values, lengths = numbers(3, 5, 2), numbers(3, 7, 2), numbers(3, 7, 2), torch.tensor([7, 3, 1])
    together = layer(queries, keys, values, lengths)
    for row, length in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone = layer(queries[one], keys[one, :length], values[one, :length])
        torch.testing.assert_close(together[one], alone)


@RUNGS
def test_projected_keys_may_be_asked_again_and_again(namespace):
    torch.manual_seed(0)
    layer = composed.layer(namespace, "AdditiveAttention")(3, 2, 5).double()
    queries, keys, values, lengths = numbers(3, 5, 2), numbers(3, 7, 3), numbers(3, 7, 11), torch.tensor([7, 3, 1])
    projected = layer.project(keys)
    steps = [layer.attend(queries[:, [step]], projected, values, lengths) for step in range(5)]
    torch.testing.assert_close(torch.cat(steps, 1), layer(queries, keys, values, lengths))


@RUNGS
def test_a_layer_that_kept_its_weights_can_be_copied_and_pickled(namespace):
    layer = composed.layer(namespace, "AdditiveAttention")(3, 2, 5, keep_weights=True)
    layer(torch.randn(3, 5, 2), torch.randn(3, 7, 3), torch.randn(3, 7, 11))
    assert torch.equal(copy.deepcopy(layer).weights, layer.weights)
    assert torch.equal(pickle.loads(pickle.dumps(layer)).weights, layer.weights)


def test_without_heads_too_torchs_fused_kernel_is_used(monkeypatch):
    seen = []
    fused = nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        nn.functional, "scaled_dot_product_attention", lambda *x, **named: seen.append(x[0].dim()) or fused(*x, **named)
    )
    layer, x = composed.DotProductAttention(), torch.randn(3, 5, 8)
    layer(x, x, x, torch.tensor([1, 2, 3]))
    assert seen == [4]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (torch.tensor([1, 8, 2]), r"lengths: expected 0 to 7, the number of keys, got 8"),
        (torch.tensor([1, -1, 2]), r"lengths: expected 0 to 7, the number of keys, got -1"),
        (torch.tensor([1.0, 2.0, 3.0]), r"lengths: expected whole numbers, got torch.float32; use long\(\)"),
    ],
)
@RUNGS
def test_lengths_that_are_no_counts_of_keys_are_refused(namespace, lengths, message):
    layer, x = composed.layer(namespace, "DotProductAttention")(), torch.randn(3, 5, 2)
    with pytest.raises(InputError, match=message):
        layer(x, torch.randn(3, 7, 2), torch.randn(3, 7, 2), lengths)


@pytest.mark.parametrize("lengths", [torch.ones(5).long(), torch.ones(3, 7).long(), torch.tensor(1)], ids=str)
def test_lengths_of_another_shape_are_refused(lengths):
    with pytest.raises(ShapeError, match=r"lengths: expected \(3,\), one for each example or \(3, 5\), one for each"):
        masked_softmax(torch.randn(3, 5, 7), lengths)
    with pytest.raises(ShapeError, match=r"lengths: expected \(3,\), one for each example, got"):
        masked_softmax(torch.randn(3, 7), lengths)


@RUNGS
def test_keys_and_values_that_do_not_fit_are_refused(namespace):
    layer, x = composed.layer(namespace, "DotProductAttention")(), torch.randn(3, 5, 2)
    with pytest.raises(ShapeError, match=r"keys: expected 2 features, those of the queries, got \(3, 7, 11\)"):
        layer(x, torch.randn(3, 7, 11), torch.randn(3, 7, 2))
    with pytest.raises(ShapeError, match=r"values: expected 7, one for each key, got \(3, 5, 2\)"):
        layer(x, torch.randn(3, 7, 2), x)
    with pytest.raises(ShapeError, match=r"values: expected 7, one for each key, got \(3, 5, 2\)"):
        composed.layer(namespace, "AdditiveAttention")(2, 2, 3)(x, torch.randn(3, 7, 2), x)


@pytest.mark.parametrize("name", ["AdditiveAttention", "DotProductAttention"])
@RUNGS
def test_a_dropout_that_is_no_probability_is_refused(namespace, name):
    arguments = (2, 2, 5) if name == "AdditiveAttention" else ()
    with pytest.raises(InputError, match=r"dropout: expected a probability from 0 to 1, got 1\.5"):
        composed.layer(namespace, name)(*arguments, dropout=1.5)


@pytest.mark.parametrize(
    ("lengths", "message"), [([1, 8], "lengths: expected 0 to 7"), ([1, 2, 3], r"lengths: expected \(2,\)")]
)
def test_the_engine_refuses_lengths_that_do_not_fit(lengths, message):
    layer, x = engine_nn.DotProductAttention(), autograd.zeros(2, 7, 3)
    with pytest.raises(autograd.ShapeError, match=message):
        layer(x, x, x, autograd.Tensor(lengths))
