import math

import numpy as np
import pytest
import torch

from fathom import autograd, models
from fathom.autograd import nn as engine_nn
from fathom.train import Progress
from fathom.train.sequences import Carried, Perplexity

TOKENS = torch.randint(7, (3, 20), generator=torch.Generator().manual_seed(0))


def language_model(cell="lstm", rung="torch"):
    torch.manual_seed(0)
    sizes = {"vocab_size": 7, "cell": cell, "hidden_size": 5, "num_layers": 2}
    return models.on_rung("recurrent_language_model", rung, **sizes).double()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_a_carried_state_equals_one_long_run(cell, rung):
    model = language_model(cell, rung)
    whole, _ = model(TOKENS)
    carried = Carried(model)
    pieces = [carried(piece).view(3, -1, 7) for piece in TOKENS.split((7, 2, 11), dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=1e-12, atol=1e-12)


def test_on_the_engine_it_is_carried_as_well():
    model, ours = language_model(), language_model(rung="numpy")
    whole, _ = model(TOKENS)
    carried = Carried(ours)
    for piece, expected in zip(TOKENS.split(10, dim=1), whole.split(10, dim=1), strict=True):
        got = carried(autograd.from_numpy(piece.numpy())).detach().numpy().reshape(3, 10, 7)
        np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-12)
    assert isinstance(carried.model, engine_nn.Module)


def test_no_gradient_goes_back_into_the_batch_before():
    carried = Carried(language_model())
    carried(TOKENS[:, :5])
    assert all(not part.requires_grad for part in carried.state)


def test_without_carrying_each_call_begins_anew():
    carried = Carried(language_model(), carry=False)
    assert torch.equal(carried(TOKENS), carried(TOKENS))
    assert carried.state_dict() == {"carried": []}


def test_an_epoch_begins_without_a_state():
    carried = Carried(language_model())
    first = carried(TOKENS)
    assert not torch.equal(carried(TOKENS), first)
    carried.epoch(Progress())
    assert torch.equal(carried(TOKENS), first)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("rung", ["torch", "numpy"])
def test_a_saved_state_goes_on_the_same(cell, rung):
    model = language_model(cell, rung)
    tokens = autograd.from_numpy(TOKENS.numpy()) if rung == "numpy" else TOKENS
    one, other = Carried(model), Carried(model)
    one(tokens)
    other.load_state_dict(one.state_dict())
    assert np.array_equal(one(tokens).detach().numpy(), other(tokens).detach().numpy())
    other.load_state_dict({"carried": []})
    assert other.state is None


def test_perplexity_is_exp_of_the_loss():
    progress = Progress(history=[{"epoch": 1, "train_loss": 0.5, "test_loss": 1e9}])
    Perplexity().epoch(progress)
    assert progress.history[0]["train_perplexity"] == pytest.approx(math.exp(0.5))
    assert math.isfinite(progress.history[0]["test_perplexity"])
