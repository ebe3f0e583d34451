"""Zipf's law: how often words, pairs and triples of words occur falls as a power of their rank."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.data.ngrams import count_ngrams
from fathom.errors import DataError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import language, regression
from fathom.recipes.common.inputs import numbers
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, evaluate, experiment, load_model
from fathom.train.experiment import Task, describe, held_out, measured_again

SECTION = "d2l-zh 8.3.2"
DATA = "time-machine,unit=word"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "words_slope",
        "value": None,
        "split": "the whole novel",
        "source": "d2l-zh 8.3.2, figure",
        "note": "the book draws three curves on logarithmic axes and fits none; Zipf 1949 has -1 for words",
    },
]
NAMES = {1: "words", 2: "pairs", 3: "triples"}
POINTS = 60  # ranks at equal distances on a logarithmic axis: the thousands of words that occur once count no more


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """A straight line in ln(share) over ln(rank), each for words, pairs and triples, by gradient descent.

    Args:
        first: the first rank of the fit; the very first lie below the law.
    """

    first: int = 10
    epochs: int = 200
    batch_size: int = 64
    lr: float = 0.1
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("first", at_least=1)
        self.keep(regression.COUPLING, "the lines learn side by side, each as if alone")


def shares(text: data.Dataset) -> dict[str, np.ndarray]:
    """The share of each word, pair and triple among all of them, the most frequent first."""
    tokens, size = text.tensors["x"].numpy(), len(text.about["vocab"])
    found = {}
    for n, name in NAMES.items():
        runs, counts = count_ngrams(tokens, n, size)
        counts = counts[(runs != 0).all(axis=1)]  # an unknown token is none in particular
        found[name] = counts / counts.sum()
    return found


def ranks(config: Config, found: Mapping[str, np.ndarray]) -> np.ndarray:
    """The ranks that are fitted, `(points,)`: the same for all three."""
    last = min(len(each) for each in found.values())
    if last < 2 * config.first:
        raise DataError(
            f"{config.data}: expected at least {2 * config.first} different words, got {last}; give a longer text"
        )
    return np.unique(np.geomspace(config.first, last, POINTS).round().astype(np.int64))


def points(config: Config, text: data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of ranks, `(points,)`, and of the shares there, `(points, 3)`."""
    found = shares(text)
    at = ranks(config, found)
    return np.log(at), np.stack([np.log(each[at - 1]) for each in found.values()], axis=1)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training text and its held-out end as examples of a regression; `x` `(points, 1)` is standardised."""
    texts = language.load_texts(config.data)
    drawn = [points(config, text) for text in texts]
    mean, std = float(drawn[0][0].mean()), float(drawn[0][0].std())
    about = {"kind": "ranks", "classes": [], "mean": mean, "std": std}
    train, test = (
        replace(
            text,
            tensors={"x": torch.from_numpy((x[:, None] - mean) / std).float(), "y": torch.from_numpy(y).float()},
            about=about,
        )
        for text, (x, y) in zip(texts, drawn, strict=True)
    )
    return train, test


def build(config: Config, about: Mapping[str, Any]) -> nn.Module:
    """Three lines."""
    lines = [models.on_rung("linear_regression", config.rung, in_features=1) for _ in NAMES]
    return regression.SideBySide(lines, [1] * len(NAMES))


def least_squares(train: data.Dataset) -> dict[str, float]:
    """The slopes that fit best, in closed form."""
    x, y = (train.tensors[name].double().numpy() for name in ("x", "y"))
    slopes = np.polyfit(x[:, 0], y, 1)[0] / train.about["std"]
    return {f"{name}_least_squares": float(slope) for name, slope in zip(NAMES.values(), slopes, strict=True)}


def task(config: Config, about: Mapping[str, Any], constant: Mapping[str, float]) -> Task:
    """Squared error of the logarithms, and the slopes."""
    error = regression.squared_error(config.rung)

    def column(number: int) -> Any:
        return lambda outputs, target: error(outputs[:, number], target[:, number])

    def slopes(model: nn.Module) -> dict[str, float]:
        lines = model.models
        weights = {name: line[0].weight.item() / about["std"] for name, line in zip(NAMES.values(), lines, strict=True)}  # type: ignore[arg-type]
        return {**{f"{name}_slope": slope for name, slope in weights.items()}, **constant}

    return Task(
        build=lambda: build(config, about),
        loss=lambda outputs, target: error(outputs, target) * len(NAMES),
        measures={f"{name}_loss": column(number) for number, name in enumerate(NAMES.values())},
        monitor="",  # the last state is the fit
        inspect=slopes,
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Fit the lines; `NAME_slope` is the exponent found, `NAME_least_squares` the one in closed form."""
    train, test = load_splits(config)
    what = task(config, describe(train), least_squares(train))
    return experiment("zipf", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners)


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config = Config(**folder.config)
    train, test = load_splits(config)
    what = task(config, folder.data, least_squares(train))
    model = load_model(folder, what.build, best=False)
    numbers = evaluate(model, held_out(test, config), {"loss": what.loss, **what.measures})
    assert what.inspect is not None
    return measured_again(
        folder, config, {**numbers, **what.inspect(model)}, test.used, PUBLISHED, "the last checkpoint"
    )


def fitted(folder: RunFolder, at: Sequence[float] | np.ndarray) -> dict[str, Tensor]:
    """The shares that the lines give these ranks."""
    config = Config(**folder.config)
    model = load_model(folder, lambda: build(config, folder.data), best=False)
    x = (torch.as_tensor(np.asarray(at), dtype=torch.float32).log()[:, None] - folder.data["mean"]) / folder.data["std"]
    with torch.inference_mode():
        return dict(zip(NAMES.values(), model(x).exp().T, strict=True))


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """The share of the word whose rank is in `source`; `extra` has those of the pair and the triple of that rank."""
    (rank,) = numbers(source, 1)
    if rank < 1:
        raise DataError(f"rank: expected a number from 1, got {rank:g}; the most frequent word has rank 1")
    found = {name: share.item() for name, share in fitted(folder, [rank]).items()}
    return Prediction(input=str(source)[:200], label=found["words"], extra=found)


def draw(folder: RunFolder) -> list[Path]:
    """Shares by rank on logarithmic axes, with the lines."""
    config = Config(**folder.config)
    found = shares(language.load_texts(config.data)[0])
    at = ranks(config, found)
    lines = fitted(folder, at)
    slopes = {name: np.polyfit(np.log(at), line.log().numpy(), 1)[0] for name, line in lines.items()}
    titles = {name: f"{name}, slope {slope:.2f}" for name, slope in slopes.items()}
    chart = Panel(
        series={titles[name]: spaced(each) for name, each in found.items()},
        theory={titles[name]: (at, line.numpy()) for name, line in lines.items()},
        title="How often each occurs, by its rank",
        xlabel="rank",
        ylabel="share of all",
        logx=True,
        logy=True,
    )
    return [panels(folder.path / "zipf.png", [chart], key="dots: the text; lines: fitted")]


def spaced(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(ranks, values)` of some of the values, so many a decade."""
    at = np.unique(np.geomspace(1, len(values), POINTS).round().astype(np.int64))
    return at, values[at - 1]
