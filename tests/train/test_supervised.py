import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from fathom.metrics import accuracy
from fathom.optim import create_schedule
from fathom.train import evaluate, supervised


def problem(lr=0.1):
    torch.manual_seed(3)
    model = nn.Linear(5, 3).double()
    return model, torch.optim.SGD(model.parameters(), lr=lr), torch.randn(7, 5).double(), torch.randint(3, (7,))


def by_hand(model, optimizer, x, y, updates, clip=None, factor=lambda step: 1.0, base=0.1):
    for number in range(updates):
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.param_groups[0]["lr"] = base * factor(number)
        optimizer.step()
    return model.weight.detach()


@pytest.mark.parametrize("clip", [0.0, 0.01])
@pytest.mark.parametrize("schedule", [None, create_schedule("cosine", total_steps=3, warmup_steps=1)])
def test_a_step_is_what_one_would_write_by_hand(clip, schedule):
    model, optimizer, x, y = problem()
    step = supervised(model, cross_entropy, optimizer, clip=clip, schedule=schedule)
    for _ in range(3):
        step((x, y))
    model_by_hand, optimizer_by_hand, _, _ = problem()
    factor = schedule or (lambda number: 1.0)
    expected = by_hand(model_by_hand, optimizer_by_hand, x, y, 3, clip or None, factor)
    assert torch.equal(model.weight, expected)


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_a_batch_in_parts_gives_the_same_update(parts):
    whole, optimizer, x, y = problem()
    split, split_optimizer, _, _ = problem()
    values = supervised(whole, cross_entropy, optimizer, measures={"accuracy": accuracy})((x, y))
    step = supervised(split, cross_entropy, split_optimizer, accumulate=parts, measures={"accuracy": accuracy})
    assert step((x, y)) == pytest.approx(values)
    torch.testing.assert_close(split.weight, whole.weight)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_trains_nearly_alike(precision):
    def losses(precision):
        torch.manual_seed(0)
        model = nn.Linear(5, 1)
        x = torch.randn(64, 5)
        step = supervised(model, mse_loss, torch.optim.SGD(model.parameters(), lr=0.1), precision=precision)
        return [step((x, x.sum(1, keepdim=True)))["loss"] for _ in range(20)]

    full, low = losses("fp32"), losses(precision)
    assert low[0] == pytest.approx(full[0], rel=0.02)  # 8 bits of mantissa in bf16
    assert low[-1] < 0.1 * low[0]


def test_the_loss_and_the_measures_are_those_before_the_update():
    model, optimizer, x, y = problem()
    expected = cross_entropy(model(x), y).item(), accuracy(model(x), y).item()
    values = supervised(model, cross_entropy, optimizer, measures={"accuracy": accuracy})((x, y))
    assert (values["loss"], values["accuracy"]) == expected


def test_evaluation_changes_neither_the_model_nor_its_mode():
    model = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batches = [(torch.randn(4, 5), torch.randint(3, (4,))), (torch.randn(3, 5), torch.randint(3, (3,)))]
    evaluate(model, batches, {"loss": cross_entropy})
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_evaluation_does_not_depend_on_the_batch_size():
    model, _, x, y = problem()
    whole = evaluate(model, [(x, y)], {"loss": cross_entropy, "accuracy": accuracy})
    parts = evaluate(model, [(x[:5], y[:5]), (x[5:], y[5:])], {"loss": cross_entropy, "accuracy": accuracy})
    assert parts == pytest.approx(whole)
    assert set(whole) == {"test_loss", "test_accuracy"}
