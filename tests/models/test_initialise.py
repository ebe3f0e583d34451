import math

import pytest
import torch

from fathom import models
from fathom.models.initialise import normal, xavier


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_xavier_fills_the_interval_of_glorot_and_bengio(rung):
    model = xavier(models.on_rung("mlp", rung, in_features=300, hidden_sizes=(200,), num_classes=100))
    bound = math.sqrt(6 / 500)
    assert model[1].weight.abs().max() <= bound
    assert model[1].weight.abs().max() > 0.99 * bound
    assert model[1].weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_xavier_leaves_biases():
    model = models.create("lenet")
    before = [p.clone() for p in model.parameters() if p.dim() == 1]
    after = [p for p in xavier(model).parameters() if p.dim() == 1]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_normal_has_the_deviation_asked_for_and_no_bias(rung):
    model = normal(models.on_rung("softmax_regression", rung), std=0.03)
    assert model[1].weight.std().item() == pytest.approx(0.03, rel=0.05)
    assert not model[1].bias.any()


@pytest.mark.parametrize("start", [xavier, normal])
def test_both_rungs_draw_the_same(start):
    drawn = []
    for rung in ("torch", "scratch"):
        torch.manual_seed(0)
        drawn.append(start(models.on_rung("lenet", rung)).state_dict())
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])
