import math

import pytest
import torch
from torch import nn

from fathom import autograd, layers, models
from fathom.errors import InputError, ShapeError, UnknownNameError
from fathom.models.headed_attention import CrossAttention, SelfAttention, weights_kept
from fathom.models.transformer_blocks import DecoderBlock, EncoderBlock, FeedForward, Positions

FEATURES, HEADS, UNITS = 12, 3, 7
LENGTHS = torch.tensor([5, 2, 1])
norms = pytest.mark.parametrize("norm_first", [False, True], ids=["norm-last", "norm-first"])
activations = pytest.mark.parametrize("activation", ["relu", "gelu"])


def numbers(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def double(module):
    """In evaluation mode, every parameter drawn anew, so that no scale is 1 and no shift 0."""
    with torch.no_grad():
        for parameter in module.double().parameters():
            parameter.uniform_(-0.5, 0.5)
    return module.eval()


def here(steps):
    return (torch.arange(steps) < LENGTHS[:, None])[:, None, None]


# --- beside torch's layers ------------------------------------------------------------------------------------------


def as_theirs(attention):
    """The state of a `torch.nn.MultiheadAttention` with the weights of ours."""
    own = dict(attention.named_parameters())
    if "qkv.weight" in own:
        joined = {part: own[f"qkv.{part}"] for part in ("weight", "bias")}
    else:
        joined = {part: torch.cat([own[f"query.{part}"], own[f"keys_values.{part}"]]) for part in ("weight", "bias")}
    return {
        "in_proj_weight": joined["weight"],
        "in_proj_bias": joined["bias"],
        "out_proj.weight": own["out.weight"],
        "out_proj.bias": own["out.bias"],
    }


def mapped(block):
    """The state of torch's encoder or decoder layer with the weights of our block."""
    parts = {"linear1": block.feed_forward.linear1, "linear2": block.feed_forward.linear2}
    around = [block.add_attention, block.add_feed_forward]
    state = {f"self_attn.{name}": tensor for name, tensor in as_theirs(block.attention).items()}
    if getattr(block, "cross", None) is not None:
        around.insert(1, block.add_cross)
        state |= {f"multihead_attn.{name}": tensor for name, tensor in as_theirs(block.cross).items()}
    parts |= {f"norm{number}": add.norm for number, add in enumerate(around, 1)}
    for name, part in parts.items():
        state |= {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
    return state


def test_self_attention_equals_torchs_in_value_gradient_and_weights():
    ours, x = double(SelfAttention(FEATURES, HEADS)), numbers(3, 5, FEATURES).requires_grad_()
    theirs = nn.MultiheadAttention(FEATURES, HEADS, batch_first=True).double().eval()
    theirs.load_state_dict(as_theirs(ours))
    padding = torch.arange(5) >= LENGTHS[:, None]
    expected, weights = theirs(x, x, x, key_padding_mask=padding, average_attn_weights=False)
    with weights_kept(ours):
        kept, _ = ours(x, here(5))
        torch.testing.assert_close(ours.weights, weights)
    y, _ = ours(x, here(5))
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(kept, expected)
    grads = [torch.autograd.grad(out.sin().sum(), x, retain_graph=True)[0] for out in (y, kept, expected)]
    torch.testing.assert_close(grads[0], grads[2])
    torch.testing.assert_close(grads[1], grads[2])


@norms
@activations
def test_an_encoder_block_equals_torchs(norm_first, activation):
    ours = double(EncoderBlock(FEATURES, HEADS, UNITS, 0.3, norm_first, activation=activation))
    theirs = nn.TransformerEncoderLayer(
        FEATURES, HEADS, UNITS, activation=activation, norm_first=norm_first, batch_first=True
    ).double()
    theirs.load_state_dict(mapped(ours))
    x = numbers(3, 5, FEATURES).requires_grad_()
    expected = theirs.eval()(x, src_key_padding_mask=torch.arange(5) >= LENGTHS[:, None])
    found = ours(x, here(5))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(out.sin().sum(), x)[0] for out in (found, expected)))


@norms
@activations
def test_a_decoder_block_equals_torchs(norm_first, activation):
    ours = double(DecoderBlock(FEATURES, HEADS, UNITS, 0.3, norm_first, activation=activation))
    theirs = nn.TransformerDecoderLayer(
        FEATURES, HEADS, UNITS, activation=activation, norm_first=norm_first, batch_first=True
    ).double()
    theirs.load_state_dict(mapped(ours))
    x, memory = numbers(3, 4, FEATURES).requires_grad_(), numbers(3, 5, FEATURES, seed=2)
    ahead = torch.ones(4, 4, dtype=torch.bool).triu(1)
    padding = torch.arange(5) >= LENGTHS[:, None]
    expected = theirs.eval()(x, memory, tgt_mask=ahead, memory_key_padding_mask=padding)
    found, _ = ours(x, None, None, ours.cross.project(memory), here(5))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(out.sin().sum(), x)[0] for out in (found, expected)))


@pytest.mark.slow
def test_blocks_equal_those_of_marian_by_mapped_weights():
    marian = pytest.importorskip("transformers.models.marian.modeling_marian")
    from transformers import MarianConfig

    config = MarianConfig(
        vocab_size=11,
        d_model=FEATURES,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=UNITS,
        decoder_ffn_dim=UNITS,
        activation_function="relu",
        pad_token_id=1,
        attn_implementation="eager",
    )
    encoder, decoder = double(EncoderBlock(FEATURES, HEADS, UNITS)), double(DecoderBlock(FEATURES, HEADS, UNITS))
    x, memory = numbers(3, 4, FEATURES), numbers(3, 5, FEATURES, seed=2)
    theirs = marian.MarianEncoderLayer(config).double().eval()
    theirs.load_state_dict(marians(encoder))
    found = theirs(memory, None)
    torch.testing.assert_close(encoder(memory), found[0] if isinstance(found, tuple) else found)
    theirs = marian.MarianDecoderLayer(config, layer_idx=0).double().eval()
    theirs.load_state_dict(marians(decoder))
    ahead = torch.zeros(4, 4, dtype=torch.float64).masked_fill(torch.ones(4, 4).triu(1).bool(), -math.inf)
    found = theirs(x, ahead[None, None], encoder_hidden_states=memory, use_cache=False)
    expected = found[0] if isinstance(found, tuple) else found
    torch.testing.assert_close(decoder(x, None, None, decoder.cross.project(memory))[0], expected)


def marians(block):
    """Our block's weights by Marian's names."""
    pairs = [("fc1", block.feed_forward.linear1), ("fc2", block.feed_forward.linear2)]
    pairs += [("self_attn_layer_norm", block.add_attention.norm), ("final_layer_norm", block.add_feed_forward.norm)]
    attentions = {"self_attn": block.attention}
    if getattr(block, "cross", None) is not None:
        attentions["encoder_attn"] = block.cross
        pairs.append(("encoder_attn_layer_norm", block.add_cross.norm))
    state = {f"{name}.{part}": getattr(layer, part) for name, layer in pairs for part in ("weight", "bias")}
    for name, attention in attentions.items():
        theirs = as_theirs(attention)
        for part in ("weight", "bias"):
            for letter, chunk in zip("qkv", theirs[f"in_proj_{part}"].chunk(3), strict=True):
                state[f"{name}.{letter}_proj.{part}"] = chunk
            state[f"{name}.out_proj.{part}"] = theirs[f"out_proj.{part}"]
    return state


@norms
def test_the_blocks_of_three_rungs_give_one_value_and_gradient(norm_first):
    x, memory = numbers(3, 4, FEATURES), numbers(3, 5, FEATURES, seed=2)
    state, found = double(DecoderBlock(FEATURES, HEADS, UNITS, 0.3, norm_first)).state_dict(), []
    for rung in ("torch", "scratch", "numpy"):
        block = DecoderBlock(FEATURES, HEADS, UNITS, 0.3, norm_first, nn=layers.namespace(rung)).double().eval()
        numpy = rung == "numpy"
        block.load_state_dict({name: tensor.numpy() for name, tensor in state.items()} if numpy else state)
        given, seen = ((autograd.from_numpy(each.numpy()) if numpy else each) for each in (x, memory))
        first, cache = block(given[:, :3], None, None, block.cross.project(seen))
        last, _ = block(given[:, 3:], None, cache, block.cross.project(seen))
        (first.sin().sum() + last.sin().sum()).backward()
        weight = block.attention.qkv.weight.grad
        found.append([torch.as_tensor(each.detach().numpy()) for each in (first, last, weight)])
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


# --- laws -----------------------------------------------------------------------------------------------------------

SIZES = {"source_vocab_size": 13, "target_vocab_size": 11, "d_model": 12, "num_heads": 3, "num_layers": 2, "d_ff": 7}
KINDS = {
    "the-papers": {},
    "norm-first": {"norm_first": True},
    "learned": {"positions": "learned", "max_steps": 20},
    "relative": {"positions": "relative"},
    "one-vocabulary": {"shared": True, "source_vocab_size": 11},
    "crippled": {"scaled": False, "averaged": True, "residual": False, "d_ff": 0},
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
SOURCES = torch.tensor([7, 3, 1, 5])


def build(kind, **changes):
    torch.manual_seed(0)
    return double(models.create("transformer", **{**SIZES, **kind, **changes}))


def batch():
    random = torch.Generator().manual_seed(1)
    return torch.randint(11, (4, 7), generator=random), torch.randint(11, (4, 6), generator=random)


@every_kind
def test_whole_sequences_token_by_token_and_by_parts_give_the_same_logits(kind):
    model, (source, given) = build(kind).float(), batch()
    whole = model(source, SOURCES, given).view(4, 6, 11)
    for cuts in ([1] * 6, [2, 3, 1]):
        state, parts = model.encode(source, SOURCES), []
        for tokens in given.split(cuts, dim=1):
            logits, state = model.decode(tokens, state)
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-5)
    for stop in range(1, 7):  # without a cache, all that was said goes through anew
        logits, _ = model.decode(given[:, :stop], model.encode(source, SOURCES))
        torch.testing.assert_close(logits[:, -1], whole[:, stop - 1], rtol=0, atol=1e-5)


@every_kind
def test_each_token_goes_through_the_decoder_once(kind):
    model, (source, given) = build(kind), batch()
    _, state = model.decode(given, model.encode(source, SOURCES))
    assert [keys.shape for keys, _ in state["past"]] == [(4, 3, 6, 4)] * 2
    _, after = model.decode(given[:, :1], state)
    assert [values.shape for _, values in after["past"]] == [(4, 3, 7, 4)] * 2
    assert after["source"] is state["source"]


@every_kind
def test_kept_weights_change_nothing_and_sum_to_one(kind):
    model, (source, given) = build(kind), batch()
    plain = model(source, SOURCES, given)
    with weights_kept(model) as attentions:
        torch.testing.assert_close(model(source, SOURCES, given), plain)
        shapes = {name: tuple(part.weights.shape) for name, part in attentions.items()}
        for attention in attentions.values():
            torch.testing.assert_close(attention.weights.sum(-1), torch.ones_like(attention.weights[..., 0]))
    assert shapes == {
        **{f"encoder.{block}.attention": (4, 3, 7, 7) for block in range(2)},
        **{f"decoder.{block}.attention": (4, 3, 6, 6) for block in range(2)},
        **{f"decoder.{block}.cross": (4, 3, 6, 7) for block in range(2)},
    }
    assert all(attention.weights is None for attention in attentions.values())


def test_who_may_look_nowhere_sees_nothing_whether_weights_are_kept_or_not():
    attention, x = SelfAttention(12, 3).eval(), torch.randn(2, 5, 12)
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    mask[1, 0, 2] = False
    plain, _ = attention(x, mask)
    with weights_kept(attention):
        torch.testing.assert_close(attention(x, mask)[0], plain)
        assert bool((attention.weights[1, :, 2] == 0).all())


def test_no_weight_lies_ahead_or_behind_the_end_of_the_source():
    model, (source, given) = build({}), batch()
    with weights_kept(model) as attentions:
        model(source, SOURCES, given)
        ahead = torch.ones(6, 6, dtype=torch.bool).triu(1)
        behind = torch.arange(7) >= SOURCES[:, None]
        for name, part in attentions.items():
            if name.startswith("decoder") and name.endswith("attention"):
                assert bool((part.weights[..., ahead] == 0).all())
            else:
                assert bool((part.weights.transpose(1, 3)[behind] == 0).all())


def test_without_positions_the_encoder_is_equivariant_to_the_order_of_its_steps():
    order = torch.tensor([3, 0, 6, 2, 5, 1, 4])
    for positions, same in (("none", True), ("sinusoidal", False), ("relative", False), ("learned", False)):
        model, (source, _) = build({"positions": positions}), batch()
        full = torch.full((4,), 7)
        plain, mixed = (model.encode(x, full)["source"][0][0][0] for x in (source, source[:, order]))
        assert torch.allclose(plain[:, :, order], mixed) == same


def test_the_alignment_is_the_mean_of_the_last_blocks_heads():
    model, (source, given) = build({}), batch()
    weights = model.align(source, SOURCES, given)
    assert weights.shape == (4, 6, 7)
    torch.testing.assert_close(weights.sum(2), torch.ones(4, 6).double())
    assert bool((weights[1, :, 3:] == 0).all())
    assert model.decoder[-1].cross.weights is None


def test_a_shared_table_is_embedding_and_output_of_both_sides():
    model, (source, given) = build({"shared": True, "source_vocab_size": 11}), batch()
    assert [name for name, _ in model.named_parameters() if "embedding" in name] == ["embedding.weight"]
    with torch.no_grad():
        before = model(source, SOURCES, given)
        model.embedding.weight.mul_(2)
        assert not torch.allclose(model(source, SOURCES, given), before)


def test_embeddings_are_scaled_by_the_root_of_their_size():
    model, (source, _) = build({"positions": "none"}), batch()
    seen = []
    model.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.encode(source, SOURCES)
    torch.testing.assert_close(seen[0], model.source_embedding.weight[source] * math.sqrt(12))


def test_dropout_acts_where_the_paper_has_it():
    model = models.create("transformer", **SIZES, dropout=0.3)
    dropping = sorted(name for name, part in model.named_modules() if isinstance(part, nn.Dropout))
    around = [f"encoder.{block}.add_{what}.dropout" for block in range(2) for what in ("attention", "feed_forward")]
    around += [
        f"decoder.{block}.add_{what}.dropout" for block in range(2) for what in ("attention", "cross", "feed_forward")
    ]
    assert dropping == sorted([*around, "dropout"])
    assert {part.dropout for part in model.modules() if hasattr(part, "keep_weights")} == {0.0}


@pytest.mark.parametrize(
    ("name", "d_model", "d_ff", "about", "papers"),
    [("transformer_base", 512, 2048, 63e6, 65e6), ("transformer_big", 1024, 4096, 214e6, 213e6)],
)
def test_base_and_big_have_the_parameters_of_the_formula(name, d_model, d_ff, about, papers):
    with torch.device("meta"):
        model = models.create(name)
    attention, feed_forward, norm = 4 * d_model * (d_model + 1), 2 * d_model * d_ff + d_ff + d_model, 2 * d_model
    encoder, decoder = attention + feed_forward + 2 * norm, 2 * attention + feed_forward + 3 * norm
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 37_000 * d_model + 6 * (encoder + decoder)
    assert count == pytest.approx(about, rel=0.005)
    assert count == pytest.approx(papers, rel=0.035)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 5}, r"num_heads: expected a divisor of d_model \(12\), got 5"),
        ({"d_model": 0}, "d_model: expected a whole number of at least 1, got 0"),
        ({"num_layers": 0}, "num_layers: expected a whole number of at least 1, got 0"),
        ({"d_ff": -1}, "d_ff: expected a whole number of at least 0, got -1"),
        ({"dropout": 1.0}, "dropout: expected a probability 0 <= p < 1, got 1.0"),
        ({"shared": True}, "shared: expected one vocabulary, got 13 and 11 tokens; load the pairs with shared=true"),
        ({"positions": "sinusoid"}, "unknown positions 'sinusoid'; did you mean 'sinusoidal'"),
    ],
)
def test_a_size_that_can_not_be_is_said(changes, message):
    with pytest.raises(InputError, match=message):
        models.create("transformer", **{**SIZES, **changes})


def test_a_text_longer_than_the_positions_is_said():
    model, (source, given) = build({"max_steps": 5}), batch()
    with pytest.raises(InputError, match="expected at most 5 steps, got 7; shorten the text or raise max_steps"):
        model.encode(source, SOURCES)
    _, state = model.decode(given[:, :4], model.encode(source[:, :5], SOURCES.clamp(max=5)))
    _, state = model.decode(given[:, :1], state)
    with pytest.raises(InputError, match="expected at most 5 steps, got 6"):
        model.decode(given[:, :1], state)


def test_a_cache_of_another_batch_size_is_said():
    model, (source, given) = build({}), batch()
    _, state = model.decode(given, model.encode(source, SOURCES))
    with pytest.raises(ShapeError, match="cache: expected 3 rows, as many as x has, got 4; pick its rows"):
        model.decode(given[:3], state)
    with pytest.raises(ShapeError, match="memory: expected 3 rows, as many as x has, got 4; pick its rows"):
        model.decode(given[:3], model.encode(source, SOURCES))


@pytest.mark.parametrize(("length", "got"), [(0, 0), (8, 8)])
def test_a_length_that_the_source_has_not_is_said(length, got):
    source, given = batch()
    with pytest.raises(InputError, match=f"source_length: expected 1 to 7, the steps of the source, got {got}"):
        build({})(source, torch.tensor([7, 3, length, 5]), given)


def test_a_part_that_can_not_be_is_said():
    with pytest.raises(UnknownNameError, match="unknown activation 'rely'; did you mean 'relu'"):
        FeedForward(3, 5, "rely")
    with pytest.raises(InputError, match="d_ff: expected a whole number of at least 1, got 0"):
        FeedForward(3, 0)
    with pytest.raises(InputError, match="max_steps: expected a whole number of at least 1, got 0"):
        Positions("learned", 0, 5)
    with pytest.raises(InputError, match="dropout: expected a probability 0 <= p < 1"):
        CrossAttention(6, 2, 1.5)
