"""Training on varied and normalised pictures, through all that asks a run folder afterwards."""

import dataclasses
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy

from fathom import data, metrics
from fathom.autograd import from_numpy
from fathom.autograd import nn as engine
from fathom.data import augment
from fathom.errors import InputError, Stopped
from fathom.layers import namespace
from fathom.recipes.common.classifier import Classifier, PictureConfig
from fathom.records import RunFolder
from fathom.train import load_checkpoint
from fathom.train.export import export

EVERYTHING = "flip+crop,padding=2+resized-crop+colour-jitter+rotate+trivial-augment+cut-out+erase+mix-up+cut-mix"
SETTINGS = {"epochs": 2, "batch_size": 7, "threads": 1, "device": "cpu", "lr": 0.05}


def build(config, about):
    channels, height, width = about["example_shape"]
    layers = namespace(config.rung)
    return layers.Sequential(
        layers.Conv2d(channels, 4, 3),
        layers.BatchNorm2d(4),
        layers.ReLU(),
        layers.Flatten(),
        layers.Linear(4 * (height - 2) * (width - 2), len(about["classes"])),
    )


RECIPE = Classifier(
    recipe="lenet", config=PictureConfig, build=build, published=[], wishes={"size": (9, 8), "channels": 3}
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label, tone in (("dark", 60), ("middle", 120), ("light", 200)):
        (folder / label).mkdir()
        for number in range(10):
            pixels = random.integers(tone - 50, tone + 50, (9, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return f"images:{folder}"


def start(photos, path, **changes):
    config = PictureConfig(data=photos, **{**SETTINGS, **changes})
    return config, RunFolder.create("lenet", dataclasses.asdict(config), path)


class Terminate:
    """Listener that sends SIGTERM at a step."""

    def __init__(self, at):
        self.at = at

    def step(self, progress):
        if progress.step == self.at:
            os.kill(os.getpid(), signal.SIGTERM)

    def epoch(self, progress): ...
    def end(self, progress): ...


@pytest.mark.parametrize("rung", ["torch", "scratch"])
def test_stopped_and_resumed_it_varies_the_same_pictures_in_the_same_way(photos, tmp_path, rung):
    pytest.importorskip("kornia")
    config, whole = start(photos, tmp_path / "whole", augment=EVERYTHING, normalise="data", rung=rung)
    _, halved = start(photos, tmp_path / "halved", augment=EVERYTHING, normalise="data", rung=rung)
    RECIPE.run(config, whole)
    with pytest.raises(Stopped):
        RECIPE.run(config, halved, listeners=[Terminate(at=3)])
    torch.manual_seed(99)
    RECIPE.run(config, halved)
    ours, theirs = (load_checkpoint(folder.last)["model"] for folder in (whole, halved))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert whole.result.history == halved.result.history
    assert whole.log.read_text() == halved.log.read_text()


def test_a_seed_decides_and_augmentation_changes_the_result(photos):
    results = [
        RECIPE.run(PictureConfig(data=photos, **{**SETTINGS, **changes})).history
        for changes in ({"augment": "flip+mix-up"}, {"augment": "flip+mix-up"}, {"augment": "flip"}, {})
    ]
    assert results[0] == results[1]
    assert results[0] != results[2] != results[3]


def test_testing_takes_pictures_as_they_are(photos, tmp_path):
    config, folder = start(photos, tmp_path / "run", augment="crop,padding=4+erase,p=1+mix-up")
    result = RECIPE.run(config, folder)
    measured = [RECIPE.measure(folder).metrics for _ in range(2)]
    assert measured[0] == measured[1]
    assert measured[0]["test_accuracy"] == result.metrics["best_test_accuracy"]
    model, _ = RECIPE.trained(folder)
    test = data.load(photos, "test", **RECIPE.wishes)
    with torch.inference_mode():
        logits = model(data.pixels(test.tensors["x"]))
    assert measured[0]["test_loss"] == pytest.approx(cross_entropy(logits, test.tensors["y"]).item())


def test_normalised_runs_predict_and_export_from_pixels_as_others_do(photos, tmp_path):
    config, folder = start(photos, tmp_path / "run", normalise="data")
    RECIPE.run(config, folder)
    train = data.load(photos, "train", **RECIPE.wishes).tensors["x"].double() / 255
    np.testing.assert_allclose(folder.data["mean"], train.mean((0, 2, 3)))
    np.testing.assert_allclose(folder.data["std"], train.std((0, 2, 3), correction=0))

    Image.new("RGB", (20, 10), (200, 190, 210)).save(tmp_path / "light.png")
    prediction = RECIPE.predict(folder, tmp_path / "light.png")
    plain = build(config, folder.data)
    plain.load_state_dict(RECIPE.trained(folder)[0].state_dict())
    x = torch.tensor([200, 190, 210])[None, :, None, None].expand(1, 3, 9, 8) / 255
    mean, std = (torch.tensor(folder.data[name])[:, None, None] for name in ("mean", "std"))
    with torch.inference_mode():
        expected = plain.eval()((x - mean) / std).softmax(1)[0]
    for name, share in zip(folder.data["classes"], expected.tolist(), strict=True):
        assert prediction.probabilities[name] == pytest.approx(share, abs=1e-6)

    handed = RECIPE.exportable(folder)
    assert "(x - `mean`) / `std` being done inside" in handed.metadata["input"]
    for form in ("torch", "safetensors"):  # each is loaded again and compared
        assert export(handed, tmp_path / form, form).largest_difference < 1e-5


def test_numbers_of_ones_own_are_taken_for_every_channel(photos, tmp_path):
    config, folder = start(photos, tmp_path / "run", normalise="0.5,0.25", epochs=1)
    RECIPE.run(config, folder)
    assert folder.data["mean"] == [0.5] * 3
    assert folder.data["std"] == [0.25] * 3


@pytest.mark.parametrize("text", ["dat", "0.5", "0.5,0", "0.5/0.4,0.2", "0.5,x", "nan,1", "0.5,0.2,0.1"])
def test_other_words_for_the_normalisation_are_refused(text):
    with pytest.raises(
        InputError, match=f"--normalise: expected data, imagenet, or MEAN,STD as in 0.5,0.25, got '{text}'"
    ):
        PictureConfig(normalise=text)


def test_numbers_for_other_channels_are_refused(photos):
    with pytest.raises(InputError, match="--normalise: expected numbers for 3 channels, got 2; give data"):
        RECIPE.run(PictureConfig(data=photos, normalise="0.5/0.4,0.2/0.2", **SETTINGS))


def test_every_rung_takes_mixed_labels_as_torch_does():
    generator = torch.Generator().manual_seed(0)
    logits, shares = torch.randn(5, 3, generator=generator), torch.rand(5, 3, generator=generator).softmax(1)
    expected = cross_entropy(logits, shares)
    for rung in ("torch", "scratch"):
        torch.testing.assert_close(namespace(rung).CrossEntropyLoss()(logits, shares), expected)
    assert engine.CrossEntropyLoss()(from_numpy(logits.numpy()), from_numpy(shares.numpy())).item() == pytest.approx(
        expected.item(), rel=1e-6
    )
    sure = augment.probabilities(torch.tensor([2, 0, 1, 1, 2]), 3)
    torch.testing.assert_close(cross_entropy(logits, sure), cross_entropy(logits, torch.tensor([2, 0, 1, 1, 2])))


def test_accuracy_of_mixed_labels_is_the_share_of_the_guess():
    logits = torch.tensor([[0.1, 2.0, 0.3], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    shares = torch.tensor([[0.3, 0.7, 0.0], [0.0, 0.4, 0.6], [0.2, 0.0, 0.8]])
    assert metrics.accuracy(logits, shares).item() == pytest.approx((0.7 + 0.0 + 0.8) / 3)
    first, second, kept = torch.tensor([1, 2, 2]), torch.tensor([0, 1, 0]), torch.tensor([0.7, 0.6, 0.8])
    guess = logits.argmax(1)
    by_pairs = (kept * (guess == first) + (1 - kept) * (guess == second)).mean()
    torch.testing.assert_close(metrics.accuracy(logits, shares), by_pairs)
    numbers = torch.tensor([1, 2, 2])
    sure = nn.functional.one_hot(numbers, 3).float()
    assert metrics.accuracy(logits, sure) == metrics.accuracy(logits, numbers)
