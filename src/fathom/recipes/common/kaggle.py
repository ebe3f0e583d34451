"""What the recipes of picture contests share: validate, train anew on all labelled pictures, write the submission."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, plot
from fathom.data import store
from fathom.data.contest_folder import Entries
from fathom.errors import InputError, Stopped
from fathom.layers import namespace
from fathom.recipes.common import starts
from fathom.recipes.common.classifier import (
    MEASURES,
    Build,
    Classifier,
    Opened,
    PictureConfig,
    load_splits,
    measured,
    varied,
)
from fathom.recipes.common.features import OnFrozen, features
from fathom.recipes.common.starts import Start
from fathom.records import Prediction, Result, RunFolder, write_text
from fathom.train import Listener, Profile, TensorBoard, experiment
from fathom.train.experiment import Task, describe, prepare, spread
from fathom.train.export import Exportable

VALIDATION = "validation"  # the folder in the run's, of the run that chose the number of epochs
SUBMISSION = "submission.csv"
SHOWN = 18  # pictures in a drawing
AT_ONCE = 64  # entries that go through the model together

Submission = Callable[[Sequence[str], Tensor, Sequence[str]], str]
"""Ids, probabilities `(entries, classes)` and the names of the classes to the text of the contest's file."""


@dataclass(frozen=True, kw_only=True)
class ContestConfig(PictureConfig):
    """The settings of a contest, with which both trainings go: validation decides how long the second one is."""

    def __post_init__(self) -> None:
        """Check every range; a schedule that watches held-out pictures can't go with training on all of them."""
        super().__post_init__()
        self.keep(starts.FIELDS, "the recipe chooses what it starts from")
        if self.schedule.partition(",")[0] == "plateau":
            raise InputError(
                "--schedule: expected a course that is known beforehand, since training on all pictures leaves none to "
                "watch; got plateau; give factor or cosine"
            )


@dataclass(frozen=True, kw_only=True)
class PictureContest:
    """What the module of a contest's recipe offers: `run`, `measure`, `predict` and `draw`.

    A run's folder holds the model that has learnt from all labelled pictures, and `submission.csv`; its folder
    `validation` is a run of its own, without the pictures held out. Figures are of those, and of that run.

    Args:
        recipe: its name.
        config: the class of its settings.
        build: gives the fresh model.
        published: the source's figures.
        monitor: the number on the pictures held out by which the epoch is chosen.
        maximise: whether more of it is better.
        submission: writes the contest's file.
        wishes: what the model asks of pictures (`size`, `channels`), unless the user says otherwise.
        frozen: whether the model is an `OnFrozen`, whose first part looks at each picture once.
    """

    recipe: str
    config: type[ContestConfig]
    build: Build
    published: Sequence[Mapping[str, Any]]
    monitor: str
    maximise: bool
    submission: Submission
    wishes: Mapping[str, Any] = field(default_factory=dict)
    frozen: bool = False

    @property
    def classifier(self) -> Classifier:
        """The recipe as one that sorts pictures, for all that asks one run folder."""
        return Classifier(
            recipe=self.recipe, config=self.config, build=self.build, published=self.published, wishes=self.wishes
        )

    def run(
        self, config: ContestConfig, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()
    ) -> Result:
        """Train without the pictures held out, then from the start on all, as long as was best; answer the entries.

        `test_…` is of the pictures held out, `best_epoch` the epoch chosen by them. A killed run goes on in the part in
        which it was.

        Raises:
            InputError: the data are no contest.
        """
        train, held = load_splits(config, **self.wishes)
        train.require_images()
        entries = data.load_entries(config.data, **self.wishes)
        if self.frozen:
            device = prepare(config)
            fresh = self.classifier.network(config, describe(train)).to(device)  # as both trainings will begin
            train, held = (self.seen(fresh, part) for part in (train, held))
        validation = _as_part_of(folder, lambda: self.train(config, train, held, validation_folder(folder), listeners))
        best = self.best_epoch(validation)
        everything = joined(train, held)
        store.say(f"epoch {best} was the best of {len(validation.history)}; now training on all {len(everything):,}")

        def amend(final: Result) -> Result:
            if folder is not None:
                self.submit(folder, entries)
            return self.summed(validation, final, best, len(everything), len(entries))

        heard = [listener for listener in listeners if not isinstance(listener, DRAWING)]
        return self.train(config, everything, None, folder, heard, last_epoch=best, amend=amend)

    def train(
        self,
        config: ContestConfig,
        train: data.Dataset,
        held: data.Dataset | None,
        folder: RunFolder | None,
        listeners: Sequence[Listener],
        last_epoch: int = 0,
        amend: Callable[[Result], Result] | None = None,
    ) -> Result:
        """One of the two trainings, in a folder of its own; `last_epoch` and `amend` as `experiment` takes them."""
        start = Start.of(config, folder)
        train = start.examples(train)
        about = describe(train)
        task = Task(
            build=lambda: start.begin(self.classifier.network(config, about)),
            loss=namespace(config.rung).CrossEntropyLoss(),
            measures=MEASURES,
            monitor=self.monitor,
            maximise=self.maximise,
            groups=start.groups or learning,
        )
        return experiment(
            self.recipe,
            config,
            task,
            train,
            held,
            published=self.published,
            folder=folder,
            listeners=listeners,
            batch_transform=varied(config, about),
            last_epoch=last_epoch,
            amend=amend or start.noted,
        )

    def seen(self, model: nn.Module, pictures: data.Dataset) -> data.Dataset:
        """The set as it is trained on and measured: pictures, or what the fixed part of `model` sees in them."""
        if not isinstance(model, OnFrozen):
            return pictures
        x = features(model.frozen, pictures.tensors["x"])
        return replace(pictures, tensors={**pictures.tensors, "x": x}, about=describe(pictures))

    def best_epoch(self, validation: Result) -> int:
        """The first epoch with the best monitored number."""
        scores = [record[self.monitor] for record in validation.history]
        return 1 + scores.index(max(scores) if self.maximise else min(scores))

    def summed(self, validation: Result, final: Result, best: int, pictures: int, entries: int) -> Result:
        """Both trainings as one result: the figures of the first, and how the second ended."""
        ending = {name.replace("train_", "all_", 1): value for name, value in final.history[-1].items()}
        del ending["epoch"]
        return replace(
            final,
            metrics={**validation.metrics, **ending, "best_epoch": best},
            history=validation.history,
            data=validation.data,
            seconds=validation.seconds + final.seconds,
            notes=(
                *validation.notes,
                f"test figures are of pictures held out; the {entries:,} answers in {SUBMISSION} are of a model that "
                f"has learnt from all {pictures:,} labelled pictures, as long as was best",
            ),
        )

    def submit(self, folder: RunFolder, entries: Entries) -> Path:
        """Write `submission.csv` with what the model in `folder` says of the entries."""
        path = folder.path / SUBMISSION
        write_text(path, self.submission(entries.ids, self.answers(folder, entries.x), folder.data["classes"]))
        return path

    def answers(self, folder: RunFolder, x: Tensor) -> Tensor:
        """Probabilities `(entries, classes)` of float64, by the model of the run `folder`."""
        model, _ = self.classifier.trained(folder)
        with torch.inference_mode():
            parts = [model(data.pixels(part)).double().softmax(dim=1) for part in x.split(AT_ONCE)]
        return torch.cat(parts)

    def trained(self, folder: RunFolder) -> tuple[nn.Module, Any]:
        """The model that has not seen the pictures held out, and the settings."""
        return self.classifier.trained(_validation(folder))

    def opened(self, folder: RunFolder) -> Opened:
        """That model, the settings, and the pictures held out."""
        return self.classifier.opened(_validation(folder))

    def exportable(self, folder: RunFolder) -> Exportable:
        """The model that has learnt from all pictures, to be handed over."""
        return self.classifier.exportable(folder)

    def measure(self, folder: RunFolder) -> Result:
        """Measure on the pictures held out the model that has not seen them."""
        return self.measured(folder, self.opened(folder))

    def measured(self, folder: RunFolder, opened: Opened, *, mirrored: bool = False) -> Result:
        """Measure what `opened` gave; with `mirrored`, each picture together with its mirror image."""
        model, config, held = opened
        shown = held if mirrored else self.seen(model, held)
        note = "the checkpoint of the best epoch without the pictures held out"
        return measured(folder, (model, config, shown), self.published, note, mirrored=mirrored)

    def predict(self, folder: RunFolder, source: str | Path) -> Prediction:
        """What the model that has learnt from all pictures takes the picture file `source` for."""
        return self.classifier.predict(folder, source)

    def draw(self, folder: RunFolder) -> list[Path]:
        """Pictures held out with what the validated model takes them for, and entries with the answers to them."""
        config, classes = self.config(**folder.config), folder.data["classes"]
        held, entries = load_splits(config, **self.wishes)[1], data.load_entries(config.data, **self.wishes)
        places = spread(len(held), SHOWN)
        x, truth = held.tensors["x"][places], held.tensors["y"][places].tolist()
        guesses = self.answers(_validation(folder), x).argmax(dim=1).tolist()
        answers = self.answers(folder, entries.x[:SHOWN]).max(dim=1)
        titles = [
            f"{classes[number]} {share:.2f}"
            for number, share in zip(answers.indices.tolist(), answers.values.tolist(), strict=True)
        ]
        return [
            plot.images(
                folder.path / "held-out.png",
                data.pixels(x),
                truth=[classes[number] for number in truth],
                predicted=[classes[number] for number in guesses],
            ),
            plot.images(folder.path / "entries.png", data.pixels(entries.x[:SHOWN]), titles),
        ]


DRAWING = (plot.Curves, plot.LiveCurve, TensorBoard, Profile)
"""Listeners that hear of the validation alone: their pictures show figures that training on all does not have."""


def learning(model: nn.Module) -> list[dict[str, Any]]:
    """The parameters that are trained, as one group."""
    return [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]


def joined(train: data.Dataset, held: data.Dataset) -> data.Dataset:
    """Both as one set to learn from."""
    tensors = {name: torch.cat([part, held.tensors[name]]) for name, part in train.tensors.items()}
    return replace(train, tensors=tensors, used=replace(train.used, sizes={"train": len(train) + len(held)}))


def validation_folder(folder: RunFolder | None) -> RunFolder | None:
    """The folder of the validation in that of the run; made if it is not there."""
    if folder is None:
        return None
    found = _validation(folder)
    found.path.mkdir(exist_ok=True)
    return found


def _validation(folder: RunFolder) -> RunFolder:
    return RunFolder(folder.path / VALIDATION)


def _as_part_of(folder: RunFolder | None, work: Callable[[], Result]) -> Result:
    """Do the work of the validation; if it is stopped, say how the whole run goes on."""
    try:
        return work()
    except Stopped as stopped:
        if folder is None:
            raise
        message = str(stopped).replace(str(_validation(folder).path), str(folder.path))
        raise Stopped(message, stopped.signal_number) from None


# --- the contests' files --------------------------------------------------------------------------------------------


def labels(ids: Sequence[str], probabilities: Tensor, classes: Sequence[str]) -> str:
    """`id,label`, one row an entry: the likeliest class."""
    guesses = [classes[number] for number in probabilities.argmax(dim=1).tolist()]
    return table(("id", "label"), zip(ids, guesses, strict=True))


def shares(ids: Sequence[str], probabilities: Tensor, classes: Sequence[str]) -> str:
    """`id` and a column for each class in alphabetical order: its probability; a row sums to 1 but for rounding."""
    order = sorted(range(len(classes)), key=lambda number: classes[number])
    rows = (
        [entry, *(f"{row[number]:.8g}" for number in order)]
        for entry, row in zip(ids, probabilities.tolist(), strict=True)
    )
    return table(("id", *(classes[number] for number in order)), rows)


def table(head: Sequence[str], rows: Any) -> str:
    """Rows as CSV, a line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
