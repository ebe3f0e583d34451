"""A recipe in which several models learn from the same batches: its functions, for settings, models and their data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from fathom import data, metrics
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.recipes.common.classifier import load_splits
from fathom.recipes.common.contest import Contest, Rule, compare
from fathom.recipes.common.inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, load_model
from fathom.train.experiment import check_learnt, conduct, describe, measured_again, prepare
from fathom.train.supervised import Measure

Build = Callable[[Any, Mapping[str, Any]], nn.ModuleDict]
"""`(config, about)` to the fresh contestants by name; `about` is what the run folder's `data.json` holds."""

Load = Callable[[Any], tuple[data.Dataset, data.Dataset]]
"""A config to the training and the test examples."""

Look = Callable[[Any, nn.ModuleDict, data.Dataset, data.Dataset], Mapping[str, float]]
"""`(config, contestants, train, test)` to numbers by name."""

MakeStep = Callable[[Any, nn.ModuleDict, data.Dataset, Measure, int], Contest]
"""`(config, contestants, train, loss, batches an epoch)` to the step."""


def nothing(config: Any, models: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> Mapping[str, float]:
    """A `Look` that gives no numbers."""
    return {}


def named_at_start(look: Look) -> Look:
    """The same numbers, as `…_at_start`."""
    return lambda *seen: {f"{name}_at_start": value for name, value in look(*seen).items()}


def cross_entropy(config: Any) -> Measure:
    """The mean cross-entropy of classes, by the rung's own layer."""
    loss: Measure = namespace(config.rung).CrossEntropyLoss()
    return loss


def shuffled(config: Any, train: data.Dataset, device: torch.device) -> data.Batches:
    """The training examples in random order."""
    return data.Batches(
        train.tensors["x"],
        train.tensors["y"],
        batch_size=config.batch_size,
        shuffle=True,
        seed=config.seed,
        device=device,
        limit=config.limit,
    )


@dataclass(frozen=True, kw_only=True)
class ContestRecipe:
    """What the module of such a recipe offers: `run`, `measure` and, for classes, `predict`.

    Args:
        recipe: its name.
        config: the class of its settings.
        build: gives the fresh contestants.
        reference: whose numbers go without a name, or which that is by a config.
        published: the source's figures.
        load: gives the examples.
        loss: of a config, `(outputs, target)` to the batch's mean.
        score: `(outputs, target)` to the number that goes by the name of accuracy.
        inspect: numbers read from the contestants after each epoch, and when they are measured again.
        at_start: numbers read from them before the first, on the CPU; they stand in every record.
        make_step: gives a step that does otherwise than a `Contest` by the settings' optimizer, rate and clipping.
        make_batches: gives the training's batches.
    """

    recipe: str
    config: Callable[..., Any]
    build: Build
    reference: str | Callable[[Any], str]
    published: Sequence[Mapping[str, Any]]
    load: Load = load_splits
    loss: Callable[[Any], Measure] = cross_entropy
    score: Measure = metrics.accuracy
    inspect: Look = nothing
    at_start: Look = nothing
    make_step: MakeStep | None = None
    make_batches: Callable[[Any, data.Dataset, torch.device], Any] = shuffled

    def run(self, config: Any, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
        """Train all contestants on the same batches and compare them on the test examples after each epoch."""
        train, test = self.load(config)
        device = prepare(config)
        models = self.build(config, describe(train))
        constant = self.at_start(config, models, train, test)
        models, loss = models.to(device), self.loss(config)
        batches = self.make_batches(config, train, device)
        step = (self.make_step or self.plain_step)(config, models, train, loss, len(batches))
        return conduct(
            self.recipe,
            config,
            step,
            batches,
            {"model": models, "step": step},
            train,
            evaluate=lambda: {**self.numbers(config, models, train, test), **step.numbers(), **constant},
            monitor="test_loss" if config.patience else "",  # the last state is what is compared
            published=self.published,
            folder=folder,
            listeners=listeners,
        )

    def plain_step(
        self, config: Any, models: nn.ModuleDict, train: data.Dataset, loss: Measure, batches: int
    ) -> Contest:
        """All learn by the settings' rule, each gradient clipped by itself."""
        rule = Rule(config.optimizer, config.lr, clip=config.clip)
        return Contest(models, self.named(config), loss, rule, score=self.score)

    def named(self, config: Any) -> str:
        """The reference."""
        return self.reference if isinstance(self.reference, str) else self.reference(config)

    def numbers(self, config: Any, models: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
        """What is measured of the contestants as they are."""
        compared = compare(models, self.named(config), test, config, self.loss(config), self.score)
        return {**compared, **self.inspect(config, models, train, test)}

    def measure(self, folder: RunFolder) -> Result:
        """Compare a run's contestants on its test examples again."""
        config = self.config(**folder.config)
        train, test = self.load(config)
        check_learnt(folder, train, test)
        numbers = self.numbers(config, self.trained(folder), train, test)
        return measured_again(folder, config, numbers, test.used, self.published, "the last checkpoint")

    def trained(self, folder: RunFolder) -> nn.ModuleDict:
        """The contestants of a run as they were at the end."""
        config = self.config(**folder.config)
        models = load_model(folder, lambda: self.build(config, folder.data), best=False)
        assert isinstance(models, nn.ModuleDict)
        return models

    def exportable(self, folder: RunFolder) -> NoReturn:
        """InputError: there is no one model to be handed over."""
        raise InputError(
            f"{folder.path}: expected a run that ends in one model, but {folder.recipe} trains several beside each "
            f"other; the weights of each are in {folder.last}, its tensors named model.NAME.…: load them into such a "
            "model, or train one of these by a recipe of its own"
        )

    def predict(self, folder: RunFolder, source: str | Path) -> Prediction:
        """What the contestant with the best test accuracy takes `source` for; `extra` has all others' words.

        Args:
            folder: of the run.
            source: as `fathom.recipes.common.inputs.encode` takes it.
        """
        return self.answer(folder, source, encode(folder.data, source)[:1])

    def answer(self, folder: RunFolder, source: str | Path, x: Tensor) -> Prediction:
        """As `predict`, of a batch of one, `x`; without a result the reference is asked."""
        models, result = self.trained(folder), folder.result
        best = self.named(self.config(**folder.config))
        if result is not None:
            best = max(models, key=lambda name: result.metrics[f"test_{name}_accuracy"])
        prediction = said_by(best, models, source, x, folder.data["classes"])
        return replace(prediction, extra={"by": best, **prediction.extra})


def said_by(by: str, models: nn.ModuleDict, source: str | Path, x: Tensor, classes: Sequence[str]) -> Prediction:
    """What one of the contestants takes the batch of one, `x`, for; `extra` has what each says."""
    with torch.inference_mode():
        shares = {name: model(x).softmax(dim=1)[0] for name, model in models.items()}
    said = {name: classes[int(share.argmax())] for name, share in shares.items()}
    ranked = by_share(shares[by], classes)
    return Prediction(input=str(source)[:200], label=said[by], probabilities=ranked, extra=said)


def by_share(shares: Tensor, classes: Sequence[str]) -> dict[str, float]:
    """Probabilities `(classes,)` by the classes' names, the likeliest first."""
    return {classes[number]: float(shares[number]) for number in shares.argsort(descending=True, stable=True).tolist()}
