"""Rosenblatt's perceptron with its own rule: it learns what a line can separate, and XOR is not among that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models, plot
from fathom.errors import InputError
from fathom.recipes.common import exports
from fathom.recipes.common.inputs import encode
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, Progress, TrainConfig, load_model
from fathom.train.config import STEP_FIELDS
from fathom.train.experiment import conduct, describe, measured_again, prepare
from fathom.train.export import Exportable

SECTION = "Rosenblatt 1958; d2l-zh 4.1"
DATA = "separable"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "mistakes",
        "value": None,
        "split": "training examples",
        "source": "Novikoff 1962, On convergence proofs for perceptrons",
        "note": "at most (R/γ)², a number that depends on the data: it is the metric novikoff_bound",
    },
]
UNUSED = (*STEP_FIELDS, "batch_size", "optimizer", "accumulate", "patience", "precision", "compile", "channels_last")


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """One example at a time until all are right, or 100 epochs; the weights start at 0, so that lr only scales them."""

    epochs: int = 100
    batch_size: int = 1
    lr: float = 1.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range, and that nothing is asked for that the perceptron's rule does not have."""
        super().__post_init__()
        self.keep(UNUSED, "the perceptron's rule has no gradient and takes one example at a time")


class Rule:
    """The perceptron's rule as a step: an example on the wrong side, or on the line, moves the line.

    w ← w + lr · y x and b ← b + lr · y where y (w·x + b) <= 0, with y = ±1. Source: Rosenblatt 1958.

    Args:
        model: maps `(1, columns)` to a score `(1, 1)`; changed in place.
        lr: length of a step, above 0.
    """

    def __init__(self, model: nn.Module, lr: float) -> None:
        self.model, self.lr, self.mistakes = model, lr, 0

    @torch.no_grad()
    def __call__(self, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
        """Learn from one example `(1, columns)` of class `(1,)`, 0 or 1; tells whether it was a mistake, as `loss`."""
        x, target = batch
        y = 2 * target - 1
        if y * self.model(x)[:, 0] > 0:
            return {"loss": 0.0}
        weight, bias = self.model.parameters()
        weight.add_(self.lr * y * x)
        bias.add_(self.lr * y)
        self.mistakes += 1
        return {"loss": 1.0}

    def state_dict(self) -> dict[str, Any]:
        """The number of mistakes so far."""
        return {"mistakes": self.mistakes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.mistakes = int(state["mistakes"])


class UntilAllAreRight:
    """Listener that ends the training for good when no training example is on the wrong side."""

    def step(self, progress: Progress) -> None:
        """Steps don't matter."""

    def epoch(self, progress: Progress) -> None:
        """Look at the epoch's record."""
        progress.enough = progress.history[-1]["train_accuracy"] == 1.0

    def end(self, progress: Progress) -> None:
        """Nothing to do."""


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """A perceptron for so many inputs, all weights 0."""
    (columns,) = about["example_shape"]
    return models.on_rung("perceptron", config.rung, in_features=columns)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """Training and test examples: rows of numbers in two classes."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    classes = train.about.get("classes") or []
    if len(classes) != 2 or train.tensors["x"].dim() != 2:
        raise InputError(
            f"{config.data}: expected rows of numbers in two classes, got {len(classes)} classes; try {DATA}"
        )
    return train, test


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """The fraction of examples on their side of the line; on the line itself is class 0."""
    return ((model(x)[:, 0] > 0) == y.bool()).double().mean().item()


def novikoff_bound(x: Tensor, y: Tensor, w: Tensor, b: float) -> float:
    """(R/γ)², more mistakes than which the rule can't make on these examples; infinite if w and b don't separate them.

    With a 1 appended to each example for the bias, R is the length of the longest and γ the least distance from the
    separating plane. Any separator gives a bound; the one with the widest margin gives the lowest.

    Args:
        x: `(examples, columns)`.
        y: `(examples,)` of int, 0 or 1.
        w: `(columns,)`, the separator's weights.
        b: its bias.

    Source: Novikoff 1962, "On convergence proofs for perceptrons".
    """
    extended = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()
    separator = torch.cat([w.flatten(), torch.tensor([b])]).double()
    margin = ((extended @ separator) * (2 * y - 1) / separator.norm()).min()
    return ((extended.norm(dim=1).max() / margin) ** 2).item() if margin > 0 else float("inf")


def measured(model: nn.Module, train: data.Dataset, test: data.Dataset, config: Config) -> dict[str, float]:
    """Accuracy on all training examples and, within `limit`, on the test examples; the bound where it is known."""
    device = next(model.parameters()).device
    x, y = (train.tensors[name].to(device) for name in ("x", "y"))
    count = config.limit or len(test)
    numbers = {
        "train_accuracy": accuracy(model, x, y),
        "test_accuracy": accuracy(model, *(test.tensors[name][:count].to(device) for name in ("x", "y"))),
    }
    truth = train.about.get("truth", {})
    if "w" in truth:
        numbers["novikoff_bound"] = novikoff_bound(x.cpu(), y.cpu(), torch.tensor(truth["w"]), truth["b"])
    return numbers


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Learn until all training examples are right; `mistakes` counts the corrections, `train_loss` an epoch's share."""
    train, test = load_splits(config)
    device = prepare(config)
    model = build(config, describe(train)).to(device)
    rule = Rule(model, config.lr)
    examples = train.tensors["x"], train.tensors["y"]
    return conduct(
        "perceptron",
        config,
        rule,
        data.Batches(*examples, batch_size=1, shuffle=True, seed=config.seed, limit=config.limit, device=device),
        {"model": model, "step": rule},
        train,
        evaluate=lambda: {**measured(model, train, test, config), "mistakes": float(rule.mistakes)},
        monitor="",  # the last state is the answer
        published=PUBLISHED,
        folder=folder,
        watchers=[UntilAllAreRight()],
        listeners=listeners,
    )


def trained(folder: RunFolder) -> nn.Module:
    """A run's perceptron as it was at the end."""
    return load_model(folder, lambda: build(Config(**folder.config), folder.data), best=False)


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config = Config(**folder.config)
    train, test = load_splits(config)
    numbers = measured(trained(folder), train, test, config)
    return measured_again(folder, config, numbers, test.used, PUBLISHED, "the last checkpoint")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """On which side is the point in `source` (as in `0.3,-1`), or each row of a CSV file?"""
    about = folder.data
    model = trained(folder)
    with torch.inference_mode():
        scores = model(encode(about, source))[:, 0].tolist()
    labels = [about["classes"][int(score > 0)] for score in scores]
    rows = {"rows": labels} if len(labels) > 1 else {}
    return Prediction(input=str(source)[:200], label=labels[0], extra={"score": scores[0], **rows})


def exportable(folder: RunFolder) -> Exportable:
    """A run's perceptron as it was at the end, to be handed over."""
    again = partial(build, Config(**folder.config), folder.data)
    meaning = "the score: above 0 is the second of `classes`, else the first"
    return exports.of_examples(folder, trained(folder), again, output="score", meaning=meaning)


# --- pictures -------------------------------------------------------------------------------------------------------


def two_layers(x: np.ndarray) -> np.ndarray:
    """XOR from perceptrons in two layers, weights by hand: one unit says "or", one "and", the last "or but not and".

    Args:
        x: `(examples, 2)`; the corners of the unit square are what XOR is defined on.

    Returns:
        `(examples,)` of int, 0 or 1.
    """
    a, b = x[:, 0], x[:, 1]
    either = (a + b - 0.5 > 0).astype(int)
    both = (a + b - 1.5 > 0).astype(int)
    return (either - 2 * both - 0.5 > 0).astype(int)


def draw(folder: RunFolder) -> list[Path]:
    """The regions that the perceptron has learned, if its data lie in the plane, and how two layers solve XOR."""
    train, _ = load_splits(Config(**folder.config))
    x, y = train.tensors["x"], train.tensors["y"]
    pictures = []
    if x.shape[1] == 2:
        model = trained(folder)
        right = accuracy(model, x, y)

        def decide(points: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return (model(torch.from_numpy(points))[:, 0] > 0).numpy()

        title = f"One perceptron: {right:.0%} of the training examples right"
        pictures.append(
            plot.plane(folder.path / "regions.png", decide, x, y, names=train.about["classes"], title=title)
        )
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    title = "XOR by two layers of perceptrons"
    names = ("equal", "different")
    pictures.append(plot.plane(folder.path / "xor.png", two_layers, corners, [0, 1, 1, 0], names=names, title=title))
    return pictures
