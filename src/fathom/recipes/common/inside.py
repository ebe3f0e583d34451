"""A trained classifier looked into: numbers by class, calibration, worst errors, and pictures of all that."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from fathom import data, diagnose, plot
from fathom.errors import InputError, SaveError
from fathom.plot.classes import shortened
from fathom.recipes.common.classifier import Opened
from fathom.recipes.common.inputs import encode
from fathom.records import RunFolder
from fathom.train.experiment import held_out, measured_places

SHOWN = 12  # test pictures with their heat, and worst errors
HEATED = 224  # pixels a side at least, to which the heat is drawn over a smaller picture
FOLDER = "pictures"


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What was found.

    Args:
        classes: their names.
        answers: to all test examples that were asked.
        places: where these are in the test set, `(asked,)` of int64.
        layer: whose maps were drawn; empty if the model has none.
        pictures: the files written.
        left_out: sentences on the pictures that this run can't have.
    """

    classes: tuple[str, ...]
    answers: diagnose.Answers
    places: Tensor
    layer: str
    pictures: tuple[Path, ...]
    left_out: tuple[str, ...]

    def by_class(self) -> list[dict[str, Any]]:
        """One dict a class: `class`, `precision`, `recall`, `f1`, `support`."""
        found = self.answers.confusion.per_class()
        columns = (found.precision, found.recall, found.f1, found.support)
        return [
            {"class": name, "precision": precision, "recall": recall, "f1": f1, "support": support}
            for name, precision, recall, f1, support in zip(
                self.classes, *(column.tolist() for column in columns), strict=True
            )
        ]

    def plain(self) -> dict[str, Any]:
        """All numbers, for JSON; an example is counted from 0 in the test set."""
        calibration = self.answers.calibration
        return {
            "classes": self.by_class(),
            "confusion": self.answers.confusion.counts.tolist(),
            "top_5_accuracy": self.answers.top(5) if len(self.classes) > 5 else None,
            "calibration": {
                "expected_error": calibration.expected_error,
                "maximum_error": calibration.maximum_error,
                "bins": [dataclasses.asdict(entry) for entry in calibration.bins],
            },
            "worst_errors": [
                {
                    "example": int(self.places[mistake.example]),
                    "true": self.classes[mistake.truth],
                    "predicted": self.classes[mistake.predicted],
                    "probability": mistake.probability,
                    "probability_of_true": mistake.of_truth,
                }
                for mistake in self.answers.worst(SHOWN)
            ],
            "layer": self.layer,
            "pictures": [str(path) for path in self.pictures],
            "left_out": list(self.left_out),
        }


def classifier(folder: RunFolder, module: ModuleType, flag: str) -> Any:
    """The recipe of a run of one classifier, which has `opened` and `measured`.

    Args:
        module: the recipe's.
        flag: what needs it.

    Raises:
        InputError: the run does not sort into classes by one model.
    """
    recipe: Any = getattr(module, "RECIPE", None)
    if not folder.data.get("classes") or not hasattr(recipe, "opened"):
        reason = "has no classes"
        if folder.data.get("classes"):
            reason = "trains several models" if recipe is not None else "decodes its pictures anew each time"
        raise InputError(
            f"{folder.path}: expected a run of one classifier to look into, but {folder.recipe} {reason}; "
            f"leave {flag} out"
        )
    return recipe


def look(folder: RunFolder, opened: Opened, layer: str = "", images: Sequence[str | Path] = ()) -> Inside:
    """Look into a run's best model and draw what is found into `pictures/` of the run folder.

    Args:
        opened: the model, its settings, and its test examples.
        layer: whose feature maps and Grad-CAM are drawn; empty takes the last one that has any.
        images: picture files of the user's, to be drawn in place of test examples.

    Raises:
        InputError: the model has no such layer.
        SaveError: the pictures can't be written.
    """
    model, config, test = opened
    classes = tuple(folder.data["classes"])
    pictured = folder.data["kind"] == "images"
    if not pictured and (layer or images):
        raise InputError(
            f"{folder.path}: expected a run on pictures for --layer and --image, got one on rows of numbers"
        )
    own = torch.cat([encode(folder.data, file) for file in images]) if images else None
    maps = _maps(model, test, layer) if pictured else None
    places = measured_places(test, config)
    if len(places) < len(test):
        test = test.at(places)  # `held_out` would ask these alone; what is drawn must be what was asked
    answers = diagnose.ask(model, held_out(test, config), len(classes), precision=config.precision)
    target = _folder(folder)
    pictures = _of_classes(target, answers, classes)
    left_out = ["filters, feature maps and Grad-CAM: they are of pictures, and these are rows of numbers"]
    if pictured:
        drawn, left_out = _of_pictures(target, model, test, answers, classes, maps, own, images)
        pictures += drawn
    return Inside(
        classes=classes,
        answers=answers,
        places=places,
        layer=maps.name if maps else "",
        pictures=tuple(pictures),
        left_out=tuple(left_out),
    )


def _maps(model: diagnose.Network, test: data.Dataset, layer: str) -> diagnose.Maps | None:
    """The layer to draw; None if none is asked for and the model has none."""
    example = data.pixels(test.tensors["x"][:1])
    if not layer and not diagnose.map_layers(model, example):
        return None
    return diagnose.find_layer(model, example, layer)


def _folder(folder: RunFolder) -> Path:
    target = folder.path / FOLDER
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise SaveError(f"could not make the folder {target}: {error.strerror}; make room for it") from error
    return target


def _of_classes(target: Path, answers: diagnose.Answers, classes: Sequence[str]) -> list[Path]:
    """What every classifier has."""
    found, calibration = answers.confusion.per_class(), answers.calibration
    return [
        plot.confusion_matrix(target / "confusion.png", answers.confusion.counts, classes),
        plot.per_class(target / "per-class.png", found.precision, found.recall, found.support, classes),
        plot.reliability(target / "calibration.png", calibration.bins, calibration.expected_error),
    ]


def _of_pictures(
    target: Path,
    model: diagnose.Network,
    test: data.Dataset,
    answers: diagnose.Answers,
    classes: Sequence[str],
    maps: diagnose.Maps | None,
    own: Tensor | None,
    files: Sequence[str | Path],
) -> tuple[list[Path], list[str]]:
    """What classifiers of pictures have besides; and in words what this one lacks."""
    x, y = test.tensors["x"], answers.target
    pictures, lacking = [], []
    worst = answers.worst(SHOWN)
    if worst:
        pictures.append(
            plot.images(
                target / "worst-errors.png",
                data.pixels(x[torch.tensor([mistake.example for mistake in worst])]),
                truth=[_said(classes, mistake.truth, mistake.of_truth) for mistake in worst],
                predicted=[_said(classes, mistake.predicted, mistake.probability) for mistake in worst],
                title="Worst errors: wrong, and sure of it",
                columns=4,
            )
        )
    else:
        lacking.append("worst errors: there is no error")
    chosen = diagnose.one_of_each(y, SHOWN)
    shown = data.pixels(x[chosen]) if own is None else own
    weights = diagnose.first_filters(model, shown)
    if weights is None:
        lacking.append("filters: the first layer does not look at the picture's channels")
    else:
        pictures.append(plot.filters(target / "filters.png", weights))
    if maps is None:
        return pictures, [*lacking, "feature maps and Grad-CAM: no layer of this model has maps"]
    shows = diagnose.feature_maps(model, shown[:1], maps.name)[0]
    pictures.append(plot.feature_maps(target / "feature-maps.png", shows, shown[0], f"Layer {maps}"))
    truth = y[chosen].tolist() if own is None else None
    names = [f"{shortened(Path(file).name)}: " for file in files] or [""] * len(shown)
    pictures.append(_grad_cam(target / "grad-cam.png", model, shown, truth, classes, maps.name, names))
    return pictures, lacking


def _grad_cam(
    path: Path,
    model: diagnose.Network,
    shown: Tensor,
    truth: Sequence[int] | None,
    classes: Sequence[str],
    layer: str,
    names: Sequence[str],
) -> Path:
    """Grad-CAM of what the model answers to each picture; `names` stand before the answers."""
    found = diagnose.grad_cam(model, shown, layer=layer)
    probabilities = found.logits.softmax(dim=1)
    finer = -(-HEATED // min(shown.shape[-2:]))
    heat = diagnose.enlarged(found.heat, (finer * shown.shape[-2], finer * shown.shape[-1]))

    def said(numbers: Sequence[int]) -> list[str]:
        return [_said(classes, number, float(row[number])) for number, row in zip(numbers, probabilities, strict=True)]

    return plot.heat_maps(
        path,
        shown,
        heat,
        [name + answer for name, answer in zip(names, said(found.classes.tolist()), strict=True)],
        said(truth) if truth is not None else None,
        title=f"Grad-CAM at layer {layer!r}: what speaks for the answer",
    )


def _said(classes: Sequence[str], number: int, probability: float) -> str:
    return f"{shortened(classes[number], 14)} {probability:.2f}"
