import inspect

import pytest
import torch
from torch.nn.functional import cross_entropy

from fathom import decoding, models
from fathom.errors import InputError, UnknownNameError
from fathom.ops.nests import pick

SIZES = {"source_vocab_size": 13, "target_vocab_size": 11, "embedding_size": 3, "hidden_size": 6, "dropout": 0.3}
KINDS = [
    (name, {"cell": cell, "num_layers": num_layers, "bidirectional": bidirectional})
    for name in ("seq2seq", "bahdanau")
    for cell, num_layers, bidirectional in [("gru", 1, False), ("gru", 2, True), ("lstm", 2, False), ("lstm", 1, True)]
]
TRANSFORMERS = [{"norm_first": False}, {"norm_first": True, "positions": "relative"}]
KINDS += [("transformer", kind) for kind in TRANSFORMERS]
every_kind = pytest.mark.parametrize(
    ("name", "kind"), KINDS, ids=lambda part: "-".join(map(str, getattr(part, "values", lambda: [part])()))
)
LENGTHS = torch.tensor([7, 3, 1, 5])


def build(name, kind):
    torch.manual_seed(0)
    sizes = {**SIZES, "d_model": 6, "num_heads": 2, "d_ff": 5} if name == "transformer" else SIZES
    known = inspect.signature(models.constructor(name)).parameters
    return models.create(name, **{word: sizes[word] for word in sizes if word in known}, **kind).double().eval()


def batch():
    random = torch.Generator().manual_seed(1)
    return torch.randint(13, (4, 7), generator=random), torch.randint(11, (4, 5), generator=random)


@every_kind
def test_what_stands_behind_the_end_of_a_source_changes_nothing(name, kind):
    model, (source, given) = build(name, kind), batch()
    expected = model(source, LENGTHS, given).view(4, 5, 11)
    padded = torch.where(torch.arange(7) < LENGTHS[:, None], source, 12 - source)
    longer = torch.cat([padded, padded], dim=1)
    torch.testing.assert_close(model(longer, LENGTHS, given).view(4, 5, 11), expected)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(source[row : row + 1, :length], LENGTHS[row : row + 1], given[row : row + 1])
        torch.testing.assert_close(alone, expected[row])


@every_kind
def test_under_a_teacher_and_step_by_step_it_says_the_same(name, kind):
    model, (source, given) = build(name, kind), batch()
    target = given.roll(-1, dims=1)
    together = cross_entropy(model(source, LENGTHS, given), target.flatten())
    state, losses = model.encode(source, LENGTHS), []
    for place in range(5):
        logits, state = model.step(given[:, place : place + 1], state)
        losses.append(cross_entropy(logits, target[:, place]))
    torch.testing.assert_close(torch.stack(losses).mean(), together)


@every_kind
def test_later_tokens_do_not_change_what_was_said_before(name, kind):
    model, (source, given) = build(name, kind), batch()
    other = given.clone()
    other[:, 3:] = 10 - other[:, 3:]
    before, after = (model(source, LENGTHS, tokens).view(4, 5, 11) for tokens in (given, other))
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@every_kind
def test_a_state_can_be_taken_by_rows_and_searched_with(name, kind):
    model, (source, given) = build(name, kind), batch()
    rows = torch.tensor([3, 0, 3])
    state = model.encode(source, LENGTHS)
    picked, _ = model.decode(given[rows], pick(state, rows))
    torch.testing.assert_close(picked, model.decode(given, state)[0][rows])
    first = torch.full((4, 1), 2)
    greedy = decoding.generate(model.step, first, 9, state=state, end=3)
    found = decoding.beam(model.step, first, state, end=3, length=9, width=1, alpha=0.0)
    assert torch.equal(found.tokens[:, 0], greedy[:, : found.tokens.shape[2]])
    wide = decoding.beam(model.step, first, state, end=3, length=9, width=4)
    for row in range(4):
        alone = decoding.beam(
            model.step, first[:1], model.encode(source[row : row + 1], LENGTHS[row : row + 1]), end=3, length=9
        )
        torch.testing.assert_close(alone.scores[0], wide.scores[row])


@every_kind
def test_hoisting_changes_no_gradient(name, kind):
    if name != "bahdanau":
        return
    model, (source, given) = build(name, kind), batch()
    gradients = []
    for say in (model, lambda *inputs: by_the_paper(model, *inputs)):
        logits = say(source, LENGTHS, given)
        gradients.append([logits, *torch.autograd.grad(logits.sin().sum(), list(model.parameters()))])
    torch.testing.assert_close(*gradients)


def by_the_paper(model, source, lengths, given):
    """The equations step by step: attention to the keys as values, and torch's own recurrent layer for one step."""
    keys, states = model.encoder(source, lengths)
    states = tuple(tensor.transpose(0, 1).contiguous() for tensor in states)
    outputs = []
    for token in given.T:
        context = model.attention(states[0][-1][:, None], keys, keys, lengths)[:, 0]
        x = torch.cat([context, model.embedding(token)], dim=1)
        out, states = model.recurrent(x[None], states if len(states) > 1 else states[0])
        states = states if isinstance(states, tuple) else (states,)
        outputs.append(model.output(out[0]))
    return torch.stack(outputs, 1).flatten(0, 1)


def test_an_alignment_sums_to_one_and_is_zero_behind_the_source():
    model, (source, given) = build("bahdanau", {"bidirectional": True}), batch()
    weights = model.align(source, LENGTHS, given)
    assert weights.shape == (4, 5, 7)
    torch.testing.assert_close(weights.sum(2), torch.ones(4, 5).double())
    for row, length in enumerate(LENGTHS.tolist()):
        assert bool((weights[row, :, length:] == 0).all())
        assert bool((weights[row, :, :length] > 0).all())
    assert model.attention.weights is None


def test_the_books_seq2seq_has_its_number_of_parameters():
    model = models.create("seq2seq", source_vocab_size=184, target_vocab_size=201)
    gru = lambda inputs: 3 * 32 * (inputs + 32 + 2)  # noqa: E731
    expected = 32 * (184 + 201) + gru(32) + gru(32) + gru(64) + gru(32) + 33 * 201
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize("name", ["seq2seq", "bahdanau"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 7, "bidirectional": True}, "hidden_size: expected an even number, half for each direction"),
        ({"embedding_size": 0}, "embedding_size: expected a whole number of at least 1, got 0"),
        ({"target_vocab_size": 0}, "vocab_size: expected a whole number of at least 1, got 0"),
        ({"dropout": 1.0}, "dropout: expected a probability 0 <= p < 1, got 1.0"),
    ],
)
def test_a_size_that_can_not_be_is_said(name, changes, message):
    with pytest.raises(InputError, match=message):
        models.create(name, **{**SIZES, **changes})


@pytest.mark.parametrize(("length", "got"), [(0, 0), (8, 8)])
def test_a_length_that_the_source_has_not_is_said(length, got):
    source, given = batch()
    with pytest.raises(InputError, match=f"source_length: expected 1 to 7, the steps of the source, got {got}"):
        models.create("bahdanau", **SIZES)(source, torch.tensor([7, 3, length, 5]), given)


def test_an_unknown_cell_gets_a_suggestion():
    with pytest.raises(UnknownNameError, match="unknown cell 'gro'; did you mean 'gru'"):
        models.create("seq2seq", **SIZES, cell="gro")
