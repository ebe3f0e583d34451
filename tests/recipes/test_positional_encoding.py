import numpy as np
import pytest
import torch

from fathom.errors import InputError
from fathom.recipes import gates
from fathom.recipes import positional_encoding as recipe

CONFIG = recipe.Config(hidden_size=6, num_heads=2, num_layers=2, data="since-the-break,length=17,examples=70")


@pytest.fixture(scope="module")
def trial():
    train, test = gates.load_splits(CONFIG)
    torch.manual_seed(0)
    return recipe.build(CONFIG, train.about).double(), train, test


def test_without_positions_the_order_changes_nothing(trial):
    found = recipe.shuffled(CONFIG, *trial)
    assert found["none_order"] == pytest.approx(0, abs=1e-12)
    assert min(found[f"{name}_order"] for name in ("sinusoidal", "learned", "relative")) > 0.01


def test_every_kind_answers_for_every_class(trial):
    nets, _, test = trial
    for net in nets.values():
        assert net(test.tensors["x"][:3]).shape == (3, 4)


def test_the_books_columns_have_two_frequencies():
    table = recipe.sinusoids(recipe.STEPS, recipe.FEATURES)
    assert table.shape == (60, 32)
    sine, cosine, slower, _ = (table[:, column] for column in recipe.COLUMNS)
    np.testing.assert_allclose(sine**2 + cosine**2, 1, atol=1e-6)
    crossings = [int((np.diff(np.sign(wave)) != 0).sum()) for wave in (sine, slower)]
    assert crossings[0] > crossings[1]


def test_heads_that_do_not_divide_are_said():
    with pytest.raises(InputError, match="--num-heads: expected a divisor of --hidden-size 32, got 5"):
        recipe.Config(num_heads=5)
