import dataclasses
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fathom import data
from fathom.errors import DataError, InputError
from fathom.recipes import resnet_imagenet as recipe
from fathom.recipes.resnet_imagenet import Config, Prepared, statistics
from fathom.records import RunFolder
from fathom.train.export import EXAMPLES


def test_the_mean_picture_and_the_colours_components_are_those_of_numpy():
    draw = torch.Generator().manual_seed(0)
    mix = torch.tensor([[0.5, 0.1, 0.0], [0.4, 0.2, 0.1], [0.3, -0.2, 0.1]])
    x = torch.einsum("cd,ndhw->nchw", mix, torch.rand(53, 3, 7, 7, generator=draw))
    mean, colours = statistics([(x[:20], None), (x[20:], None)])
    both = torch.cat([x, x.flip(-1)])
    torch.testing.assert_close(mean, both.mean(dim=0))
    covariance = np.cov(x.transpose(0, 1).flatten(1).double().numpy(), bias=True)
    np.testing.assert_allclose((colours @ colours.T).numpy(), covariance, atol=1e-6)
    lengths = colours.norm(dim=0).numpy()
    np.testing.assert_allclose(np.sort(lengths**2), np.sort(np.linalg.svd(covariance)[1]), atol=1e-6)
    assert colours.is_contiguous()


class Means(nn.Module):
    """A network whose logits are the mean of each colour."""

    def forward(self, x):
        return x.mean(dim=(2, 3))


def prepared():
    model = Prepared(Means(), side=3)
    model.mean = torch.arange(27.0).view(3, 3, 3) / 27
    model.colours = torch.diag(torch.tensor([1.0, 2.0, 3.0]))
    return model


def test_the_mean_is_taken_off_and_colours_are_shifted_along_their_components():
    model, x = prepared(), torch.rand(2, 3, 3, 3)
    torch.testing.assert_close(model(x), (x - model.mean).mean(dim=(2, 3)))
    normals = torch.tensor([[1.0, 0.0, 0.0], [0.5, -1.0, 2.0]])
    shifts = torch.tensor([[0.1, 0.0, 0.0], [0.05, -0.2, 0.6]])
    torch.testing.assert_close(model(x, normals), model(x) + shifts)


def test_several_views_give_the_mean_of_their_probabilities():
    model, x = prepared(), torch.rand(2, 5, 3, 3, 3)
    expected = torch.stack([model(x[:, view]).softmax(dim=1) for view in range(5)]).mean(dim=0)
    torch.testing.assert_close(model(x).exp(), expected)
    assert model(1000 * x).isfinite().all()  # though probabilities become 0


def test_errors_are_the_shares_that_are_wrong():
    logits = torch.eye(7)[torch.tensor([0, 1, 2, 3])] + torch.linspace(0, 0.5, 7)
    target = torch.tensor([0, 4, 5, 0])
    found = {name: measure(logits, target).item() for name, measure in recipe.error_measures(7).items()}
    assert found == {"top1_error": 0.75, "top5_error": 0.25}
    assert recipe.error_measures(3)["top5_error"](torch.rand(2, 3), torch.tensor([0, 2])).item() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 20}, "--depth: expected one of 18, 34, 50, 101, 152, got 20"),
        ({"depth": 50, "plain": True}, "--depth: expected one of 18, 34, got 50"),
        ({"crops": 5}, "--crops: expected one of 1, 10, got 5"),
        ({"shortest": 200}, "--shortest: expected a number at least 224, got 200"),
        ({"longest": 250}, "--longest: expected a number at least 256, got 250"),
        ({"test_side": 200}, "--test-side: expected a number at least 224"),
        ({"workers": -1}, "--workers: expected a number at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Config(**settings)


def test_the_figure_beside_ours_is_that_of_the_same_network():
    assert recipe.published(Config()) == recipe.PUBLISHED
    assert recipe.published(Config(depth=34, plain=True))[0]["value"] == 0.2854
    assert "table 3" in recipe.published(Config(depth=50))[0]["source"]


def test_the_workers_are_no_change_of_settings():
    assert Config(workers=3).changes() == {}
    assert Config(crops=1).changes() == {"crops": 1}


@pytest.mark.parametrize(
    ("settings", "count"),
    [  # parameters of torchvision's networks, less those of the projections, which option A does not have
        ({}, 11_689_512 - 173_824),
        ({"plain": True}, 11_689_512 - 173_824),
        ({"depth": 34}, 21_797_672 - 173_824),
        ({"depth": 50, "shortcut": "B"}, 25_557_032),
    ],
)
def test_the_networks_are_the_papers(settings, count):
    with torch.device("meta"):
        model = recipe.build(Config(**settings), {"classes": range(1000)})
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert model.mean.shape == (3, 224, 224)


def test_testing_with_ten_crops_sees_as_many_pictures_as_with_one():
    files = data.load_files("drawn-photographs", "test")
    small = {"crop": 32, "shortest": 32, "longest": 40, "test_side": 36, "batch_size": 20, "limit": 2}
    for crops, shape in ((1, (20, 3, 32, 32)), (10, (2, 10, 3, 32, 32))):
        batches = recipe.test_batches(Config(**small, crops=crops, workers=1), files, torch.device("cpu"))
        assert batches.examples == 40
        assert next(iter(batches))[0].shape == shape


def test_with_a_limit_pictures_of_all_classes_are_measured():
    files = data.load_files("drawn-photographs", "test")
    small = {"crop": 32, "shortest": 32, "longest": 40, "test_side": 36, "batch_size": 20, "limit": 1, "crops": 1}
    ((_, y),) = recipe.test_batches(Config(**small, workers=1), files, torch.device("cpu"))
    assert y.unique().tolist() == list(range(10))


def test_prediction_names_a_file_that_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "trained", lambda folder: (prepared(), dataclasses.replace(Config(), crops=1)))
    folder = type("Folder", (), {"data": {"classes": ["a", "b", "c"]}})
    with pytest.raises(DataError, match=r"none\.png: expected a picture, but there is no such file"):
        recipe.predict(folder, tmp_path / "none.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.png: could not be decoded as a picture"):
        recipe.predict(folder, tmp_path / "bad.png")


def test_prediction_sees_the_middle_of_the_picture(tmp_path, monkeypatch):
    config = Config(crop=32, shortest=32, longest=32, test_side=32, crops=10)
    model = Prepared(Means(), side=32)
    monkeypatch.setattr(recipe, "trained", lambda folder: (model, config))
    Image.new("RGB", (50, 40), (0, 255, 51)).save(tmp_path / "a.png")
    folder = type("Folder", (), {"data": {"classes": ["red", "green", "blue"]}})
    prediction = recipe.predict(folder, tmp_path / "a.png")
    assert prediction.label == "green"
    expected = torch.tensor([1.0, 0.2, 0.0]).softmax(dim=0).tolist()
    assert prediction.probabilities == pytest.approx(dict(zip(["green", "blue", "red"], expected, strict=True)))


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    """A run whose weights are averaged."""
    sizes = {"crop": 32, "shortest": 32, "longest": 40, "test_side": 36, "crops": 1}
    short = {"batch_size": 8, "limit": 2, "epochs": 1, "workers": 1, "threads": 1, "average": "swa,start=0,every=1"}
    config = Config(data="drawn-photographs", **short, **sizes)
    folder = RunFolder.create("resnet-imagenet", dataclasses.asdict(config), tmp_path_factory.mktemp("swa") / "run")
    return folder, recipe.run(config, folder)


def test_the_average_of_weights_has_statistics_of_its_own(averaged):
    folder, result = averaged
    assert result.metrics["plain_loss"] != result.metrics["test_loss"]
    assert recipe.measure(folder).metrics["test_loss"] == pytest.approx(result.metrics["test_loss"], rel=1e-5)


def test_a_run_is_not_measured_on_other_classes(averaged, tmp_path):
    folder = RunFolder(shutil.copytree(averaged[0].path, tmp_path / "run"))
    folder.write_data({**folder.data, "classes": [*folder.data["classes"][:9], "unicorn"]})
    with pytest.raises(InputError, match="has learnt 10 classes, but drawn-photographs has 10 or others"):
        recipe.measure(folder)


def test_a_run_is_exported_with_the_middles_of_validation_pictures(averaged):
    folder, _ = averaged
    found = recipe.exportable(folder)
    assert found.real
    assert found.inputs["pixels"].shape == (EXAMPLES, 3, 32, 32)
    with torch.inference_mode():
        assert found.model(found.inputs["pixels"]).shape == (EXAMPLES, 10)
