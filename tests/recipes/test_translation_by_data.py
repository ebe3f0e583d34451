import itertools

import pytest
import torch

from fathom import data
from fathom.data.pairs import PAD
from fathom.errors import InputError
from fathom.recipes import translation_by_data as recipe

NUMBERS = "number-words,pairs=90,min_count=1"
CONFIG = recipe.Config(
    sizes=(7, 31),
    d_model=8,
    num_heads=2,
    d_ff=5,
    num_layers=1,
    embedding_size=6,
    hidden_size=4,
    batch_size=5,
    translations=3,
    data=NUMBERS,
)


@pytest.fixture(scope="module")
def trial():
    train, test = recipe.load(CONFIG)
    torch.manual_seed(0)
    return recipe.build(CONFIG, train.about), train, test


def told(dataset):
    return list(zip(dataset.source_texts, dataset.target_texts, strict=True))


def sentences(x):
    return {tuple(row[row != PAD].tolist()) for row in x}


@pytest.mark.parametrize("size", [7, 31])
def test_the_pairs_of_a_size_are_those_that_the_data_would_choose(trial, size):
    _, train, _ = trial
    chosen = data.load(f"{NUMBERS},examples={size}", "train")
    learnt = recipe.learnt(train, size)
    assert told(learnt) == told(chosen)
    assert len(learnt) == learnt.used.sizes["train"] == size
    source = recipe.translation.coder(train.about, "source")
    assert sentences(learnt.tensors["x"]) == {tuple(source.encode(text)) for text in chosen.source_texts}


def test_a_small_set_is_part_of_a_larger_one_and_none_of_it_is_held_out(trial):
    _, train, test = trial
    small, large = (set(told(recipe.learnt(train, size))) for size in (7, 31))
    assert small < large
    assert not {source for source, _ in large} & set(test.source_texts)


def test_each_net_learns_its_own_pairs_in_as_many_updates(trial):
    nets, train, _ = trial
    batches = recipe.by_size(CONFIG, train, torch.device("cpu"))
    step = recipe.BySize(nets, CONFIG, len(batches))
    seen = {name: [] for name in nets}
    for name, net in nets.items():
        net.register_forward_pre_hook(lambda net, given, name=name: seen[name].append(given[0][0]))
    for batch in batches:
        step(batch)
    for name, sources in seen.items():
        assert len(sources) == step.updates[name] == 7  # of 31 pairs, 5 a batch
        own = recipe.learnt(train, int(name.partition("_")[2]))
        assert set().union(*map(sentences, sources)) == sentences(own.tensors["x"])


def test_nets_of_one_size_see_the_same_batches(trial):
    _, train, _ = trial
    batches = recipe.by_size(CONFIG, train, torch.device("cpu"))
    step = recipe.BySize(recipe.build(CONFIG, train.about), CONFIG, 9)
    batch, given = next(iter(batches)), {}
    step.update = lambda name, x, y: given.setdefault(name, (*x, y)) and (0.0, 0.0)
    step(batch)
    large, small = batch[:4], batch[4:]
    for kind in recipe.KINDS:
        assert all(torch.equal(*both) for both in zip(given[f"{kind}_31"], large, strict=True))
        assert all(torch.equal(*both) for both in zip(given[f"{kind}_7"], small, strict=True))


@pytest.mark.parametrize("stop", [4, 7, 11])
def test_batches_abreast_go_on_from_where_they_were(trial, stop):
    _, train, _ = trial
    whole, before, after = (recipe.by_size(CONFIG, train, torch.device("cpu")) for _ in range(3))
    expected = [*whole, *whole]
    done = list(itertools.islice(before, stop)) if stop < 7 else [*before, *itertools.islice(before, stop - 7)]
    after.load_state_dict(before.state_dict())
    rest = [*after, *after] if stop < 7 else list(after)
    assert len(done) + len(rest) == len(expected) == 14
    for ours, theirs in zip(done + rest, expected, strict=True):
        assert all(torch.equal(*both) for both in zip(ours, theirs, strict=True))


def test_nets_of_one_kind_begin_alike_and_share_nothing(trial):
    _, train, _ = trial
    nets = recipe.build(CONFIG, train.about)
    for kind in recipe.KINDS:
        small, large = (dict(nets[f"{kind}_{size}"].named_parameters()) for size in CONFIG.sizes)
        assert all(torch.equal(small[name], large[name]) for name in small)
        assert not {weight.data_ptr() for weight in small.values()} & {weight.data_ptr() for weight in large.values()}


def test_each_kind_learns_by_its_own_rule(trial):
    nets, _, _ = trial
    rules = recipe.BySize(nets, recipe.Config(lr=0.3, recurrent_lr=0.7), 10).rules
    assert {name: rule.lr for name, rule in rules.items() if name.endswith("_7")} == {
        "seq2seq_7": 0.7,
        "bahdanau_7": 0.7,
        "transformer_7": 0.3,
    }
    assert rules["transformer_31"].optimizer == recipe.transformer.ADAM != rules["bahdanau_31"].optimizer


def test_recurrent_nets_have_layers_of_their_own_number(trial):
    _, train, _ = trial
    nets = recipe.build(recipe.replace(CONFIG, num_layers=3, recurrent_layers=2), train.about)
    assert nets["bahdanau_7"].model.recurrent.num_layers == nets["seq2seq_7"].model.recurrent.num_layers == 2
    assert recipe.counts(CONFIG, nets, train, None)["transformer_parameters"] == sum(
        weight.numel() for weight in nets["transformer_31"].parameters()
    )


def test_who_translates_everything_right_has_a_bleu_of_100(trial, monkeypatch):
    nets, train, test = trial
    said = recipe.translation.Said
    monkeypatch.setattr(
        recipe.translation,
        "translated",
        lambda model, test, about, rows: [said(test.target_texts[row], 0.0) for row in rows],
    )
    found = recipe.numbers(CONFIG, nets, train, test)
    assert found["test_exact"] == found["test_seq2seq_7_exact"] == 1
    assert found["test_bahdanau_31_bleu"] == pytest.approx(100)
    assert found["test_loss"] == found["test_transformer_31_loss"] != found["test_transformer_7_loss"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (9, 9)}, "--sizes: expected different numbers"),
        ({"sizes": ()}, "sizes"),
        ({"sizes": (0,)}, "sizes 0"),
        ({"sizes": (10**4,)}, r"--sizes: expected at most \d\d, the training pairs, got 10000"),
        ({"recurrent_layers": 0}, "--recurrent-layers"),
        ({"recurrent_lr": 0.0}, "--recurrent-lr"),
        ({"teacher": 0.5}, "--teacher: expected 1.0"),
        ({"schedule": "plateau"}, "--schedule: expected one that is fixed"),
        ({"data": "number-words,pairs=90,test=0"}, "expected a set with held-out pairs"),
    ],
)
def test_bad_settings_are_said(changes, message):
    with pytest.raises(InputError, match=message):
        recipe.load(recipe.Config(**{"sizes": (7,), "data": NUMBERS, **changes}))
