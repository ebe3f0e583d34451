import pytest
import torch

from fathom import recipes
from fathom.data.pairs import PAD
from fathom.errors import InputError, UnknownNameError
from fathom.models.transformer_blocks import FeedForward
from fathom.recipes import transformer_ablation as recipe

CONFIG = recipe.Config(
    d_model=8, num_heads=2, d_ff=5, num_layers=1, data="number-words,pairs=90", translations=5, limit=2, warmup=7
)


@pytest.fixture(scope="module")
def trial():
    train, test = recipe.load_splits(CONFIG)
    torch.manual_seed(0)
    return recipe.build(CONFIG, train.about), train, test


def attentions(nets, name):
    return [part for part in nets[name].modules() if hasattr(part, "keep_weights")]


def test_each_net_lacks_what_it_says(trial):
    nets, _, _ = trial
    assert [part.num_heads for part in attentions(nets, "one_head")] == [1] * 3
    assert [part.num_heads for part in attentions(nets, "many_heads")] == [8] * 3
    assert not any(part.scaled for part in attentions(nets, "unscaled"))
    assert all(part.averaged and part.out.in_features == 4 for part in attentions(nets, "averaged"))
    assert not any(isinstance(part, FeedForward) for part in nets["no_feed_forward"].modules())
    assert not any(getattr(part, "residual", False) for part in nets["no_residual"].modules())
    assert nets["no_positions"].model.positions.kind == "none"
    assert nets["learned_positions"].model.positions.kind == "learned"
    assert all(part.p == 0 for part in nets["no_dropout"].modules() if isinstance(part, torch.nn.Dropout))
    assert all(part.scaled and not part.averaged and part.num_heads == 2 for part in attentions(nets, "base"))


def test_only_two_differ_in_how_they_learn(trial):
    nets, _, _ = trial
    step = recipe.Ablation(nets, CONFIG, 20)
    first = {name: rule.schedule(0) for name, rule in step.rules.items()}
    assert first.pop("no_warmup") > max(first.values()) == min(first.values())
    base, without = (step.rules[name].schedule for name in ("base", "no_warmup"))
    assert [without(update) for update in range(7)] == [base(6)] * 7
    assert [without(update) for update in range(6, 20)] == [base(update) for update in range(6, 20)]
    shares = {name: loss.smoothing for name, loss in step.losses.items()}
    assert shares.pop("hard_labels") == 0
    assert set(shares.values()) == {0.1}


def test_padding_counts_neither_for_nor_against(trial):
    logits = torch.tensor([[0.0, 1.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0], [0.0, 9.0, 0.0]])
    target = torch.tensor([[2, 0], [2, PAD]])
    assert recipe.token_accuracy(logits, target).item() == pytest.approx(2 / 3)


def test_who_translates_everything_right_has_a_bleu_of_100(trial, monkeypatch):
    nets, train, test = trial
    monkeypatch.setattr(
        recipe.translation, "translated", lambda model, test, about, rows: [(test.target_texts[row], 0) for row in rows]
    )
    found = recipe.numbers(CONFIG, nets, train.about, test)
    assert found["test_exact"] == found["no_residual_exact"] == 1
    assert found["test_bleu"] == pytest.approx(100)
    assert found["test_loss"] == found["test_base_loss"] != found["test_averaged_loss"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"variants": ("base", "one_heat")}, UnknownNameError, "unknown variant 'one_heat'; did you mean 'one_head'"),
        ({"variants": ("one_head",)}, InputError, "--variants: expected base and different others"),
        ({"d_model": 24}, InputError, "--d-model: expected a multiple of 16, four times the heads, got 24"),
        ({"teacher": 0.5}, InputError, "--teacher: expected 1.0"),
        ({"data": "number-words,test=0"}, InputError, "expected a set with held-out pairs"),
    ],
)
def test_bad_settings_are_said(changes, error, message):
    with pytest.raises(error, match=message):
        recipe.load_splits(recipe.Config(**changes))


def test_its_help_names_every_variant():
    assert all(name in (recipe.Config.__doc__ or "") for name in recipe.VARIANTS)
    assert recipes.load("transformer-ablation") is recipe
