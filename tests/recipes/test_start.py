import dataclasses
import functools
import math
import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from fathom import data
from fathom.cli import main
from fathom.data import loading
from fathom.errors import DataError, InputError, RunFolderError, Stopped
from fathom.recipes import cifar10_kaggle, lenet, resnet20_cifar
from fathom.recipes.common import starts
from fathom.records import RunFolder
from fathom.train import load_checkpoint
from fathom.train.checkpoints import model_weights
from fathom.train.experiment import held_out

LENET = {"device": "cpu", "threads": 1, "batch_size": 16, "limit": 3, "lr": 0.01, "optimizer": "adam"}
CLOTHES = "fashion-mnist-sample"


def run(path, recipe=lenet, **changes):
    config = recipe.Config(**{**LENET, "data": CLOTHES, "epochs": 1, **changes})
    name = recipe.__name__.rpartition(".")[2].replace("_", "-")
    folder = RunFolder.create(name, dataclasses.asdict(config), path)
    return folder, recipe.run(config, folder)


load_once = functools.cache(loading.load)


@pytest.fixture(autouse=True, scope="module")
def data_loaded_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            data,
            "load",
            lambda name, *rest, **wishes: (load_once if name.startswith("fashion") else loading.load)(
                name, *rest, **wishes
            ),
            raising=False,
        )
        yield


def pictures(folder, classes):
    """Five grey pictures of each class."""
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for place in range(5):
            pixels = np.random.default_rng([number, place]).integers(0, 256, (28, 28), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{place}.png")


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A run of LeNet that others start from."""
    return run(tmp_path_factory.mktemp("learnt") / "run", epochs=2)[0]


def head_of(folder):
    return load_checkpoint(folder.last)["model"]["11.weight"]


def test_a_run_of_other_classes_is_a_start_with_a_head_for_the_new_ones(learnt, tmp_path):
    pictures(tmp_path / "photos", ("round", "square", "long"))
    folder, result = run(tmp_path / "run", data=f"images:{tmp_path / 'photos'}", from_=str(learnt.path), freeze="4")
    before, after = model_weights(learnt.best), model_weights(folder.last)
    assert after["11.weight"].shape == (3, 84)
    assert before["11.weight"].shape == (10, 84)
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("11."))
    digest = starts.remembered_digest(learnt.best)
    assert folder.data["start"] == {"name": str(learnt.path), "file": str(learnt.best), "sha256": digest}
    assert f"started from {learnt.path} (sha256 {digest}), with a new head" in result.notes
    assert lenet.predict(folder, tmp_path / "photos" / "long" / "0.png").label in ("round", "square", "long")


def test_a_start_gives_another_beginning_than_random_weights_but_the_same_head(learnt):
    fresh, started = (lenet.Config(**LENET, data=CLOTHES, from_=name) for name in ("", str(learnt.path)))
    torch.manual_seed(3)
    random = lenet.RECIPE.network(fresh, learnt.data)
    torch.manual_seed(3)
    begun = starts.Start.of(started, None).begin(lenet.RECIPE.network(started, learnt.data))
    assert torch.equal(random[11].weight, begun[11].weight)
    assert not torch.equal(random[0].weight, begun[0].weight)


def test_the_head_learns_ten_times_as_fast_and_lower_stages_slower(learnt, tmp_path):
    folder, _ = run(tmp_path / "run", from_=str(learnt.path), freeze="1", discriminative=2.0, lr=0.08, optimizer="sgd")
    groups = load_checkpoint(folder.last)["optimizer"]["param_groups"]
    assert [group["lr"] for group in groups] == pytest.approx([0.02, 0.04, 0.08, 0.8])


@pytest.mark.parametrize("average", ["", "swa,start=0"])
def test_a_stopped_run_goes_on_without_what_it_started_from_and_ends_in_the_same_bits(learnt, tmp_path, average):
    start = tmp_path / "start"
    shutil.copytree(learnt.path, start)
    options = {"from_": str(start), "freeze": "2", "epochs": 2, "average": average}
    whole, result = run(tmp_path / "whole", **options)
    config = lenet.Config(**{**LENET, "data": CLOTHES, **options})
    folder = RunFolder.create("lenet", dataclasses.asdict(config), tmp_path / "run")
    with pytest.raises(Stopped):
        lenet.run(config, folder, listeners=[Stop(at=4)])
    shutil.rmtree(start)
    again = lenet.run(config, folder)
    assert again.metrics == result.metrics
    assert again.notes == result.notes
    assert torch.equal(head_of(folder), head_of(whole))
    assert folder.data["start"] == whole.data["start"]
    assert lenet.measure(folder).metrics["test_accuracy"] == result.metrics["best_test_accuracy"]


class Stop:
    def __init__(self, at):
        self.at = at

    def step(self, progress):
        if progress.step == self.at:
            signal.raise_signal(signal.SIGTERM)

    def epoch(self, progress): ...
    def end(self, progress): ...


def test_averaging_measures_no_frozen_batch_norm_anew(tmp_path):
    small = {"recipe": resnet20_cifar, "data": "fashion-mnist-sample,size=9,channels=3", "batch_size": 5, "limit": 2}
    first, _ = run(tmp_path / "first", **small)
    folder, _ = run(tmp_path / "run", **small, from_=str(first.path), freeze="layer1", average="swa,start=0")
    before, after = model_weights(first.best), model_weights(folder.best)
    for name, value in after.items():
        frozen = name.startswith(("conv1.", "bn1.", "layer1."))
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(value, before[name]) == frozen, name


@pytest.mark.parametrize("form", ["checkpoint", "safetensors", "pth"])
def test_a_file_of_weights_is_a_start(learnt, tmp_path, form):
    weights, file = model_weights(learnt.best), learnt.best
    if form == "safetensors":
        save_file(weights, file := tmp_path / "weights.safetensors")
    if form == "pth":
        torch.save(weights, file := tmp_path / "weights.pth")
    folder, _ = run(tmp_path / "run", from_=str(file), freeze="4")
    assert torch.equal(model_weights(folder.last)["9.weight"], weights["9.weight"])


def test_pictures_are_normalised_as_those_that_the_start_has_seen(tmp_path):
    first, _ = run(tmp_path / "first", normalise="0.3,0.7")
    kept, _ = run(tmp_path / "kept", from_=str(first.path))
    assert (kept.data["mean"], kept.data["std"]) == ([0.3], [0.7])
    assert hasattr(lenet.RECIPE.trained(kept)[0], "input_mean")
    other, _ = run(tmp_path / "other", from_=str(first.path), normalise="0.1,0.2")
    assert (other.data["mean"], other.data["std"]) == ([0.1], [0.2])


def test_packaged_weights_expect_pixels_less_127_over_128():
    scales = starts.scales_of("published")
    x = torch.rand(3, 2, 2)
    mean, std = (torch.tensor(scales[key])[:, None, None] for key in ("mean", "std"))
    torch.testing.assert_close((x - mean) / std, (255 * x - 127) / 128)


# --- what does not fit ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": "2"}, "--freeze: expected with --from"),
        ({"discriminative": 2.0}, "--discriminative: expected with --from"),
        ({"discriminative": 0.5}, "--discriminative: expected a factor of at least 1, got 0.5"),
        ({"discriminative": math.nan}, "--discriminative: expected a factor of at least 1, got nan"),
        ({"from_": "runs/x", "rung": "numpy"}, "--from: expected rung torch or scratch, got numpy"),
    ],
)
def test_settings_that_do_not_go_together_are_one_clear_line(changes, message):
    with pytest.raises(InputError, match=message):
        lenet.Config(**changes)


def test_a_recipe_that_starts_otherwise_refuses_the_flags():
    with pytest.raises(InputError, match=r"--from: expected nothing, since .*; got runs/x; leave it out"):
        cifar10_kaggle.Config(from_="runs/x")


def test_the_wrong_network_is_one_line_that_names_the_first_tensor(learnt, tmp_path):
    with pytest.raises(InputError, match=r"--from .*run: expected the weights of this network \(ResNet\), but conv1"):
        run(tmp_path / "run", recipe=resnet20_cifar, from_=str(learnt.path))
    with pytest.raises(InputError, match=r"\(Sequential\), but 0\.weight is \(6, 1, 5, 5\) instead of \(6, 3, 5, 5\)"):
        run(tmp_path / "other", from_=str(learnt.path), data="fashion-mnist-sample,channels=3")


def test_a_start_that_is_none_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="expected a run folder, a file of weights or published, got 'nowhere'"):
        run(tmp_path / "run", from_="nowhere")
    with pytest.raises(RunFolderError, match=r"run has no checkpoint yet; go on with fathom train --resume"):
        run(tmp_path / "other", from_=str(tmp_path / "run"))
    (tmp_path / "words.pth").write_text("no weights")
    with pytest.raises(DataError, match=r"words\.pth: expected a file of weights alone"):
        starts.weights_in(tmp_path / "words.pth")


def test_an_unknown_stage_is_one_clear_line(learnt, tmp_path):
    with pytest.raises(InputError, match=r"--freeze: expected a number from 1 to 4, the stages of this network"):
        run(tmp_path / "run", from_=str(learnt.path), freeze="5")


def test_measuring_on_changed_pictures_says_so(tmp_path, capsys):
    folder = tmp_path / "photos"
    pictures(folder, ("dark", "light"))
    done, _ = run(tmp_path / "run", data=f"images:{folder}")
    lenet.measure(done)
    assert "have changed" not in capsys.readouterr().err
    shutil.copy(next((folder / "dark").iterdir()), folder / "light" / "new.png")
    lenet.measure(done)
    assert "the data have changed since it was trained, so that it may have learnt" in capsys.readouterr().err


def test_measuring_on_other_classes_says_how_to_fine_tune(tmp_path):
    pictures(tmp_path / "photos", ("round", "square"))
    folder, _ = run(tmp_path / "run", data=f"images:{tmp_path / 'photos'}")
    pictures(tmp_path / "photos", ("long",))
    advice = rf"has learnt 2 classes, but .* has 3 or others \(long, round, .*--from {folder.path} --data YOURS"
    with pytest.raises(InputError, match=advice):
        lenet.measure(folder)


def test_a_checkpoint_for_another_number_of_classes_says_how_to_fine_tune(learnt, tmp_path):
    shutil.copytree(learnt.path, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    folder.write_data({**folder.data, "classes": ["one", "two"]})
    message = r"expected a network that tells the 2 classes of data.json, got one of 10; .* fathom train lenet --from"
    with pytest.raises(RunFolderError, match=message):
        lenet.predict(folder, tmp_path / "none.png")


# --- the command line -----------------------------------------------------------------------------------------------


def test_from_is_a_flag_whose_path_holds_in_every_folder(learnt, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(learnt.path.parent)
    words = ["--epochs", "1", "--limit", "1", "--data", CLOTHES, "--quiet", "--out", str(tmp_path / "run")]
    assert main(["train", "lenet", "--from", learnt.path.name, "--freeze", "1", *words]) == 0
    assert RunFolder(tmp_path / "run").config["from_"] == str(learnt.path)
    assert f"from {learnt.path} (source none)" in capsys.readouterr().out
    assert main(["train", "--resume", str(tmp_path / "run"), "--from", learnt.path.name, "--limit", "1"]) == 0
    assert main(["train", "--resume", str(tmp_path / "run"), "--from", "elsewhere"]) == 2
    assert "--from: the run in" in capsys.readouterr().err
    assert main(["train", "lenet", "--help"]) == 0
    assert "--from STR" in capsys.readouterr().out


def test_with_a_limit_every_class_is_measured_and_the_result_says_how_many(learnt):
    result = lenet.measure(learnt)
    assert "48 of 2,000 test examples, as the run's limit 3 says" in result.notes[0]
    x = torch.arange(100.0)[:, None]
    sorted_set = data.Dataset(None, "test", {"x": x, "y": torch.arange(10).repeat_interleave(10)}, None, {})
    (_, seen), *rest = held_out(sorted_set, lenet.Config(limit=1, batch_size=10))
    assert not rest
    assert seen.tolist() == list(range(10))
