"""Rung numpy in the loop: the same curve as rung torch, the same promises."""

import dataclasses

import numpy as np
import pytest
import torch

from fathom import recipes
from fathom.errors import InputError
from fathom.records import RunFolder
from fathom.train import load_checkpoint

SMALL = {"data": "fashion-mnist-sample", "epochs": 2, "limit": 6, "batch_size": 50, "optimizer": "adam", "lr": 0.01}


def run(name, path=None, listeners=(), **changes):
    module = recipes.load(name)
    config = module.Config(**{**SMALL, "rung": "numpy", **changes})
    folder = RunFolder.create(name, dataclasses.asdict(config), path) if path and not path.exists() else None
    if path and folder is None:
        folder = RunFolder.open(path)
    return module.run(config, folder, listeners=listeners)


def curve(result):
    return np.array([[record["train_loss"], record["test_loss"]] for record in result.history])


@pytest.mark.parametrize("name", ["softmax-regression", "mlp", "lenet"])
@pytest.mark.parametrize("changes", [{}, {"clip": 0.1, "schedule": "cosine", "warmup": 3, "optimizer": "nesterov"}])
def test_the_rungs_give_one_curve(name, changes):
    curves = {rung: curve(run(name, rung=rung, **changes)) for rung in ("torch", "scratch", "numpy")}
    for rung in ("scratch", "numpy"):
        # float32 rounding, which twelve steps of Adam amplify
        np.testing.assert_allclose(curves[rung], curves["torch"], rtol=1e-4)


def test_a_batch_in_parts_gives_the_same_update():
    np.testing.assert_allclose(curve(run("mlp", accumulate=3)), curve(run("mlp")), rtol=1e-4)  # as above


def test_stopped_and_resumed_equals_never_stopped(tmp_path):
    run("mlp", tmp_path / "whole")
    run("mlp", tmp_path / "parts", epochs=1)
    run("mlp", tmp_path / "parts", epochs=2)
    whole, parts = (load_checkpoint(tmp_path / name / "checkpoint" / "last.safetensors") for name in ("whole", "parts"))
    for name, value in whole["model"].items():
        assert np.array_equal(value, parts["model"][name])
    assert whole["step"] == parts["step"]


def test_a_run_of_the_engine_is_measured_and_read_by_torch(tmp_path):
    result = run("mlp", tmp_path / "run")
    measured = recipes.load("mlp").measure(RunFolder(tmp_path / "run"))
    assert measured.metrics["test_accuracy"] == pytest.approx(result.metrics["best_test_accuracy"])
    tensors = load_checkpoint(tmp_path / "run" / "checkpoint" / "last.safetensors")["model"]
    assert all(
        isinstance(value, np.ndarray) and torch.isfinite(torch.from_numpy(value)).all() for value in tensors.values()
    )


@pytest.mark.parametrize("name", ["yogi", "lamb,weight_decay=0.1", "amsgrad", "sgd,momentum=0.5"])
def test_every_update_rule_trains_the_engines_model_as_it_trains_rung_scratch(name):
    curves = [curve(run("mlp", rung=rung, optimizer=name)) for rung in ("scratch", "numpy")]
    assert curves[0][-1, 0] < curves[0][0, 0]
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)  # as above


def test_a_rule_on_the_engines_memory_resumes_to_the_same_bits(tmp_path):
    run("mlp", tmp_path / "whole", optimizer="yogi")
    run("mlp", tmp_path / "parts", optimizer="yogi", epochs=1)
    run("mlp", tmp_path / "parts", optimizer="yogi", epochs=2)
    whole, parts = (load_checkpoint(tmp_path / name / "checkpoint" / "last.safetensors") for name in ("whole", "parts"))
    for name, value in whole["model"].items():
        assert np.array_equal(value, parts["model"][name])
    for number, state in whole["optimizer"]["state"].items():
        assert all(torch.equal(value, parts["optimizer"]["state"][number][key]) for key, value in state.items())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "bf16"}, "--precision: rung numpy computes with NumPy, expected fp32, got bf16"),
        ({"compile": True}, "--compile: rung numpy computes with NumPy"),
        ({"channels_last": True}, "--channels-last: rung numpy computes with NumPy, expected False, got True"),
        ({"optimizer": "adagrat"}, "unknown optimizer 'adagrat'; did you mean 'adagrad'?"),
    ],
)
def test_what_numpy_can_not_do_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        run("mlp", **changes)


def test_a_recipe_without_the_engine_says_which_rungs_it_has():
    with pytest.raises(InputError, match="unknown rung 'numpy'; there are: scratch, torch"):
        recipes.load("weight-decay").Config(rung="numpy")
