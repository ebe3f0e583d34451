"""Names on the command line to update rules."""

import inspect

import pytest
import torch
from torch import nn

from fathom import optim
from fathom.errors import InputError, UnknownNameError
from fathom.optim.optimizers import OPTIMIZERS
from fathom.train import TrainConfig


def one():
    return [nn.Parameter(torch.ones(2))]


def test_rung_torch_takes_the_frameworks_class_and_rung_scratch_ours():
    assert type(optim.create("amsgrad", one(), 0.1)) is torch.optim.Adam
    assert type(optim.create("amsgrad", one(), 0.1, rung="scratch")) is optim.Adam
    assert type(optim.create("lamb", one(), 0.1)) is optim.LAMB


@pytest.mark.parametrize("rung", ["torch", "scratch"])
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("sgd,momentum=0.5", {"momentum": 0.5, "nesterov": False}),
        ("momentum", {"momentum": 0.9, "nesterov": False}),
        ("nesterov,momentum=0.7", {"momentum": 0.7, "nesterov": True}),
        ("adam,betas=0.9/0.98,eps=1e-9", {"betas": (0.9, 0.98), "eps": 1e-9, "amsgrad": False}),
        ("amsgrad", {"amsgrad": True}),
        ("adamw,foreach=false,maximize=true", {"foreach": False, "maximize": True, "weight_decay": 0.01}),
        ("lamb,bounds=0/10", {"bounds": (0.0, 10.0)}),
        ("lars,adapt=no", {"adapt": False}),
    ],
)
def test_options_behind_a_name_are_taken(spec, expected, rung):
    group = optim.create(spec, one(), 0.1, rung=rung).param_groups[0]
    assert {key: group[key] for key in expected} == expected


def test_a_typed_option_goes_before_the_recipes():
    assert optim.create("sgd,weight_decay=0.2", one(), 0.1, weight_decay=0.1).param_groups[0]["weight_decay"] == 0.2


WRONG = [
    ("adan", UnknownNameError, "unknown optimizer 'adan'; did you mean 'adam'?"),
    ("sgd,momentun=0.5", UnknownNameError, "unknown option of optimizer sgd 'momentun'; did you mean 'momentum'?"),
    ("adam,betas=0.9", InputError, "optimizer adam: betas: expected 2 values with slashes between them, got '0.9'"),
    ("adam,betas=0.9/1.5", InputError, r"Adam: betas: expected two numbers from 0 and below 1, got \(0.9, 1.5\)"),
    ("sgd,momentum=fast", InputError, "optimizer sgd: momentum: expected a number, got 'fast'"),
    ("sgd,momentum", InputError, "sgd,momentum: expected key=value after the comma, got 'momentum'"),
    ("sgd,nesterov=true", InputError, "SGD: nesterov: expected momentum above 0"),
    (
        "adagrad,eps_under_root=true",
        InputError,
        r"expected an option of torch\.optim, got one of ours; take rung scratch",
    ),
]


@pytest.mark.parametrize(("spec", "error", "message"), WRONG)
def test_a_wrong_word_is_one_line_when_the_settings_are_made(spec, error, message):
    with pytest.raises(error, match=message):
        TrainConfig(optimizer=spec)
    with pytest.raises(error, match=message):
        optim.create(spec, one(), 0.1)


def test_the_books_forms_are_there_on_rung_scratch():
    assert TrainConfig(optimizer="adagrad,eps_under_root=true", rung="scratch").rung == "scratch"


def test_arguments_that_only_the_framework_has_still_pass_on_its_rung():
    assert optim.create("adam", one(), 0.1, fused=True).param_groups[0]["fused"]
    with pytest.raises(UnknownNameError, match="unknown option of optimizer adam 'fused'"):
        optim.create("adam", one(), 0.1, rung="scratch", fused=True)


@pytest.mark.parametrize("name", [name for name in optim.optimizer_names() if OPTIMIZERS.get(name).rule.TWIN])
def test_arguments_have_the_frameworks_names_and_defaults(name):
    rule = OPTIMIZERS.get(name).rule
    ours, theirs = (inspect.signature(kind).parameters for kind in (rule, rule.TWIN))
    for key, parameter in ours.items():
        if key not in rule.OURS:
            assert parameter.default == theirs[key].default


@pytest.mark.parametrize("name", optim.optimizer_names())
@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_every_optimizer_goes_downhill(name, rung):
    point = nn.Parameter(torch.tensor([3.0, -2.0]))
    optimizer = optim.create(name, [point], 0.05, rung=rung)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = (point**2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
