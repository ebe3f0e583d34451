import math

import numpy as np
import pytest
import torch

from fathom import data, seeding
from fathom.errors import InputError
from fathom.models.perceptron import perceptron
from fathom.recipes.perceptron import Config, Rule, novikoff_bound, run, two_layers


def plain_rule(examples, order, epochs):
    """The rule in plain Python: weights, bias and mistakes after going through the examples in this order."""
    w, b, mistakes = [0.0, 0.0], 0.0, 0
    for epoch in range(epochs):
        for index in order(epoch):
            (x0, x1), y = examples[index]
            if y * (w[0] * x0 + w[1] * x1 + b) <= 0:
                w, b, mistakes = [w[0] + y * x0, w[1] + y * x1], b + y, mistakes + 1
    return w, b, mistakes


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.05, 0.2])
def test_on_separable_examples_all_become_right_within_novikoffs_bound(seed, margin):
    result = run(Config(seed=seed, data=f"separable,margin={margin},seed={seed}", device="cpu", threads=1))
    assert result.metrics["train_accuracy"] == 1.0
    assert 0 < result.metrics["mistakes"] <= result.metrics["novikoff_bound"]
    assert len(result.history) < Config().epochs


def test_it_stops_after_the_first_epoch_in_which_all_are_right():
    history = run(Config(device="cpu", threads=1)).history
    assert [record["train_accuracy"] == 1.0 for record in history] == [False] * (len(history) - 1) + [True]


def test_xor_is_never_learned():
    result = run(Config(data="xor", epochs=50, device="cpu", threads=1))
    assert len(result.history) == 50
    assert max(record["train_accuracy"] for record in result.history) <= 0.75
    assert "novikoff_bound" not in result.metrics


def test_two_layers_do_solve_xor():
    assert two_layers(np.array([[0, 0], [0, 1], [1, 0], [1, 1]])).tolist() == [0, 1, 1, 0]


def test_the_rule_equals_the_plain_loop():
    train = data.load("separable")
    x, y = train.tensors["x"].double(), train.tensors["y"]
    model = perceptron(2).double()
    rule = Rule(model, lr=1.0)
    batches = data.Batches(x, y, batch_size=1, shuffle=True, seed=3)
    for _ in range(2):
        for batch in batches:
            rule(batch)
    examples = list(zip(x.tolist(), (2 * y - 1).tolist(), strict=True))
    w, b, mistakes = plain_rule(
        examples, lambda e: torch.randperm(len(x), generator=seeding.generator(3, e)).tolist(), 2
    )
    weight, bias = model.parameters()
    assert weight[0].tolist() == pytest.approx(w)
    assert bias.item() == pytest.approx(b)
    assert rule.mistakes == mistakes


def test_the_learning_rate_only_scales_the_weights():
    results = [run(Config(lr=lr, device="cpu", threads=1)) for lr in (1.0, 0.5)]
    assert results[0].metrics == results[1].metrics


def test_the_bound_by_hand():
    x, y = torch.tensor([[3.0, 4.0], [-1.0, 0.0]]), torch.tensor([1, 0])
    # lengths with the 1 appended: √26 and √2; distances from the plane x0 = 0: 3 and 1
    assert novikoff_bound(x, y, torch.tensor([5.0, 0.0]), 0.0) == pytest.approx(26.0)
    assert novikoff_bound(x, 1 - y, torch.tensor([5.0, 0.0]), 0.0) == math.inf


@pytest.mark.parametrize(
    ("field", "value"),
    [("optimizer", "adam"), ("batch_size", 2), ("precision", "bf16"), ("clip", 1.0), ("compile", True)],
)
def test_what_the_rule_does_not_have_is_refused(field, value):
    with pytest.raises(
        InputError, match=rf"--{field.replace('_', '-')}: expected .* one example at a time; got {value}"
    ):
        Config(**{field: value})


def test_more_than_two_classes_are_refused():
    with pytest.raises(InputError, match=r"expected rows of numbers in two classes, got 10 classes; try separable"):
        run(Config(data="fashion-mnist-sample", device="cpu"))
