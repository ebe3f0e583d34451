import math
import resource

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from tests.train.test_loop import regression
from torch import nn

from fathom.errors import RunFolderError, SaveError
from fathom.records import RunFolder
from fathom.train import Progress, fit, load_checkpoint, save_checkpoint
from fathom.train import checkpoints as checkpoints_file
from fathom.train.checkpoints import Checkpoints, _copy, restore

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


def same(left, right):
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, float) and math.isnan(left):
        return isinstance(right, float) and math.isnan(right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@given(tree=st.dictionaries(st.text(min_size=1), plain, max_size=4))
def test_plain_values_come_back_as_they_were(tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("tree") / "tree.safetensors"
    save_checkpoint(path, tree)
    assert same(load_checkpoint(path), tree)


def test_tensors_of_every_kind_come_back_as_they_were(tmp_path):
    shared = torch.arange(6.0)
    groups = [{"betas": (0.9, 0.99)}]
    tree = {
        "model": {"a": shared, "tied": shared, "last": torch.randn(2, 3, 5, 7).to(memory_format=torch.channels_last)},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0), "none": None}}, "param_groups": groups},
        "odd": [torch.tensor([], dtype=torch.int64), torch.tensor(True), torch.ones(3, dtype=torch.bfloat16)],
        "view": shared[2:],
    }
    save_checkpoint(tmp_path / "x.safetensors", tree)
    assert same(load_checkpoint(tmp_path / "x.safetensors"), tree)


def test_tensors_are_named_by_their_place(tmp_path):
    step, batches, state = regression()
    fit(step, batches, epochs=1, state=state)
    save_checkpoint(tmp_path / "x.safetensors", {name: thing.state_dict() for name, thing in state.items()})
    with safe_open(tmp_path / "x.safetensors", framework="pt") as file:
        names = set(file.keys())
    assert {"model.0.weight", "optimizer.state.0.exp_avg", "rng.torch"} <= names


@pytest.mark.parametrize("stop_after", [1, 4, 5, 6, 9])
def test_stopped_anywhere_and_resumed_equals_never_stopped(tmp_path, stop_after):
    whole = regression(dropout=0.5)
    fit(whole[0], whole[1], epochs=2, state=whole[2])

    class Pull(Exception):
        """The plug."""

    class PullThePlug:
        def step(self, progress):
            if progress.step == stop_after:
                save_checkpoint(tmp_path / "x.safetensors", {k: v.state_dict() for k, v in first[2].items()})
                raise Pull

        def epoch(self, progress): ...
        def end(self, progress): ...

    first = regression(dropout=0.5)
    with pytest.raises(Pull):
        fit(first[0], first[1], epochs=2, state=first[2], listeners=[PullThePlug()])
    second = regression(seed=7, dropout=0.5)  # another seed: all that matters must come from the checkpoint
    second[2]["progress"] = Progress()
    second[1].seed = 0
    second[1].tensors = first[1].tensors
    restore(second[2], tmp_path / "x.safetensors")
    fit(second[0], second[1], epochs=2, state=second[2])
    assert same(dict(second[2]["model"].state_dict()), dict(whole[2]["model"].state_dict()))
    assert same(second[2]["optimizer"].state_dict(), whole[2]["optimizer"].state_dict())
    assert second[2]["progress"].history == whole[2]["progress"].history


def test_best_is_the_first_epoch_with_the_best_number(tmp_path):
    folder = RunFolder.create("mlp", {}, tmp_path / "run")
    model, losses = nn.Linear(1, 1), iter([3.0, 1.0, 2.0, 1.0])
    state = {"model": model, "progress": Progress()}

    def step(batch):
        with torch.no_grad():
            model.bias.add_(1)
        return {"loss": 0.0}

    class Bias:
        def __iter__(self):
            yield (torch.ones(1),)

        def __len__(self):
            return 1

    with torch.no_grad():
        model.bias.zero_()
    fit(step, Bias(), epochs=4, state=state, evaluate=lambda: {"test_loss": next(losses)},
        listeners=[Checkpoints(folder, state)])  # fmt: skip
    assert load_checkpoint(folder.best)["model"]["bias"].item() == 2
    assert load_checkpoint(folder.last)["model"]["bias"].item() == 4


def test_a_stopped_run_saves_the_step_it_finished(tmp_path):
    folder = RunFolder.create("mlp", {}, tmp_path / "run")
    progress = Progress(step=3, status="stopped")
    Checkpoints(folder, {"progress": progress}).end(progress)
    assert load_checkpoint(folder.last)["progress"]["step"] == 3


def test_a_failed_run_keeps_the_last_good_checkpoint(tmp_path):
    folder = RunFolder.create("mlp", {}, tmp_path / "run")
    progress = Progress(step=3, status="failed")
    Checkpoints(folder, {"progress": progress}).end(progress)
    assert not folder.last.exists()


def test_every_thirty_seconds_a_checkpoint_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints_file, "EVERY_SECONDS", 0.0)
    folder = RunFolder.create("mlp", {}, tmp_path / "run")
    progress = Progress(step=1)
    Checkpoints(folder, {"progress": progress}).step(progress)
    assert folder.last.is_file()


def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, {"model": {"weight": torch.zeros(5)}})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
        with pytest.raises(SaveError, match=r"could not write .*x\.safetensors.*make room"):
            save_checkpoint(path, {"model": {"weight": torch.zeros(5000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_checkpoint(path)["model"]["weight"].shape == (5,)
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\xff" * 400])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"x\.safetensors is damaged"):
        load_checkpoint(tmp_path / "x.safetensors")


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(RunFolderError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "x.safetensors")


def test_a_checkpoint_of_another_model_does_not_fit(tmp_path):
    save_checkpoint(tmp_path / "x.safetensors", {"model": nn.Linear(2, 3).state_dict()})
    with pytest.raises(RunFolderError, match="does not fit, at model"):
        restore({"model": nn.Linear(5, 7)}, tmp_path / "x.safetensors")


def test_a_checkpoint_of_another_recipe_names_what_is_missing(tmp_path):
    save_checkpoint(tmp_path / "x.safetensors", {"model": {}, "optimizer": {}})
    with pytest.raises(RunFolderError, match="of another recipe: optimizer is on one side only"):
        restore({"model": nn.Identity()}, tmp_path / "x.safetensors")


def test_a_copy_that_can_not_be_made_is_one_line(tmp_path):
    save_checkpoint(tmp_path / "best", {"x": torch.ones(3)})
    (tmp_path / "last").mkdir()
    with pytest.raises(SaveError, match=r"could not write .*last: Is a directory"):
        _copy(tmp_path / "best", tmp_path / "last")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "last"]
