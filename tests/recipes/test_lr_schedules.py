import copy
import math

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from fathom.errors import InputError
from fathom.recipes import lr_schedules
from fathom.recipes.common import contest

ABOUT = {"example_shape": [1, 12, 12], "classes": list("abcd"), "kind": "images"}


def rates(name, per_epoch=100, epochs=30):
    course = lr_schedules.schedule(name, per_epoch * epochs)
    return [0.3 * course(per_epoch * epoch) for epoch in range(epochs)]


def of_torch(lr, make):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr)
    scheduler, found = make(optimizer), []
    for _ in range(30):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


def test_the_courses_are_the_books_at_each_epochs_start():
    assert rates("constant") == pytest.approx(of_torch(0.3, lambda o: lr_scheduler.ConstantLR(o, 1.0)))
    halved = of_torch(0.5, lambda o: lr_scheduler.MultiStepLR(o, [15, 30], 0.5))
    assert rates("multi_factor") == pytest.approx(halved)
    assert rates("square_root") == pytest.approx(
        of_torch(0.1, lambda o: lr_scheduler.LambdaLR(o, lambda t: (t + 1) ** -0.5))
    )
    assert rates("factor")[:20] == pytest.approx(of_torch(0.3, lambda o: lr_scheduler.StepLR(o, 1, 0.9))[:20])
    cosine = of_torch(0.3, lambda o: lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.01))[:20] + [0.01] * 10
    assert rates("cosine") == pytest.approx(cosine, abs=1e-5)


def test_the_warm_up_rises_for_a_sixth_and_then_follows_a_cosine_to_two_thirds():
    found = rates("warmup")
    assert found[:6] == pytest.approx([0, 0.06, 0.12, 0.18, 0.24, 0.3], abs=0.001)
    assert found[12] == pytest.approx(0.01 + 0.29 / 2 * (1 + math.cos(7 / 15 * math.pi)), abs=1e-5)
    assert found[20:] == pytest.approx([0.01] * 10, abs=1e-5)


@pytest.mark.parametrize("name", lr_schedules.COURSES)
@pytest.mark.parametrize("total", [1, 2, 7])
def test_a_course_of_any_length_stays_as_it_ends(name, total):
    course = lr_schedules.schedule(name, total)
    assert course(total) == course(total + 1) == course(10 * total)
    assert all(0 < course(step) <= 5 / 3 for step in range(total))


def test_all_networks_start_alike_and_need_pictures():
    networks = lr_schedules.build(lr_schedules.Config(), ABOUT)
    for other in networks.values():
        assert all(
            torch.equal(a, b) for a, b in zip(other.parameters(), networks["constant"].parameters(), strict=True)
        )
    with pytest.raises(InputError, match="expected pictures, got rows of numbers"):
        lr_schedules.build(lr_schedules.Config(data="airfoil"), {"example_shape": [5], "classes": []})


def test_a_contestant_follows_its_schedule_as_torch_would():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3))
    twin = copy.deepcopy(model)
    rule = contest.Rule("momentum", 0.2, lambda step: 1 / (step + 1))
    race = contest.Contest(nn.ModuleDict({"only": model}), "only", nn.CrossEntropyLoss(), {"only": rule})
    optimizer = torch.optim.SGD(twin.parameters(), 0.2, momentum=0.9)
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 1))
    for _ in range(4):
        x, y = torch.randn(7, 5), torch.randint(0, 3, (7,))
        race((x, y))
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(x), y).backward()
        optimizer.step()
        scheduler.step()
    torch.testing.assert_close(model.state_dict(), twin.state_dict())
    assert race.state_dict()["updates"] == {"only": 4}


def test_a_contestant_takes_a_batch_in_parts_of_its_own():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 3))
    twin = copy.deepcopy(model)
    race = contest.Contest(
        nn.ModuleDict({"only": model}), "only", nn.CrossEntropyLoss(), contest.Rule("sgd", 0.2, batch_size=3)
    )
    x, y, losses = torch.randn(7, 5), torch.randint(0, 3, (7,)), []
    values = race((x, y))
    optimizer = torch.optim.SGD(twin.parameters(), 0.2)
    for part in (slice(0, 3), slice(3, 6), slice(6, 7)):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(twin(x[part]), y[part])
        losses += [loss.item()] * len(y[part])
        loss.backward()
        optimizer.step()
    torch.testing.assert_close(model.state_dict(), twin.state_dict())
    assert values["loss"] == pytest.approx(sum(losses) / 7)
    assert race.updates == {"only": 3}
