import pytest
import torch
from torch.nn.functional import cross_entropy, gelu, layer_norm

from fathom import decoding, models
from fathom.errors import InputError, ShapeError
from fathom.models.gpt import GPT


def build(rung="torch", **changes):
    torch.manual_seed(0)
    sizes = {"vocab_size": 11, "hidden_size": 6, "num_heads": 2, "num_layers": 3, "max_steps": 7}
    return models.on_rung("gpt", rung, **{**sizes, **changes}).double().eval()


def tokens(*shape):
    return torch.randint(11, shape, generator=torch.Generator().manual_seed(1))


def by_hand(model, x):
    """The same from its weights alone, head by head and query by query."""
    weights = model.state_dict()
    size, heads = 6, 2
    steps = x.shape[1]
    y = weights["embedding.weight"][x] + weights["positions.learned.weight"][:steps]
    for block in range(3):
        own = {name.removeprefix(f"blocks.{block}."): value for name, value in weights.items()}
        normed = layer_norm(y, (size,), own["add_attention.norm.weight"], own["add_attention.norm.bias"])
        q, k, v = (normed @ own["attention.qkv.weight"].T + own["attention.qkv.bias"]).split(size, dim=-1)
        seen = torch.zeros_like(y)
        for head in range(heads):
            part = slice(head * size // heads, (head + 1) * size // heads)
            for now in range(steps):
                scores = (q[:, now : now + 1, part] * k[:, : now + 1, part]).sum(-1) / (size / heads) ** 0.5
                seen[:, now, part] = (scores.softmax(-1)[..., None] * v[:, : now + 1, part]).sum(1)
        y = y + seen @ own["attention.out.weight"].T + own["attention.out.bias"]
        normed = layer_norm(y, (size,), own["add_feed_forward.norm.weight"], own["add_feed_forward.norm.bias"])
        hidden = gelu(normed @ own["feed_forward.linear1.weight"].T + own["feed_forward.linear1.bias"])
        y = y + hidden @ own["feed_forward.linear2.weight"].T + own["feed_forward.linear2.bias"]
    return layer_norm(y, (size,), weights["norm.weight"], weights["norm.bias"]) @ weights["embedding.weight"].T


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_it_equals_its_equations_written_out(rung):
    model, x = build(rung), tokens(2, 5)
    torch.testing.assert_close(model(x)[0], by_hand(model, x))


def test_token_by_token_with_a_cache_it_says_what_it_says_of_the_whole():
    model, x = build(), tokens(2, 7)
    whole, state, logits = model(x)[0], None, []
    for token in x.split(1, dim=1):
        answer, state = model(token, state)
        logits.append(answer)
    torch.testing.assert_close(torch.cat(logits, dim=1), whole, rtol=0, atol=1e-12)


def test_in_pieces_of_any_length_it_says_the_same():
    model, x = build(), tokens(2, 7)
    begun, state = model(x[:, :3])
    torch.testing.assert_close(torch.cat([begun, model(x[:, 3:], state)[0]], dim=1), model(x)[0])


def test_the_future_changes_nothing():
    model, x = build(), tokens(2, 7)
    other = torch.cat([x[:, :4], (x[:, 4:] + 1) % 11], dim=1)
    assert torch.equal(model(x)[0][:, :4], model(other)[0][:, :4])
    assert not torch.allclose(model(x)[0][:, 4], model(other)[0][:, 4])


def test_where_a_token_stands_matters():
    model = build()
    logits = model(torch.full((1, 5), 3))[0]
    assert not torch.allclose(logits[:, 1], logits[:, 2])


def test_generating_beyond_the_positions_reads_the_last_ones_anew():
    model, x = build(), tokens(2, 4)
    model.embedding.weight.data *= 50  # else the next token is nearly a draw
    added = decoding.generate(model.step, x, 13)
    for _ in range(13):
        x = torch.cat([x, model(x[:, -7:])[0][:, -1].argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(added, x[:, 4:])


def test_a_long_prefix_is_read_by_its_end():
    model, x = build(), tokens(2, 12)
    torch.testing.assert_close(model.step(x)[0], model(x[:, -7:])[0][:, -1])


def test_rows_of_a_state_can_be_picked_for_a_search():
    model, x = build(), tokens(3, 2)
    found = decoding.beam(model.step, x[:, 1:], model(x[:, :1])[1], width=4, length=3, end=0, alpha=0.0)
    logits = model(x)[0][:, -1].log_softmax(-1)
    first = found.tokens[:, 0, 0]
    assert found.tokens.shape[:2] == (3, 1)
    assert (logits.gather(1, first[:, None]) > logits.topk(5).values[:, -1:]).all()


def test_the_embedding_is_learnt_from_both_its_ends():
    model, x = build(), torch.tensor([[1, 2, 3]])
    cross_entropy(model(x)[0].flatten(0, 1), torch.tensor([4, 5, 6])).backward()
    gradient = model.embedding.weight.grad
    assert (gradient.abs().sum(1) > 0).all()  # of tokens that were not read, too, since they were scored
    assert "output.weight" not in model.state_dict()


@pytest.mark.parametrize(("vocab", "size", "layers", "steps"), [(65, 128, 4, 64), (11, 6, 3, 7)])
def test_its_parameters_are_those_of_the_formula(vocab, size, layers, steps):
    model = GPT(vocab, size, 2, layers, steps)
    block = (4 * size**2 + 4 * size) + (8 * size**2 + 5 * size) + 4 * size
    assert sum(p.numel() for p in model.parameters()) == (vocab + steps) * size + layers * block + 2 * size


def test_what_adds_to_the_sum_through_all_blocks_starts_smaller():
    model = GPT(65, 128, 4, 8)
    assert model.blocks[0].attention.qkv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.blocks[7].attention.out.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    assert model.blocks[7].feed_forward.linear2.weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)


def test_bad_input_is_said():
    model = build()
    with pytest.raises(InputError, match="expected at most 7 steps, got 8"):
        model(tokens(2, 8))
    with pytest.raises(InputError, match="expected at most 7 steps, got 8"):
        model(tokens(2, 3), model(tokens(2, 5))[1])
    with pytest.raises(ShapeError, match="state: expected 2 rows, as many as tokens has, got 3"):
        model(tokens(2, 1), model(tokens(3, 1))[1])
    with pytest.raises(ShapeError, match="state: expected 2 rows, as many as tokens has, got 3"):
        model.step(tokens(2, 5), model(tokens(3, 5))[1])
    with pytest.raises(InputError, match=r"num_heads: expected a divisor of d_model \(6\), got 4"):
        build(num_heads=4)


@pytest.mark.slow
def test_with_its_weights_it_equals_gpt_2_of_transformers():
    transformers = pytest.importorskip("transformers")
    settings = transformers.GPT2Config(
        vocab_size=11, n_positions=7, n_embd=6, n_layer=3, n_head=2, activation_function="gelu"
    )
    theirs, ours, x = transformers.GPT2LMHeadModel(settings).double().eval(), build(), tokens(2, 7)
    names = {
        "ln_1": "add_attention.norm",
        "attn.c_attn": "attention.qkv",
        "attn.c_proj": "attention.out",
        "ln_2": "add_feed_forward.norm",
        "mlp.c_fc": "feed_forward.linear1",
        "mlp.c_proj": "feed_forward.linear2",
    }
    own = theirs.transformer.state_dict()
    mapped = {
        "embedding.weight": own["wte.weight"],
        "positions.learned.weight": own["wpe.weight"],
        "norm.weight": own["ln_f.weight"],
        "norm.bias": own["ln_f.bias"],
    }
    for block in range(3):
        for name, our in names.items():
            weight = own[f"h.{block}.{name}.weight"]
            mapped[f"blocks.{block}.{our}.weight"] = weight.T if weight.dim() > 1 else weight  # theirs are `(in, out)`
            mapped[f"blocks.{block}.{our}.bias"] = own[f"h.{block}.{name}.bias"]
    ours.load_state_dict(mapped)
    torch.testing.assert_close(ours(x)[0], theirs(x).logits)
