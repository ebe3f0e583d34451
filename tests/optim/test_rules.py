"""What every update rule keeps: its laws, torch's protocol, and one clear line for what is wrong."""

import copy
import io
import logging
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fathom import optim
from fathom.errors import InputError
from fathom.optim.optimizers import OPTIMIZERS
from fathom.optim.tensors import Tensors

NAMES = optim.optimizer_names()
WITH_TWIN = [name for name in NAMES if OPTIMIZERS.get(name).rule.TWIN]
OPTIONS = {
    "momentum": {"weight_decay": 0.1, "dampening": 0.2},
    "adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.2},
    "rmsprop": {"momentum": 0.5, "centered": True},
    "adam": {"weight_decay": 0.1},
    "yogi": {"bias_correction": True},
    "lars": {"weight_decay": 0.1, "trust_coefficient": 0.1},
}
SHAPES = ((3, 5), (), (7,), (2, 3, 5))
every = pytest.mark.parametrize("name", NAMES)
names = st.sampled_from(NAMES)
seeds = st.integers(0, 2**32 - 1)


def parameters(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)) for shape in SHAPES]


def take(optimizer, tensors, first=0, steps=5, scale=1.0):
    for number in range(first, first + steps):
        generator = torch.Generator().manual_seed(number)
        for tensor in tensors:
            gradient = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.grad = (scale * gradient).to(tensor.dtype)
        optimizer.step()
    return [tensor.detach().clone() for tensor in tensors]


def build(name, tensors, rung="scratch", lr=0.01, **options):
    return optim.create(name, tensors, lr, rung=rung, **OPTIONS.get(name, {}), **options)


def equal(left, right):
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_at_once_and_one_by_one_are_equal_to_the_last_bit(name, dtype):
    one, many = parameters(dtype=dtype), parameters(dtype=dtype)
    equal(take(build(name, one, foreach=False), one), take(build(name, many, foreach=True), many))


@every
def test_mixed_dtypes_and_late_gradients_go_together_too(name):
    one, many = ([*parameters(), *parameters(1, torch.float32)] for _ in range(2))
    for tensors, foreach in ((one, False), (many, True)):
        optimizer = build(name, tensors, foreach=foreach)
        take(optimizer, tensors[:3], steps=2)  # some have taken two steps when the others take their first
        for tensor in tensors:
            tensor.grad = None
        take(optimizer, tensors[2:], steps=3)
    equal(one, many)


@given(name=names, seed=seeds)
@settings(max_examples=40, deadline=None)
def test_without_gradient_and_decay_nothing_moves(name, seed):
    tensors = parameters(seed)
    before = [tensor.detach().clone() for tensor in tensors]
    optimizer = optim.create(name, tensors, 0.1, rung="scratch", weight_decay=0.0)
    take(optimizer, tensors, steps=3, scale=0.0)
    equal(before, tensors)


@given(name=names, seed=seeds, steps=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_a_state_that_goes_around_continues_identically(name, seed, steps):
    whole, parts = parameters(seed), parameters(seed)
    take(build(name, whole), whole, steps=steps + 3)
    first = build(name, parts)
    take(first, parts, steps=steps)
    second = build(name, parts, lr=0.5)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    take(second, parts, first=steps, steps=3)
    equal(whole, parts)


@given(seed=seeds, scale=st.floats(1e-3, 1e3), name=st.sampled_from(["adam", "adamw", "amsgrad", "yogi", "lamb"]))
@settings(max_examples=30, deadline=None)
def test_adaptive_rules_do_not_see_the_gradients_scale(name, seed, scale):
    plain, scaled = parameters(seed), parameters(seed)
    for tensors, factor in ((plain, 1.0), (scaled, scale)):
        take(optim.create(name, tensors, 0.01, rung="scratch", weight_decay=0.0, eps=0.0), tensors, scale=factor)
    for a, b in zip(plain, scaled, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


@given(seed=seeds, low=st.floats(0, 3), width=st.floats(0, 3), lr=st.floats(1e-3, 0.5))
@settings(max_examples=40, deadline=None)
def test_lamb_moves_each_tensor_by_its_rate_times_a_length_within_bounds(seed, low, width, lr):
    tensors = parameters(seed)
    before = [tensor.detach().clone() for tensor in tensors]
    after = take(optim.LAMB(tensors, lr=lr, bounds=(low, low + width)), tensors, steps=1)
    for start, tensor in zip(before, after, strict=True):
        if low + width == 0:
            continue
        length = min(max(float(start.norm()), low), low + width)
        assert float((tensor - start).norm()) == pytest.approx(lr * length, rel=1e-9, abs=1e-12)


@given(seed=seeds, coefficient=st.floats(1e-3, 1.0), scale=st.floats(1e-3, 1e3))
@settings(max_examples=30, deadline=None)
def test_lars_first_step_is_a_share_of_the_tensors_norm_whatever_the_gradient(seed, coefficient, scale):
    tensors = parameters(seed)
    before = [tensor.detach().clone() for tensor in tensors]
    after = take(optim.LARS(tensors, lr=1.0, trust_coefficient=coefficient), tensors, steps=1, scale=scale)
    for start, tensor in zip(before, after, strict=True):
        assert float((tensor - start).norm()) == pytest.approx(coefficient * float(start.norm()), rel=1e-9)


@given(seed=seeds)
@settings(max_examples=20, deadline=None)
def test_amsgrads_and_adagrads_divisors_never_shrink(seed):
    for name, key in (("amsgrad", "max_exp_avg_sq"), ("adagrad", "sum")):
        tensors = parameters(seed)
        optimizer = optim.create(name, tensors, 0.1, rung="scratch")
        previous = [torch.zeros_like(tensor) for tensor in tensors]
        for number in range(6):
            take(optimizer, tensors, first=number, steps=1, scale=2.0**-number)
            now = [optimizer.state[tensor][key].clone() for tensor in tensors]
            assert all(bool((a >= b).all()) for a, b in zip(now, previous, strict=True))
            previous = now


@given(seed=seeds, scale=st.floats(1e-2, 1e2))
@settings(max_examples=20, deadline=None)
def test_yogis_square_moves_by_no_more_than_its_share_of_the_gradients(seed, scale):
    tensors = parameters(seed)
    optimizer = optim.Yogi(tensors, initial_accumulator_value=1.0)
    take(optimizer, tensors, steps=1, scale=scale)
    for tensor in tensors:
        square = optimizer.state[tensor]["exp_avg_sq"]
        torch.testing.assert_close((square - 1).abs(), 0.001 * tensor.grad**2, rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("name", WITH_TWIN)
@pytest.mark.parametrize("there", ["scratch", "torch"])
def test_a_state_moves_to_and_from_the_twin_and_goes_on_to_the_same_numbers(name, there):
    back = {"scratch": "torch", "torch": "scratch"}[there]
    mine, other = parameters(), parameters()
    take(build(name, other, back), other, steps=7)
    first = build(name, mine, there)
    take(first, mine, steps=4)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = build(name, mine, back, lr=9.0)
    second.load_state_dict(torch.load(file))
    take(second, mine, first=4, steps=3)
    equal(mine, other)


@pytest.mark.parametrize("name", WITH_TWIN)
def test_the_state_has_the_twins_keys_shapes_and_dtypes(name):
    states = []
    for rung in ("scratch", "torch"):
        tensors = parameters(dtype=torch.float32)
        optimizer = build(name, tensors, rung)
        take(optimizer, tensors, steps=2)
        states.append(optimizer.state_dict())
    ours, theirs = states
    assert ours["state"].keys() == theirs["state"].keys()
    for number, state in theirs["state"].items():
        assert {key: (value.shape, value.dtype) for key, value in state.items()} == {
            key: (value.shape, value.dtype) for key, value in ours["state"][number].items()
        }
    assert ours["param_groups"][0]["params"] == theirs["param_groups"][0]["params"]


@every
def test_groups_have_options_of_their_own_and_can_be_added(name):
    tensors, frozen = parameters(), parameters(1)
    optimizer = build(name, [{"params": tensors[:2]}, {"params": tensors[2:], "lr": 0.0, "weight_decay": 0.0}])
    optimizer.add_param_group({"params": frozen, "lr": 0.0, "weight_decay": 0.0})
    before = [tensor.detach().clone() for tensor in (*tensors, *frozen)]
    after = take(optimizer, [*tensors, *frozen], steps=2)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [False] * 2 + [True] * 6


@every
@pytest.mark.parametrize("foreach", [False, True])
def test_maximize_is_minimising_the_negative(name, foreach):
    up, down = parameters(), parameters()
    take(build(name, up, maximize=True, foreach=foreach), up)
    take(build(name, down, foreach=foreach), down, scale=-1.0)
    equal(up, down)


@every
def test_the_gradients_are_left_as_they_are(name):
    for foreach in (False, True):
        tensors = parameters()
        optimizer = build(name, tensors, foreach=foreach)
        for _ in range(2):
            for tensor in tensors:
                tensor.grad = torch.full_like(tensor, 0.5)
            optimizer.step()
            assert all(bool((tensor.grad == 0.5).all()) for tensor in tensors)


@every
def test_torchs_schedulers_closures_copies_and_scalers_are_at_home(name):
    x = nn.Parameter(torch.tensor([2.0, -1.0]))
    optimizer = build(name, [x])

    def closure():
        optimizer.zero_grad()
        loss = (x**2).sum()
        loss.backward()
        return loss

    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    assert optimizer.step(closure).item() == 5.0
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.005)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    optimizer.zero_grad()
    scaler.scale((x**2).sum()).backward()
    scaler.step(optimizer)
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert copy.deepcopy(optimizer).state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


def test_a_rate_may_be_a_tensor():
    one, other = parameters(), parameters()
    equal(take(optim.Adam(one, lr=torch.tensor(0.25)), one), take(optim.Adam(other, lr=0.25), other))


def test_adams_state_decays_as_adamw_in_adamw():
    tensors = parameters()
    adam, adamw = optim.Adam(tensors), optim.AdamW(tensors)
    take(adam, tensors)
    adamw.load_state_dict(adam.state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"]


WRONG = [
    ("sgd", {"lr": -1.0}, "SGD: lr: expected a number from 0, got -1.0"),
    ("sgd", {"lr": math.nan}, "SGD: lr: expected a number from 0, got nan"),
    ("adam", {"lr": math.inf}, "Adam: lr: expected a number from 0, got inf"),
    ("adam", {"betas": (0.9, 1.0)}, r"Adam: betas: expected two numbers from 0 and below 1, got \(0.9, 1.0\)"),
    ("lamb", {"betas": (-0.1, 0.9)}, "LAMB: betas: expected two numbers from 0 and below 1"),
    ("yogi", {"betas": (0.9,)}, "Yogi: betas: expected two numbers from 0 and below 1"),
    ("adamw", {"betas": (math.nan, 0.9)}, "AdamW: betas: expected two numbers"),
    ("adam", {"betas": 0.9}, "Adam: betas: expected two numbers from 0 and below 1, got 0.9"),
    ("adagrad", {"eps": -1e-9}, "Adagrad: eps: expected a number from 0, got -1e-09"),
    ("rmsprop", {"alpha": 1.5}, "RMSprop: alpha: expected a number from 0 to 1, got 1.5"),
    ("rmsprop", {"eps": "small"}, "RMSprop: eps: expected a number from 0, got 'small'"),
    ("adadelta", {"rho": -0.5}, "Adadelta: rho: expected a number from 0 to 1, got -0.5"),
    ("sgd", {"momentum": -0.9}, "SGD: momentum: expected a number from 0, got -0.9"),
    ("sgd", {"weight_decay": math.nan}, "SGD: weight_decay: expected a number from 0, got nan"),
    ("sgd", {"nesterov": True}, "SGD: nesterov: expected momentum above 0 and dampening 0, got momentum 0.0 and"),
    ("nesterov", {"dampening": 0.1}, "SGD: nesterov: expected momentum above 0 and dampening 0"),
    ("lars", {"trust_coefficient": 0.0}, "LARS: trust_coefficient: expected a number above 0, got 0.0"),
    ("lamb", {"bounds": (2.0, 1.0)}, "LAMB: bounds: expected two numbers from 0, the smaller first"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_an_option_out_of_its_range_is_one_line_on_either_rung(name, options, message, rung):
    with pytest.raises(InputError, match=message):
        optim.create(name, parameters(), **{"lr": 0.1, "rung": rung, **options})


def test_a_group_out_of_range_is_told_too():
    with pytest.raises(InputError, match="Adam: eps: expected a number from 0, got -1"):
        optim.Adam([{"params": parameters(), "eps": -1}])


def test_complex_parameters_and_sparse_gradients_are_refused():
    with pytest.raises(InputError, match=r"SGD: expected real parameters, got torch\.complex64; pass"):
        optim.SGD([torch.zeros(2, dtype=torch.complex64, requires_grad=True)])
    table = nn.Embedding(5, 3, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(InputError, match=r"Adagrad: expected dense gradients, got a sparse one of \(5, 3\)"):
        optim.Adagrad(table.parameters()).step()


STRANGERS = [
    ("adam", "momentum", "options with .*betas.*, got .*dampening"),
    ("sgd", "adam", "options with .*dampening.*, got .*betas"),
    ("adagrad", "rmsprop", "options with"),
    ("lamb", "yogi", "options with .*bounds"),
    ("rmsprop", "adadelta", "options with"),
]


@pytest.mark.parametrize("rung", ["scratch", "torch"])
@pytest.mark.parametrize(("mine", "other", "message"), STRANGERS)
def test_the_state_of_another_rule_is_refused_by_name(mine, other, message, rung):
    tensors = parameters()
    stranger = optim.create(other, tensors, 0.1, rung=rung)
    take(stranger, tensors, steps=1)
    rule = OPTIMIZERS.get(mine).rule.__name__
    with pytest.raises(InputError, match=f"{rule}: expected {message}"):
        optim.create(mine, tensors, 0.1, rung="scratch").load_state_dict(stranger.state_dict())


def test_a_state_can_be_put_back_again_and_again():
    tensors = parameters()
    optimizer = optim.Adam(tensors)
    take(optimizer, tensors)
    saved = optimizer.state_dict()
    for _ in range(2):
        optimizer.load_state_dict(saved)
    assert saved["param_groups"] == optimizer.state_dict()["param_groups"]


def test_a_state_with_strange_or_missing_names_is_refused():
    tensors = parameters()
    optimizer = optim.Adam(tensors)
    take(optimizer, tensors, steps=1)
    saved = optimizer.state_dict()
    saved["state"] = {0: {"step": torch.tensor(1.0), "square_avg": torch.zeros(3, 5)}}
    with pytest.raises(
        InputError, match=r"Adam: expected a state with .*exp_avg.*, got square_avg, step; load it into"
    ):
        optimizer.load_state_dict(saved)
    saved = optimizer.state_dict()
    saved["param_groups"][0]["amsgrad"] = True
    with pytest.raises(
        InputError, match=r"Adam: expected a state with .*max_exp_avg_sq, step, got exp_avg, exp_avg_sq"
    ):
        optimizer.load_state_dict(saved)


def test_a_state_of_other_shapes_or_groups_is_refused():
    small, large = [nn.Parameter(torch.zeros(2))], [nn.Parameter(torch.zeros(3))]
    optimizer = optim.Adam(small)
    take(optimizer, small, steps=1)
    with pytest.raises(InputError, match=r"Adam: parameter 0: expected a state of \(3,\), got exp_avg of \(2,\)"):
        optim.Adam(large).load_state_dict(optimizer.state_dict())
    with pytest.raises(InputError, match=r"Adam: expected a state of groups of \[4\] parameters, got \[1\]; build it"):
        optim.Adam(parameters()).load_state_dict(optimizer.state_dict())


def test_parameters_without_gradients_are_counted_and_said_once(caplog):
    tensors = parameters()
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = optim.Adam([*tensors, frozen])
    with caplog.at_level(logging.WARNING, "fathom.optim"):
        take(optimizer, tensors[:1], steps=3)
    assert caplog.messages == ["Adam: 3 of 4 parameters have no gradient and stay"]
    caplog.clear()
    optimizer.zero_grad()
    optimizer.step()
    optimizer.step()
    assert caplog.messages == ["Adam: none of 4 parameters has a gradient; call backward() before step()"]


def test_frozen_parameters_are_not_worth_a_word(caplog):
    free = nn.Parameter(torch.ones(2))
    take(optim.SGD([free, nn.Parameter(torch.ones(3), requires_grad=False)]), [free])
    assert caplog.messages == []


def test_tensors_do_as_each_tensor_does():
    x = Tensors([torch.tensor([3.0, 4.0]), torch.tensor([[1.0]])])
    assert x.norm().tolist() == [5.0, 1.0]
    assert [tensor.tolist() for tensor in x.mul(torch.tensor([2.0, 10.0])).each] == [[6.0, 8.0], [[10.0]]]
    assert x.mul_(2) is x
    with pytest.raises(AttributeError, match="_foreach_matmul"):
        x.matmul(x)
