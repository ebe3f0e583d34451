import pytest
import torch

from fathom.errors import InputError
from fathom.recipes import layer_norm_not_batch_norm as recipe
from fathom.recipes.common import rivals

CONFIG = recipe.Config(hidden_size=6, num_heads=2, num_layers=2, steps=8, data="time-machine,tokens=900", batch_size=3)


@pytest.fixture(scope="module")
def trial():
    train, test = rivals.load_windows(CONFIG)
    torch.manual_seed(0)
    return recipe.build(CONFIG, train.about), train, test


def test_only_batch_norm_lets_the_future_and_the_other_rows_through(trial):
    nets, train, test = trial
    found = recipe.shifts(CONFIG, nets, train, test)
    for name in ("layer", "none"):
        assert found[f"{name}_leak"] == pytest.approx(0, abs=1e-6)
        assert found[f"{name}_company"] == pytest.approx(0, abs=1e-6)
    assert found["batch_leak"] > 0.01
    assert found["batch_company"] > 0.001


def test_looking_changes_no_running_statistics(trial):
    nets, train, test = trial
    before = {name: value.clone() for name, value in nets.state_dict().items()}
    recipe.shifts(CONFIG, nets, train, test)
    assert all(torch.equal(value, before[name]) for name, value in nets.state_dict().items())


def test_batch_norm_of_steps_is_torchs_over_channels():
    ours, theirs = recipe.BatchNormOfSteps(5).double(), torch.nn.BatchNorm1d(5).double()
    x = torch.randn(3, 7, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x.transpose(1, 2)).transpose(1, 2))


def test_all_begin_with_the_same_weights(trial):
    nets, _, _ = trial
    shared = nets["none"].state_dict()
    for name in ("layer", "batch"):
        assert all(torch.equal(nets[name].state_dict()[key], value) for key, value in shared.items())


def test_norms_are_replaced_everywhere(trial):
    nets, _, _ = trial
    kinds = {name: [type(part).__name__ for part in net.modules()] for name, net in nets.items()}
    assert kinds["layer"].count("LayerNorm") == kinds["batch"].count("BatchNormOfSteps") == 5
    assert "LayerNorm" not in kinds["batch"] + kinds["none"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 7}, "--steps: expected an even number"),
        ({"num_heads": 5}, "--num-heads: expected a divisor of --hidden-size 64, got 5"),
        ({"batch_size": 1}, "--batch-size: expected at least 2"),
    ],
)
def test_bad_settings_are_said(changes, message):
    with pytest.raises(InputError, match=message):
        recipe.Config(**changes)


def test_a_table_instead_of_a_text_is_said():
    with pytest.raises(InputError, match="expected a text"):
        rivals.load_windows(recipe.Config(data="fashion-mnist-sample"))
