"""What the recipes that sort examples into classes share: train, measure again, predict, show twelve predictions."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fathom import data, metrics, plot
from fathom.data import augment
from fathom.errors import InputError, RunFolderError
from fathom.layers import namespace
from fathom.models.views import Mirrored
from fathom.recipes.common import exports, starts
from fathom.recipes.common.inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, evaluate, experiment, load_model
from fathom.train.channels_last import channels_last
from fathom.train.experiment import Task, check_learnt, describe, held_out, measured_again, measured_count, spread
from fathom.train.export import Exportable
from fathom.train.normalised import scaled, statistics

Build = Callable[[Any, Mapping[str, Any]], nn.Module]
"""`(config, about)` to a fresh model; `about` is what the run folder's `data.json` holds."""

Opened = tuple[nn.Module, TrainConfig, data.Dataset]
"""The best model of a run, its settings, and its test examples."""

MEASURES = {"accuracy": metrics.accuracy}
SHOWN = 12  # test images in a drawing
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])  # mean and spread of its pictures, as weights of it want


def load_splits(config: TrainConfig, **wishes: Any) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test examples that `config.data` names; they must come in classes."""
    train, test = (data.load(config.data, split, **wishes) for split in ("train", "test"))
    if not train.about.get("classes"):
        raise InputError(
            f"{config.data} has no classes, which this recipe sorts into; try fathom train linear-regression"
        )
    return with_scales(train, getattr(config, "normalise", "")), test


def count_inputs(about: Mapping[str, Any]) -> int:
    """Numbers that describe one example: pixels times channels, or columns."""
    return math.prod(about["example_shape"])


@dataclass(frozen=True, kw_only=True)
class PictureConfig(TrainConfig):
    """What changes the numbers of a run on pictures.

    Args:
        augment: how each batch of training pictures is varied: transforms joined by +, options behind each, as in
            crop,padding=4+flip; empty for none. There are flip (p=0.5), flip-vertical (p=0.5), crop (padding=4),
            resized-crop (scale=0.08/1, ratio=0.75/1.33), rotate (degrees=15), colour-jitter (brightness=0.4,
            contrast=0.4, saturation=0.4, hue=0.1), cut-out (size=0.5), erase (p=0.5, scale=0.02/0.33, ratio=0.3/3.3),
            mix-up (alpha=0.2), cut-mix (alpha=1), trivial-augment, rand-augment (count=2, magnitude=10) and
            auto-augment (policy=cifar10). Testing and prediction take pictures as they are.
        normalise: what is taken from each channel, and by what it is divided, before the first layer: data (mean and
            standard deviation of the training pictures), imagenet, or MEAN,STD with slashes between the channels, as in
            0.5,0.25 or 0.49/0.48/0.45,0.25/0.24/0.26; empty leaves pixels from 0 to 1. It belongs to the model, so
            testing, prediction and export have it too.
        from_: fine-tune instead of learning from random weights: a run folder (its best epoch), a file of weights of
            the same network, or published, for which EfficientNet-Lite0 has a package. The last layer is new and learns
            10 times as fast. Pictures are normalised as there, unless --normalise says otherwise.
        freeze: with --from, the lowest stages, which learn nothing: how many, or the name of the topmost of them.
        discriminative: with --from, by how much each stage learns slower than the one above it, as in 2.6.
    """

    augment: str = ""
    normalise: str = ""
    from_: str = ""
    freeze: str = ""
    discriminative: float = 1.0

    def __post_init__(self) -> None:
        """Check every range, and the names of the transforms."""
        super().__post_init__()
        starts.check(self)
        if self.augment:
            augment.check(self.augment)
        if self.normalise:
            scales(self.normalise)
            if self.rung == "numpy":
                raise InputError(f"--normalise: expected none on rung numpy, got {self.normalise}; leave it out")


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """What the module of a recipe that sorts examples into classes offers: `run`, `measure`, `predict` and `draw`.

    Args:
        recipe: its name.
        config: the class of its settings.
        build: gives the fresh model.
        published: the source's figures.
        wishes: what the model asks of pictures (`size`, `channels`), unless the user says otherwise.
        pictures_only: the model can't take rows of numbers.
    """

    recipe: str
    config: type[TrainConfig]
    build: Build
    published: Sequence[Mapping[str, Any]]
    wishes: Mapping[str, Any] = field(default_factory=dict)
    pictures_only: bool = True

    def run(
        self, config: TrainConfig, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()
    ) -> Result:
        """Train with cross-entropy, count how often it is right, keep the epoch with the best test accuracy."""
        train, test = load_splits(config, **self.wishes)
        if self.pictures_only:
            train.require_images()
        start = starts.Start.of(config, folder)
        train = start.examples(train)
        about = describe(train)
        task = Task(
            build=lambda: start.begin(self.network(config, about)),
            loss=namespace(config.rung).CrossEntropyLoss(),
            measures=MEASURES,
            monitor="test_accuracy",
            maximise=True,
            groups=start.groups,
        )
        return experiment(
            self.recipe,
            config,
            task,
            train,
            test,
            published=self.published,
            folder=folder,
            listeners=listeners,
            batch_transform=varied(config, about),
            amend=start.noted,
        )

    def network(self, config: Any, about: Mapping[str, Any]) -> nn.Module:
        """A fresh model that takes pixels in 0–1, whatever it is told to make of them first."""
        return scaled(self.build(config, about), about)

    def trained(self, folder: RunFolder) -> tuple[nn.Module, TrainConfig]:
        """The best model of a run and its settings."""
        config = self.config(**folder.config).for_reading()
        try:
            return load_model(folder, lambda: self.network(config, folder.data)), config
        except RunFolderError:
            starts.check_classes(folder, self.network(config, folder.data), len(folder.data["classes"]))
            raise

    def asked(self, folder: RunFolder) -> dict[str, Any]:
        """What the run's model asks of pictures: the shape of those that it has learnt."""
        about = folder.data
        shape = {"size": tuple(about["image_size"]), "channels": about["channels"]} if about["kind"] == "images" else {}
        return {**self.wishes, **shape}

    def load(self, config: Any, folder: RunFolder) -> tuple[data.Dataset, data.Dataset]:
        """A run's training and test examples."""
        return load_splits(config, **self.asked(folder))

    def opened(self, folder: RunFolder) -> Opened:
        """The best model of a run, its settings, and its test examples."""
        model, config = self.trained(folder)
        if config.channels_last:
            channels_last(model)  # as in training, to the last bit
        train, test = self.load(config, folder)
        check_learnt(folder, train, test, starts.advice(folder))
        return model, config, test

    def measure(self, folder: RunFolder) -> Result:
        """Measure the best model of a run on its test data again."""
        return self.measured(folder, self.opened(folder))

    def measured(self, folder: RunFolder, opened: Opened, *, mirrored: bool = False) -> Result:
        """Measure what `opened` gave; with `mirrored`, each picture together with its mirror image."""
        note = "the checkpoint of the best epoch"
        return measured(folder, opened, self.published, note, mirrored=mirrored)

    def predict(self, folder: RunFolder, source: str | Path) -> Prediction:
        """Sort one example into the classes that the run has learnt.

        Args:
            source: a picture file of any size (it is brought to the size that the model was trained on), a CSV file
                (its first row decides, and `extra` holds what all rows are taken for), or numbers with commas between.

        Raises:
            DataError: the file is none that can be read.
        """
        model = _at_hand(self, folder.path, _stamps(folder))
        examples = encode(folder.data, source)
        with torch.inference_mode():
            probabilities = model(examples).softmax(dim=1)
        classes = folder.data["classes"]
        labels = [classes[number] for number in probabilities.argmax(dim=1).tolist()]
        order = probabilities[0].argsort(descending=True, stable=True).tolist()
        ranked = {classes[number]: float(probabilities[0, number]) for number in order}
        extra = {"rows": labels} if len(labels) > 1 else {}
        return Prediction(input=str(source), label=labels[0], probabilities=ranked, extra=extra)

    def exportable(self, folder: RunFolder) -> Exportable:
        """The best model of a run, to be handed over."""
        model, config = self.trained(folder)
        build = partial(self.network, config, folder.data)
        return exports.of_examples(
            folder, model, build, output="logits", meaning=exports.LOGITS, wishes=self.asked(folder)
        )

    def draw(self, folder: RunFolder) -> list[Path]:
        """A picture of 12 test images with their true and predicted labels, wrong ones marked."""
        model, config = self.trained(folder)
        if folder.data["kind"] != "images":
            return []
        _, test = self.load(config, folder)
        places = spread(len(test), SHOWN)
        images, target = data.pixels(test.tensors["x"][places]), test.tensors["y"][places]
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


@functools.lru_cache(maxsize=1)
def _at_hand(recipe: Classifier, path: Path, stamps: tuple[int, ...]) -> nn.Module:
    """The best model of the run in `path`, built once for all the pictures of a folder."""
    return recipe.trained(RunFolder(path))[0]


def _stamps(folder: RunFolder) -> tuple[int, ...]:
    """When the files of a run that make its model were written."""
    files = (folder.best, folder.last, folder.path / "config.json", folder.path / "data.json")
    return tuple(file.stat().st_mtime_ns for file in files if file.is_file())


def measured(
    folder: RunFolder, opened: Opened, published: Sequence[Mapping[str, Any]], note: str, *, mirrored: bool = False
) -> Result:
    """Loss and accuracy of a run's classifier; `note` says which it is."""
    model, config, test = opened
    measures = {"loss": namespace(config.rung).CrossEntropyLoss(), **MEASURES}
    if mirrored:
        model, note = Mirrored(model), f"{note}; each picture answered together with its mirror image"
    if (count := measured_count(test, config)) < len(test):
        note = f"{note}; {count:,} of {len(test):,} test examples, as the run's limit {config.limit} says"
    found = evaluate(model, held_out(test, config), measures, precision=config.precision)
    return measured_again(folder, config, found, test.used, published, note)


def varied(config: TrainConfig, about: Mapping[str, Any]) -> augment.Transform | None:
    """How `config` wants batches of the training pictures that `about` tells of augmented; None if it does not."""
    wanted = getattr(config, "augment", "")
    return augment.create(wanted, len(about["classes"])) if wanted else None


def scales(text: str) -> tuple[list[float], list[float]] | None:
    """Mean and spread that `--normalise` names; None for those of the data.

    Raises:
        InputError: it is no name and no numbers, or a spread is not above 0.
    """
    if text in ("data", "imagenet"):
        return IMAGENET if text == "imagenet" else None
    try:
        mean, std = ([float(word) for word in part.split("/")] for part in text.split(","))
    except ValueError:
        mean, std = [], []
    if not mean or len(mean) != len(std) or not all(map(math.isfinite, mean)) or not all(0 < s < math.inf for s in std):
        raise InputError(f"--normalise: expected data, imagenet, or MEAN,STD as in 0.5,0.25, got {text!r}")
    return mean, std


def with_scales(train: data.Dataset, text: str) -> data.Dataset:
    """The set with the mean and spread of its channels in `about`, as `--normalise` wants them."""
    if not text:
        return train
    x = train.require_images().tensors["x"]
    mean, std = scales(text) or statistics(x)
    channels = x.shape[1]
    if len(mean) == 1:
        mean, std = mean * channels, std * channels
    if len(mean) != channels:
        raise InputError(
            f"--normalise: expected numbers for {channels} channel{'s' * (channels > 1)}, got {len(mean)}; give data"
        )
    return replace(train, about={**train.about, "mean": mean, "std": std})


def pictured(about: Mapping[str, Any]) -> dict[str, Any]:
    """What the constructors of networks for pictures must know of them: channels, and the number of classes."""
    return {"in_channels": about["example_shape"][0], "num_classes": len(about["classes"])}
