"""What the recipes that sort examples into classes share: train, measure again, predict, show twelve predictions."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fathom import data, metrics, plot
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.recipes._inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, evaluate, experiment, load_model
from fathom.train.experiment import Task, describe, held_out, measured_again

Build = Callable[[Any, Mapping[str, Any]], nn.Module]
"""`(config, about)` to a fresh model; `about` is what the run folder's `data.json` holds."""

MEASURES = {"accuracy": metrics.accuracy}


def load_splits(config: TrainConfig, **wishes: Any) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test examples that `config.data` names; they must come in classes."""
    train, test = (data.load(config.data, split, **wishes) for split in ("train", "test"))
    if not train.about.get("classes"):
        raise InputError(
            f"{config.data} has no classes, which this recipe sorts into; try fathom train linear-regression"
        )
    return train, test


def count_inputs(about: Mapping[str, Any]) -> int:
    """Numbers that describe one example: pixels times channels, or columns."""
    return math.prod(about["example_shape"])


def run_classifier(
    recipe: str,
    config: TrainConfig,
    build: Build,
    *,
    published: Sequence[Mapping[str, Any]],
    folder: RunFolder | None,
    listeners: Sequence[Listener],
    wishes: Mapping[str, Any] | None = None,
    pictures_only: bool = False,
) -> Result:
    """Train with cross-entropy, count how often it is right, keep the epoch with the best test accuracy.

    Args:
        wishes: what the model asks of pictures (`size`, `channels`), unless the user says otherwise.
        pictures_only: the model can't take rows of numbers.
    """
    train, test = load_splits(config, **(wishes or {}))
    if pictures_only:
        train.require_images()
    about = describe(train)
    task = Task(
        build=lambda: build(config, about),
        loss=namespace(config.rung).CrossEntropyLoss(),
        measures=MEASURES,
        monitor="test_accuracy",
        maximise=True,
    )
    return experiment(recipe, config, task, train, test, published=published, folder=folder, listeners=listeners)


def trained(folder: RunFolder, config_class: type[TrainConfig], build: Build) -> tuple[nn.Module, TrainConfig]:
    """The best model of a run and its settings."""
    config = config_class(**folder.config).for_reading()
    return load_model(folder, lambda: build(config, folder.data)), config


def measure_classifier(
    folder: RunFolder,
    config_class: type[TrainConfig],
    build: Build,
    published: Sequence[Mapping[str, Any]],
    wishes: Mapping[str, Any] | None = None,
) -> Result:
    """Measure the best model of a run on its test data again."""
    model, config = trained(folder, config_class, build)
    _, test = load_splits(config, **(wishes or {}))
    measures = {"loss": namespace(config.rung).CrossEntropyLoss(), **MEASURES}
    measured = evaluate(model, held_out(test, config), measures, precision=config.precision)
    return measured_again(folder, config, measured, test.used, published, "the checkpoint of the best epoch")


def predict_class(folder: RunFolder, source: str | Path, config_class: type[TrainConfig], build: Build) -> Prediction:
    """Sort one example into the classes that the run has learnt.

    Args:
        source: a picture file of any size (it is brought to the size that the model was trained on), a CSV file (its
            first row decides, and `extra` holds what all rows are taken for), or numbers with commas between them.

    Raises:
        DataError: the file is none that can be read.
    """
    model, _ = trained(folder, config_class, build)
    about = folder.data
    examples = encode(about, source)
    with torch.inference_mode():
        probabilities = model(examples).softmax(dim=1)
    classes = about["classes"]
    labels = [classes[number] for number in probabilities.argmax(dim=1).tolist()]
    order = probabilities[0].argsort(descending=True, stable=True).tolist()
    ranked = {classes[number]: float(probabilities[0, number]) for number in order}
    extra = {"rows": labels} if len(labels) > 1 else {}
    return Prediction(input=str(source), label=labels[0], probabilities=ranked, extra=extra)


def draw_predictions(
    folder: RunFolder, config_class: type[TrainConfig], build: Build, wishes: Mapping[str, Any] | None = None
) -> list[Path]:
    """A picture of the first 12 test images with their true and predicted labels, wrong ones marked."""
    model, config = trained(folder, config_class, build)
    if folder.data["kind"] != "images":
        return []
    _, test = load_splits(config, **(wishes or {}))
    images, target = test.tensors["x"][:12], test.tensors["y"][:12]
    with torch.inference_mode():
        predicted = model(images).argmax(dim=1)
    classes = folder.data["classes"]
    return [
        plot.images(
            folder.path / "predictions.png",
            images,
            truth=[classes[number] for number in target.tolist()],
            predicted=[classes[number] for number in predicted.tolist()],
        )
    ]
