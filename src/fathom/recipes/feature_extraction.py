"""A softmax regression on what a trained network sees in pictures, each of which goes through it once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, recipes
from fathom.data.options import expanded
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.models.stages import start_from
from fathom.recipes.common import starts
from fathom.recipes.common.classifier import MEASURES, Classifier, PictureConfig, load_splits
from fathom.recipes.common.compared import first
from fathom.recipes.common.features import OnFrozen, features, without_head
from fathom.records import Result, RunFolder
from fathom.train import Listener, evaluate, experiment
from fathom.train.checkpoints import load_weights
from fathom.train.experiment import Task, describe, held_out, measured_again, prepare

SECTION = "d2l-zh 13.2, exercise 3"
DATA = "cifar10"
PUBLISHED = [
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "test images",
        "source": "d2l-zh 13.2, exercise 3",
        "note": "the book asks what comes of it and prints nothing",
    },
]
EFFICIENT = "efficientnet-lite0"  # the recipe whose network looks, unless a run brings its own
WISHES = {"size": 64, "channels": 3}


@dataclass(frozen=True, kw_only=True)
class Config(PictureConfig):
    """EfficientNet-Lite0 looks at 1,000 pictures; Adam at 0.001 with weight decay, batches of 100, 60 epochs.

    `from_` is what looks at them: `published` takes the package's weights for EfficientNet-Lite0, a file holds others,
    a run folder brings its own network, and with nothing EfficientNet-Lite0 has random weights.

    Args:
        examples: how many of the training pictures are learnt, the first ones; 0 for all.
        test_examples: how many of the test pictures are looked at, the first ones; 0 for all.
    """

    examples: int = 1000
    test_examples: int = 2000
    epochs: int = 60
    batch_size: int = 100
    lr: float = 0.001
    optimizer: str = "adam,weight_decay=0.001"
    from_: str = starts.PUBLISHED
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("examples", "test_examples"):
            self._check(name, at_least=0)
        self.keep(("augment", "normalise", "freeze", "discriminative"), "each picture goes through the network once")


def seer(config: Config, about: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """The network that looks at the pictures, without its head; it takes pixels in 0–1.

    Args:
        about: the run's `data.json`, whose `seer` tells of which recipe the network is, and for which pictures.
        weights: its own; None leaves them as drawn.
    """
    told = about["seer"]
    recipe = classifier(told["recipe"])
    settings = {**told["config"], "rung": config.rung, "from_": "", "freeze": "", "discriminative": 1.0}
    known = {entry.name for entry in fields(recipe.config)}
    network = recipe.network(recipe.config(**{name: settings[name] for name in known & set(settings)}), told["about"])
    if weights is not None:
        start_from(network, weights)
    return without_head(network)


def classifier(name: str) -> Classifier:
    """The recipe `name`, if its runs end in one network that sorts pictures.

    Raises:
        InputError: they do not.
    """
    recipe = getattr(recipes.load(name), "RECIPE", None)
    found = getattr(recipe, "classifier", recipe)
    if not isinstance(found, Classifier):
        raise InputError(f"--from: expected a run of one classifier, to look at pictures, got one of {name}")
    return found


def build(config: Config, about: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None) -> OnFrozen:
    """The network that looks, and a softmax regression on what it sees."""
    looking = seer(config, about, weights).eval()
    with torch.no_grad():
        seen = looking(torch.zeros(1, about["channels"], *about["image_size"])).flatten(1).shape[1]
    return OnFrozen(looking, models.on_rung(linear, config.rung, features=seen, classes=len(about["classes"])))


def linear(features: int, classes: int, *, nn: Any = torch.nn) -> Any:
    """One layer from features to logits."""
    return nn.Linear(features, classes)


def load(config: Config, told: Mapping[str, Any]) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test pictures, in the shape that the network which looks at them has learnt.

    Args:
        told: what `seen_by` gives.
    """
    known = told["about"]
    wishes = {"size": tuple(known["image_size"]), "channels": known["channels"]} if known else WISHES
    train, test = load_splits(config, **wishes)
    return first(train.require_images(), config.examples), first(test, config.test_examples)


def seen_by(config: Config) -> dict[str, Any]:
    """Which network looks at the pictures: of which recipe, by which settings, for which pictures (`about`).

    Raises:
        InputError: `from_` is a run of another kind.
    """
    if config.from_ and (path := expanded(config.from_)).is_dir():
        run = RunFolder.open(path)
        classifier(run.recipe)
        return {"recipe": run.recipe, "config": run.config, "about": run.data}
    return {"recipe": EFFICIENT, "config": {}, "about": {}}


def looked_at(model: OnFrozen, pictures: data.Dataset, about: Mapping[str, Any]) -> data.Dataset:
    """What the model's frozen part sees in the pictures, in their place."""
    seen = features(model.frozen, pictures.tensors["x"])
    return replace(pictures, tensors={**pictures.tensors, "x": seen}, about=dict(about))


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Let the network look at each picture once, then learn from what it sees; keep the epoch with the best accuracy.

    Raises:
        InputError: there are no such weights, or they are of another network.
    """
    start = starts.Start.of(config, folder)
    resumed = folder is not None and folder.last.is_file()
    told = folder.data["seer"] if folder is not None and resumed else seen_by(config)
    pictures = load(config, told)
    about = describe(pictures[0])
    if not told["about"]:
        told = {**told, "about": {**about, **start.scales}}
    about = {**about, "seer": told, **({"start": dict(start.origin)} if start.origin else {})}
    weights = start.weights() if start.origin and not resumed else None
    prepare(config)
    model = build(config, about, weights)
    if folder is not None and resumed:
        load_weights(model, folder.last)
    train, test = (looked_at(model, part, about) for part in pictures)

    def amend(result: Result) -> Result:
        if folder is not None:  # whose model takes pictures, though it has learnt from what was seen in them
            folder.write_data({**folder.data, "example_shape": list(pictures[0].tensors["x"].shape[1:])})
        return start.noted(result)

    task = Task(
        build=lambda: build(config, about, weights),
        loss=namespace(config.rung).CrossEntropyLoss(),
        measures=MEASURES,
        monitor="test_accuracy",
        maximise=True,
        groups=learning,
    )
    return experiment(
        RECIPE.recipe,
        config,
        task,
        train,
        test,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        amend=amend,
    )


def learning(model: nn.Module) -> list[dict[str, Any]]:
    """The parameters of the regression, as one group."""
    return [{"params": list(model.get_submodule("head").parameters())}]


def measure(folder: RunFolder) -> Result:
    """Measure the best head of a run on its test pictures again."""
    model, config, pictures = RECIPE.opened(folder)
    assert isinstance(model, OnFrozen)
    test = looked_at(model, pictures, folder.data)
    measures = {"loss": namespace(config.rung).CrossEntropyLoss(), **MEASURES}
    measured = evaluate(model, held_out(test, config), measures, precision=config.precision)
    return measured_again(folder, config, measured, test.used, PUBLISHED, "the checkpoint of the best epoch")


class Extraction(Classifier):
    """A classifier of as many pictures as its settings say."""

    def load(self, config: Config, folder: RunFolder) -> tuple[data.Dataset, data.Dataset]:
        """A run's training and test pictures."""
        return load(config, folder.data["seer"])


RECIPE = Extraction(recipe="feature-extraction", config=Config, build=build, published=PUBLISHED, wishes=WISHES)
predict, draw = RECIPE.predict, RECIPE.draw
