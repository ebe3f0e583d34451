"""What the recipes that sort examples into classes share: train, measure again, predict, show twelve predictions."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fathom import data, devices, metrics, plot
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.records import Prediction, Published, Result, RunFolder
from fathom.train import Listener, TrainConfig, environment, evaluate, experiment, load_model
from fathom.train.experiment import Task, comparison_notes, describe

Build = Callable[[Any, Mapping[str, Any]], nn.Module]
"""`(config, about)` to a fresh model; `about` is what the run folder's `data.json` holds."""

MEASURES = {"accuracy": metrics.accuracy}


def load_splits(config: TrainConfig, **wishes: Any) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test examples that `config.data` names; they must come in classes."""
    train, test = (data.load(config.data, split, **wishes) for split in ("train", "test"))
    if not train.about.get("classes"):
        raise InputError(f"expected data in classes, {config.data} has none; try fathom train linear-regression")
    return train, test


def run_classifier(
    recipe: str,
    config: TrainConfig,
    build: Build,
    *,
    published: Sequence[Mapping[str, Any]],
    folder: RunFolder | None,
    listeners: Sequence[Listener],
    wishes: Mapping[str, Any] | None = None,
    **options: Any,
) -> Result:
    """Train with cross-entropy, count how often it is right, keep the epoch with the best test accuracy.

    Args:
        wishes: what the model asks of pictures (`size`, `channels`), unless the user says otherwise.
        options: further arguments of `experiment` and `Task` (`decay`, `batch_transform`).
    """
    train, test = load_splits(config, **(wishes or {}))
    about = describe(train)
    task = Task(
        build=lambda: build(config, about),
        loss=namespace(config.rung).CrossEntropyLoss(),
        measures=MEASURES,
        monitor="test_accuracy",
        maximise=True,
        decay=options.pop("decay", 0.0),
    )
    return experiment(
        recipe, config, task, train, test, published=published, folder=folder, listeners=listeners, **options
    )


def trained(folder: RunFolder, config_class: type[TrainConfig], build: Build) -> tuple[nn.Module, TrainConfig]:
    """The best model of a run and its settings."""
    config = config_class(**folder.config)
    return load_model(folder, lambda: build(config, folder.data)), config


def measure_classifier(
    folder: RunFolder,
    config_class: type[TrainConfig],
    build: Build,
    published: Sequence[Mapping[str, Any]],
    wishes: Mapping[str, Any] | None = None,
) -> Result:
    """Measure the best model of a run on all of its test data again."""
    model, config = trained(folder, config_class, build)
    _, test = load_splits(config, **(wishes or {}))
    batches = data.Batches(*test.tensors.values(), batch_size=config.batch_size)
    return Result(
        recipe=folder.recipe,
        config=dataclasses.asdict(config),
        metrics=evaluate(model, batches, {"loss": cross_entropy, **MEASURES}),
        published=tuple(Published(**figure) for figure in published),
        data=(test.used,),
        environment=environment(devices.choose("cpu")),
        folder=str(folder.path),
        notes=("the checkpoint of the best epoch", *comparison_notes(config, test.used)),
    )


def predict_class(folder: RunFolder, source: str | Path, config_class: type[TrainConfig], build: Build) -> Prediction:
    """Sort one picture into the classes that the run has learnt.

    Args:
        source: a picture file of any size; it is brought to the size that the model was trained on.

    Raises:
        DataError: the file is no picture that can be read.
    """
    model, _ = trained(folder, config_class, build)
    return classify(model, folder.data, source)


def classify(model: nn.Module, about: Mapping[str, Any], source: str | Path) -> Prediction:
    """The model's `Prediction` for one picture file."""
    if about.get("kind") != "images":
        raise InputError(f"this run was trained on {about.get('kind')} data, not on pictures: {source} can't be used")
    image = data.read_image(source, size=about["image_size"], channels=about["channels"])
    with torch.inference_mode():
        probabilities = model(image[None]).softmax(dim=1)[0]
    order = probabilities.argsort(descending=True).tolist()
    classes = about["classes"]
    ranked = {classes[number]: float(probabilities[number]) for number in order}
    return Prediction(input=str(source), label=classes[order[0]], probabilities=ranked)


def draw_predictions(
    folder: RunFolder, config_class: type[TrainConfig], build: Build, wishes: Mapping[str, Any] | None = None
) -> list[Path]:
    """A picture of the first 12 test images with their true and predicted labels, wrong ones marked."""
    model, config = trained(folder, config_class, build)
    if folder.data.get("kind") != "images":
        return []
    _, test = load_splits(config, **(wishes or {}))
    images, target = test.tensors["x"][:12], test.tensors["y"][:12]
    with torch.inference_mode():
        predicted = model(images).argmax(dim=1)
    classes = folder.data["classes"]
    return [
        plot.images(
            folder.path / "predictions.png",
            images.numpy(),
            truth=[classes[number] for number in target.tolist()],
            predicted=[classes[number] for number in predicted.tolist()],
        )
    ]
