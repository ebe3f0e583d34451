"""Averages of the weights, a schedule with a memory and clipping by value in whole runs, on every rung."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.optim import swa_utils

from fathom import data, metrics, models, recipes
from fathom.errors import InputError, Stopped
from fathom.models.lenet_bn import lenet_bn
from fathom.records import RunFolder
from fathom.train import evaluate, experiment, load_checkpoint, load_model
from fathom.train.config import TrainConfig
from fathom.train.experiment import Task

SMALL = {
    "data": "fashion-mnist-sample", "epochs": 3, "limit": 5, "batch_size": 37, "optimizer": "adam", "lr": 0.003,
}  # fmt: skip
PLATEAU = "plateau,patience=0,threshold=1,factor=0.5"  # nothing is better than that: a drop after each epoch
SETTINGS = {
    "plateau": {"schedule": PLATEAU, "warmup": 2},
    "ema": {"average": "ema,decay=0.8"},
    "swa": {"average": "swa,start=0.3,every=2"},
    "everything": {"schedule": PLATEAU, "average": "ema,corrected=true", "clip_value": 0.01, "clip": 0.05},
}


def run(path=None, name="mlp", listeners=(), **changes):
    module = recipes.load(name)
    config = module.Config(**{**SMALL, **changes})
    folder = None
    if path is not None:
        folder = RunFolder.open(path) if path.exists() else RunFolder.create(name, dataclasses.asdict(config), path)
    return module.run(config, folder, listeners=listeners)


def numbers(path):
    tree = load_checkpoint(path / "checkpoint" / "last.safetensors")
    tree["progress"].pop("seconds")
    tree["optimizer"]["param_groups"] = [group["lr"] for group in tree["optimizer"]["param_groups"]]
    return tree


def same(left, right):
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if hasattr(left, "shape"):
        return torch.equal(torch.as_tensor(left), torch.as_tensor(right))
    return left == right


class StopAt:
    def __init__(self, step):
        self.at = step

    def step(self, progress):
        if progress.step == self.at:
            raise Stopped("stopped", 2)

    def epoch(self, progress): ...

    def end(self, progress): ...


@pytest.mark.parametrize("rung", ["torch", "scratch", "numpy"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_stopped_and_resumed_equals_never_stopped(tmp_path, rung, settings):
    run(tmp_path / "whole", rung=rung, **settings)
    with pytest.raises(Stopped):
        run(tmp_path / "parts", rung=rung, listeners=[StopAt(7)], **settings)
    run(tmp_path / "parts", rung=rung, **settings)
    assert same(numbers(tmp_path / "parts"), numbers(tmp_path / "whole"))


def test_a_plateau_observes_the_test_loss_after_each_epoch(tmp_path):
    run(tmp_path / "run", schedule="plateau,patience=0,threshold=0.999,factor=0.5", epochs=3)
    state = numbers(tmp_path / "run")
    first = state["progress"]["history"][0]["test_loss"]
    assert state["schedule"] == {"current": 0.25, "best": first, "waited": 0, "cooling": 0}
    assert state["optimizer"]["param_groups"][0] == pytest.approx(0.003 * 0.5)  # as of the last epoch's updates


def test_an_ema_in_a_run_is_the_frameworks_over_the_same_updates():
    torch.manual_seed(0)
    config = TrainConfig(**{**SMALL, "optimizer": "sgd", "lr": 0.1}, average="ema,decay=0.7")
    followed = []

    def build():
        model = models.create("mlp", hidden_sizes=(11,))
        followed.append((model, swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.7))))
        return model

    class Follow:
        def step(self, progress):
            model, average = followed[0]
            average.update_parameters(model)

        def epoch(self, progress): ...

        def end(self, progress): ...

    train, test = (data.load("fashion-mnist-sample", split) for split in ("train", "test"))
    task = Task(build=build, loss=cross_entropy, measures={"accuracy": metrics.accuracy})
    result = experiment("mlp", config, task, train, test, listeners=[Follow()])
    model, average = followed[0]
    spread = np.arange(5 * 37) * len(test) // (5 * 37)
    held_out = [tuple(tensor[spread] for tensor in test.tensors.values())]
    expected = evaluate(average.module, held_out, {"loss": cross_entropy})
    plain = evaluate(model, held_out, {"loss": cross_entropy})
    assert result.metrics["test_loss"] == pytest.approx(expected["test_loss"], rel=1e-5)
    assert result.metrics["plain_loss"] == pytest.approx(plain["test_loss"], rel=1e-5)
    assert abs(plain["test_loss"] - expected["test_loss"]) > 1e-3


def test_an_swa_of_a_model_with_batch_normalisation_has_statistics_of_its_own(tmp_path):
    config = TrainConfig(**SMALL, average="swa,start=0.1")
    train, test = (data.load("fashion-mnist-sample", split) for split in ("train", "test"))
    task = Task(build=lenet_bn, loss=cross_entropy, measures={"accuracy": metrics.accuracy})
    folder = RunFolder.create("lenet", dataclasses.asdict(config), tmp_path / "run")
    result = experiment("lenet", config, task, train, test, folder=folder)
    loaded, again = load_model(folder, lenet_bn, best=False), lenet_bn()
    again.load_state_dict(loaded.state_dict())
    x = train.tensors["x"][: 5 * 37]
    swa_utils.update_bn(x.split(37), again)
    for name, expected in again.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], expected, msg=name)
    assert result.metrics["test_loss"] != result.metrics["plain_loss"]


@pytest.mark.parametrize("rung", ["torch", "numpy"])
@pytest.mark.parametrize("average", ["ema,decay=0.6", "swa,start=0.5"])
def test_eval_measures_the_average_again(tmp_path, rung, average):
    result = run(tmp_path / "run", average=average, rung=rung)
    measured = recipes.load("mlp").measure(RunFolder(tmp_path / "run"))
    assert measured.metrics["test_accuracy"] == pytest.approx(result.metrics["best_test_accuracy"])
    tree = load_checkpoint(tmp_path / "run" / "checkpoint" / "best.safetensors")
    record = tree["progress"]["history"][-1]
    assert measured.metrics["test_loss"] == pytest.approx(record["test_loss"], rel=1e-5)


def test_before_an_average_has_begun_the_plain_weights_count(tmp_path):
    result = run(tmp_path / "run", average="swa,start=0.9")
    assert ["plain_loss" in record for record in result.history] == [False, False, True]
    only = run(average="swa,start=0.9", epochs=1, limit=5)
    assert only.metrics["plain_loss"] == only.metrics["test_loss"]  # of one set of weights


def test_an_average_leaves_the_training_as_it_is():
    plain, averaged = run(), run(average="swa,start=0.1")
    assert [record["train_loss"] for record in averaged.history] == [record["train_loss"] for record in plain.history]
    assert [record["plain_loss"] for record in averaged.history] == [record["test_loss"] for record in plain.history]


@pytest.mark.parametrize(
    "words",
    [
        {"optimizer": "yogi", "schedule": "cosine", "warmup": 3},
        {"optimizer": "sgd,momentum=0.5", "schedule": "one-cycle", "clip_value": 0.01},
        {"schedule": "multi-factor,milestones=0.5/11,factor=0.1", "clip": 0.1, "clip_value": 0.02},
        {"schedule": "inverse-square-root", "warmup": 4, "average": "ema,decay=0.5"},
        {"schedule": "cosine-restarts,first=5", "average": "swa,start=0.3"},
    ],
    ids=lambda words: words["schedule"],
)
def test_the_rungs_give_one_curve(words):
    changes = {**words, "lr": 0.01, "epochs": 2}
    curves = {
        rung: [[record["train_loss"], record["test_loss"]] for record in run(rung=rung, **changes).history]
        for rung in ("torch", "scratch", "numpy")
    }
    for rung in ("scratch", "numpy"):
        for ours, theirs in zip(curves[rung], curves["torch"], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4)  # float32 rounding, which ten updates amplify


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_value": -1.0}, "--clip-value: expected a number at least 0, got -1.0"),
        ({"clip_value": math.nan}, "--clip-value: expected a number at least 0, got nan"),
        ({"average": "emma"}, "unknown average 'emma'; did you mean 'ema'?"),
        ({"average": "ema,decay=2"}, "average ema: decay: expected a number at least 0 and below 1, got 2"),
        ({"schedule": "cosine,end=-1"}, "schedule cosine: end: expected a number at least 0 and at most 1, got -1"),
        ({"schedule": "plateau,patient=3"}, "unknown option of schedule plateau 'patient'; did you mean 'patience'?"),
        ({"optimizer": "sgd,momentun=1"}, "unknown option of optimizer sgd 'momentun'; did you mean 'momentum'?"),
    ],
)
def test_settings_that_do_not_fit_are_refused_at_once(changes, message):
    with pytest.raises(InputError) as error:
        TrainConfig(**changes)
    assert str(error.value) == message


@pytest.mark.parametrize("name", ["perceptron", "symmetry", "gradient-descent"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"average": "ema"}, "--average: expected nothing, since"),
        ({"clip_value": 1.0}, "--clip-value: expected 0.0, since"),
        ({"schedule": "plateau"}, "--schedule: expected constant, since"),
    ],
)
def test_a_recipe_with_a_step_of_its_own_refuses_what_it_would_ignore(name, changes, message):
    with pytest.raises(InputError, match=message):
        recipes.load(name).Config(**changes)
