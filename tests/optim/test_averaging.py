import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import update_bn

from fathom import layers, optim
from fathom.autograd import nn as engine
from fathom.errors import InputError
from fathom.train.engine import EngineModel

quick = settings(max_examples=30)
sequences = st.lists(st.floats(-100, 100), min_size=1, max_size=30)
decays = st.floats(0, 0.999)


class Point(nn.Module):
    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.zeros(3, dtype=torch.float64))


def follow(build, values):
    """The average after a model has had these values one after the other."""
    point = Point()
    average = build(point)
    for value in values:
        with torch.no_grad():
            point.x.fill_(value)
        average.update()
    return average.model.x[0].item()


@quick
@given(values=sequences)
def test_equal_shares_give_the_mean(values):
    mean = follow(lambda model: optim.swa(model, len(values), 1, start=0), values)
    assert mean == pytest.approx(sum(values) / len(values), abs=1e-9)


@quick
@given(values=sequences, decay=decays)
def test_an_exponential_average_is_the_recursion(values, decay):
    expected = values[0]
    for value in values[1:]:
        expected = decay * expected + (1 - decay) * value
    assert follow(lambda model: optim.ema(model, decay), values) == pytest.approx(expected, abs=1e-9)


@quick
@given(values=sequences, decay=decays)
def test_the_corrected_average_is_adams(values, decay):
    moment = 0.0
    for value in values:
        moment = decay * moment + (1 - decay) * value
    expected = moment / (1 - decay ** len(values))
    found = follow(lambda model: optim.ema(model, decay, corrected=True), values)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)  # 1 - decay^n cancels when decay is near 1


@quick
@given(value=st.floats(-1e6, 1e6), count=st.integers(1, 20), decay=decays, corrected=st.booleans())
def test_averaging_constant_weights_is_the_identity(value, count, decay, corrected):
    assert follow(lambda model: optim.ema(model, decay, corrected), [value] * count) == value
    assert follow(lambda model: optim.swa(model, count, 1, start=0), [value] * count) == value


@quick
@given(values=sequences, decay=decays)
def test_an_average_lies_between_the_extremes(values, decay):
    for found in (
        follow(lambda model: optim.ema(model, decay), values),
        follow(lambda model: optim.swa(model, len(values), 1, start=0), values),
    ):
        assert min(values) - 1e-9 <= found <= max(values) + 1e-9


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"start": 0.5}, [15, 20]),  # at the ends of epochs of 5 updates in the second half of 20
        ({"start": 0.75}, [20]),
        ({"start": 13, "every": 3}, [15, 18]),
        ({"start": 0.5, "every": 0.1}, [12, 14, 16, 18, 20]),
    ],
)
def test_weights_are_taken_in_where_it_was_said(options, taken):
    found = follow(lambda model: optim.swa(model, 20, 5, **options), range(1, 21))
    assert found == pytest.approx(sum(taken) / len(taken))


def test_the_model_that_is_followed_does_not_change():
    model = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    average = optim.ema(model, 0.5)
    average.update()
    average.update()
    optim.update_statistics(average.model, [(torch.randn(7, 5), torch.zeros(7))])
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model.training
    assert not average.model.training


def test_an_average_goes_on_from_its_state():
    values = [3.0, -1.0, 7.0, 2.0, 5.0]
    point, other = Point(), Point()
    whole, first, second = (optim.ema(thing, 0.7, corrected=True) for thing in (point, point, other))
    for number, value in enumerate(values):
        with torch.no_grad():
            point.x.fill_(value)
            other.x.fill_(value)
        whole.update()
        (first if number < 2 else second).update()
        if number == 1:
            second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert torch.equal(second.model.x, whole.model.x)
    assert (second.count, second.seen) == (whole.count, whole.seen) == (5, 5)


def network(namespace, dropout=0.0):
    return namespace.Sequential(
        namespace.Conv2d(2, 3, 3), namespace.BatchNorm2d(3), namespace.ReLU(), namespace.Flatten(),
        namespace.Linear(75, 5), namespace.BatchNorm1d(5, momentum=0.3), namespace.Dropout(dropout),
    )  # fmt: skip


def test_statistics_are_those_that_torch_measures_on_every_rung():
    torch.manual_seed(0)
    theirs = network(nn)
    scratch, numpy = network(layers), EngineModel(network(engine))
    batches = [(torch.randn(size, 2, 7, 7) * 3 + 1, torch.zeros(size)) for size in (11, 5, 7)]
    for model in (scratch, numpy):
        model.load_state_dict(theirs.state_dict())
        optim.update_statistics(model.eval(), batches)
    update_bn([x for x, _ in batches], theirs)
    for name, expected in theirs.state_dict().items():
        torch.testing.assert_close(scratch.state_dict()[name], expected, msg=name)
        # float32 sums in another order
        torch.testing.assert_close(torch.as_tensor(numpy.state_dict()[name]), expected, rtol=1e-4, atol=1e-5)
    assert scratch[5].momentum == numpy.model[5].momentum == 0.3
    assert not scratch[1].training
    assert not numpy.model[1].training


def test_dropout_is_off_while_statistics_are_measured():
    model = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(5)).eval()
    x = torch.randn(7, 5)
    optim.update_statistics(model, [(x, x)])
    torch.testing.assert_close(model[1].running_mean, x.mean(0))


def test_a_model_without_statistics_sees_no_batch():
    def batches():
        raise AssertionError("looked at the data for nothing")
        yield

    optim.update_statistics(nn.Linear(5, 3), batches())


def test_the_engine_is_averaged_as_torch_is():
    theirs, ours = nn.Linear(5, 3), engine.Linear(5, 3)
    ours.load_state_dict(theirs.state_dict())
    wrapped = EngineModel(ours)
    averages = [optim.ema(model, 0.6) for model in (theirs, wrapped)]
    for _ in range(3):
        with torch.no_grad():
            for parameter in theirs.parameters():
                parameter.add_(torch.randn_like(parameter))
        ours.load_state_dict(theirs.state_dict())
        for average in averages:
            average.update()
    for name, expected in averages[0].model.state_dict().items():
        torch.testing.assert_close(torch.as_tensor(averages[1].model.state_dict()[name]), expected)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mean", "unknown average 'mean'"),
        ("ema,decai=0.9", "unknown option of average ema 'decai'; did you mean 'decay'?"),
        ("ema,decay=1", "average ema: decay: expected a number at least 0 and below 1, got 1"),
        ("ema,decay=nan", "average ema: decay: expected a number, got 'nan'"),
        ("swa,start=-0.5", "average swa: start: expected a share of the training from 0 to 1, or a whole number"),
        ("swa,steps=3", "unknown option of average swa 'steps'"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(name, message):
    with pytest.raises(InputError) as error:
        optim.create_average(name, Point(), 20, 5)
    assert str(error.value).startswith(message)
