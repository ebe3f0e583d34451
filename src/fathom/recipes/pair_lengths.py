"""How many tokens there are and how many a sentence takes: words, characters and pieces of words, in two languages."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.data.loading import parse
from fathom.data.pairs import RESERVED, Coder, PairDataset, side
from fathom.errors import DataError, InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import regression
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, evaluate, experiment, load_model
from fathom.train.experiment import Task, describe, held_out, measured_again

SECTION = "d2l-zh 9.5"
DATA = "eng-fra"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "twice_source_vocab",
        "value": 10_012,
        "split": "all 167,130 pairs",
        "source": "d2l-zh 9.5.3",
        "note": "words seen at least twice and the four reserved ones",
    },
    {
        "metric": "word_target_short",
        "value": None,
        "split": "all 167,130 pairs",
        "source": "d2l-zh 9.5, figure",
        "note": "a histogram; in words: most texts have fewer than 20 tokens",
    },
]
SHORT = 20  # tokens; the book's bound


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """Counts by unit, and for each a straight line from a sentence's tokens to its translation's.

    Args:
        pieces: vocabularies of pieces of words, in tokens; none leaves them out, and the package `tokenizers` with it.
    """

    pieces: tuple[int, ...] = (1000, 8000)
    epochs: int = 5
    batch_size: int = 1024
    lr: float = 0.02
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self.keep(regression.COUPLING, "the lines learn side by side, each as if alone")
        if len(set(self.pieces)) < len(self.pieces) or any(size < 1 for size in self.pieces):
            raise InputError(f"--pieces: expected different sizes of at least 1, got {self.pieces}")
        settled = {"unit", "vocab", "steps", "shared"} & set(parse(self.data).options)
        if settled:
            raise InputError(f"--data: expected no {min(settled)}=, for this recipe tries several, got {self.data!r}")


def units(config: Config) -> dict[str, dict[str, Any]]:
    """What a set of pairs is asked for, by the name of the unit, from the fewest different tokens to the most."""
    pieces = {f"subword_{size}": {"unit": "subword", "vocab": size} for size in sorted(config.pieces)}
    return {"char": {"unit": "char"}, **pieces, "word": {"unit": "word"}}


def titled(name: str) -> str:
    """The unit for a reader."""
    return {"char": "characters", "word": "words"}.get(name, f"{name.partition('_')[2]} pieces")


def load_units(config: Config, split: str) -> dict[str, PairDataset]:
    """One split in every unit.

    Raises:
        DataError: the set has no pairs of sentences.
    """
    if data.load(config.data, split, unit="word").about["kind"] != "pairs":
        raise DataError(f"{config.data}: expected pairs of sentences; try eng-fra, number-words or pairs:FILE")
    return {name: data.load(config.data, split, **wish) for name, wish in units(config).items()}  # type: ignore[misc]


def lengths(pairs: Mapping[str, PairDataset]) -> tuple[Tensor, Tensor]:
    """Tokens of each sentence and of its translation without the end symbol, both `(pairs, units)` of float."""
    return tuple(  # type: ignore[return-value]
        torch.stack([each.tensors[name] - 1 for each in pairs.values()], dim=1).float()
        for name in ("x_length", "y_length")
    )


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """Both splits as examples of a regression, `x` and `y` `(pairs, units)`, standardised by the training pairs."""
    splits = [load_units(config, split) for split in ("train", "test")]
    counted = [lengths(pairs) for pairs in splits]
    means, stds = ([float(value) for part in counted[0] for value in row(part)] for row in (_mean, _std))
    about = {
        "kind": "lengths",
        "classes": [],
        "mean": means,  # of the sentences by unit, then of the translations
        "std": stds,
        "sides": {name: pairs.about["source"] for name, pairs in splits[0].items()},
    }
    train, test = (
        replace(
            pairs["word"],
            tensors={
                name: (part - torch.tensor(mean)) / torch.tensor(std)
                for name, part, mean, std in zip(("x", "y"), parts, _halves(means), _halves(stds), strict=True)
            },
            about=about,
        )
        for pairs, parts in zip(splits, counted, strict=True)
    )
    return train, test


def _mean(part: Tensor) -> Tensor:
    return part.mean(dim=0)


def _std(part: Tensor) -> Tensor:
    return part.std(dim=0, correction=0).clamp(min=1e-6)  # every sentence may be as long as the others


def _halves(values: Sequence[float]) -> list[Sequence[float]]:
    return [values[: len(values) // 2], values[len(values) // 2 :]]


class Lines(nn.Module):
    """A line a column: `(batch, units)` to `(batch, units)`.

    Args:
        models: each maps `(batch, 1)` to `(batch, 1)`.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, x: Tensor) -> Tensor:
        """Each column by its own model."""
        return torch.cat([model(x[:, [column]]) for column, model in enumerate(self.models)], dim=1)


def build(config: Config) -> nn.Module:
    """A line for each unit."""
    return Lines([models.on_rung("linear_regression", config.rung, in_features=1) for _ in units(config)])


def figures(config: Config) -> dict[str, float]:
    """What is counted: vocabularies, mean tokens, shares of short and of unknown ones, by unit."""
    train, test = (load_units(config, split) for split in ("train", "test"))
    found = {}
    for name, pairs in train.items():
        for place, end in enumerate(("source", "target")):
            tokens = pairs.tensors[("x_length", "y_length")[place]] - 1
            found[f"{name}_{end}_vocab"] = float(len(side(pairs.about[end])))
            found[f"{name}_{end}_tokens"] = float(tokens.float().mean())
            found[f"{name}_{end}_short"] = float((tokens < SHORT).float().mean())
            found[f"{name}_{end}_unknown"] = test[name].about["unknown"][place]
    for end in ("source", "target"):
        counts: Counter[str] = Counter()
        for pairs in (train["word"], test["word"]):
            counts.update(" ".join(getattr(pairs, f"{end}_texts")).split(" "))
        found[f"twice_{end}_vocab"] = float(sum(times > 1 for times in counts.values()) + len(RESERVED) + 1)
    return found


def least_squares(train: data.Dataset) -> dict[str, float]:
    """The slopes that fit best, in closed form."""
    x, y = (train.tensors[name].double() for name in ("x", "y"))
    slopes = (x * y).mean(dim=0) / x.square().mean(dim=0).clamp(min=1e-12)
    return _slopes(train.about, slopes.tolist(), "slope_least_squares")


def _slopes(about: Mapping[str, Any], standard: Sequence[float], what: str) -> dict[str, float]:
    """Slopes of standardised lengths as tokens of a translation for a token more."""
    before, after = _halves(about["std"])
    values = zip(about["sides"], standard, before, after, strict=True)
    return {f"{name}_{what}": slope * b / a for name, slope, a, b in values}


def task(config: Config, about: Mapping[str, Any], constant: Mapping[str, float]) -> Task:
    """Squared error in units of the variance, so that 1 is no better than the mean; the slopes."""
    error = regression.squared_error(config.rung)
    count = len(units(config))

    def column(number: int) -> Any:
        return lambda outputs, target: error(outputs[:, number], target[:, number])

    def slopes(model: nn.Module) -> dict[str, float]:
        return {**_slopes(about, [line[0].weight.item() for line in model.models], "slope"), **constant}  # type: ignore[union-attr]

    return Task(
        build=lambda: build(config),
        loss=lambda outputs, target: error(outputs, target) * count,
        measures={f"{name}_loss": column(number) for number, name in enumerate(units(config))},
        monitor="",  # the last state is the fit
        inspect=slopes,
    )


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Count, then fit the lines; `UNIT_SIDE_vocab`, `_tokens`, `_short` and `_unknown` (of held-out pairs) are counts.

    `UNIT_slope` is how many tokens a translation has more for one more of the sentence; `test_UNIT_loss` is the share
    of the variance that the line leaves.
    """
    train, test = load_splits(config)
    what = task(config, describe(train), {**figures(config), **least_squares(train)})
    return experiment(
        "pair-lengths", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners
    )


def measure(folder: RunFolder) -> Result:
    """Measure a run's last state again."""
    config = Config(**folder.config)
    train, test = load_splits(config)
    what = task(config, folder.data, {**figures(config), **least_squares(train)})
    model = load_model(folder, what.build, best=False)
    numbers = evaluate(model, held_out(test, config), {"loss": what.loss, **what.measures})
    assert what.inspect is not None
    measured = {**numbers, **what.inspect(model)}
    return measured_again(folder, config, measured, test.used, PUBLISHED, "the last checkpoint")


def translated(folder: RunFolder, tokens: Tensor) -> Tensor:
    """How long the translations of sentences of so many tokens are, `(sentences, units)` both."""
    config, about = Config(**folder.config), folder.data
    model = load_model(folder, lambda: build(config), best=False)
    (before, after), (spread, spread_after) = (_halves(about[name]) for name in ("mean", "std"))
    with torch.inference_mode():
        standard: Tensor = model((tokens - torch.tensor(before)) / torch.tensor(spread))
        return standard * torch.tensor(spread_after) + torch.tensor(after)


def predict(folder: RunFolder, source: str) -> Prediction:
    """How many words the translation of `source` will have; `extra` has its tokens in every unit, and the lengths."""
    coders: dict[str, Coder] = {name: side(facts) for name, facts in folder.data["sides"].items()}
    coders["char"].encode(source)  # refuses what holds no letter that is known; a word may be a new one
    tokens = {name: coder.tokens(source) for name, coder in coders.items()}
    counts = torch.tensor([[float(len(found)) for found in tokens.values()]])
    expected = dict(zip(tokens, translated(folder, counts)[0].tolist(), strict=True))
    extra = {name: {"tokens": found, "translation": expected[name]} for name, found in tokens.items()}
    return Prediction(input=source[:200], label=expected["word"], extra=extra)


def draw(folder: RunFolder) -> list[Path]:
    """Sentences by their words, vocabulary against length, and the lines."""
    config = Config(**folder.config)
    pairs = load_units(config, "train")
    words = {end: pairs["word"].tensors[name] - 1 for end, name in (("source", "x_length"), ("target", "y_length"))}
    sizes = {
        end: [(len(side(each.about[end])), float((each.tensors[name] - 1).float().mean())) for each in pairs.values()]
        for end, name in (("source", "x_length"), ("target", "y_length"))
    }
    charts = [
        Panel(
            series={end: shares(tokens) for end, tokens in words.items()},
            title="Sentences by their words",
            xlabel="words",
            ylabel="share of all",
        ),
        Panel(
            series={end: tuple(zip(*sorted(points), strict=True)) for end, points in sizes.items()},
            title=f"From {titled('char')} to {titled('word')}",
            xlabel="different tokens",
            ylabel="tokens of a sentence, on average",
            logx=True,
        ),
        fits(folder, pairs),
    ]
    return [panels(folder.path / "lengths.png", charts, key="right: dots are means by length, lines are fitted")]


def shares(tokens: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The share of each length, up to that of all sentences but one in a thousand."""
    counts = tokens.bincount().double().numpy()
    most = int(tokens.float().quantile(0.999)) if len(tokens) < 2**24 else len(counts) - 1
    return np.arange(most + 1), counts[: most + 1] / counts.sum()


def fits(folder: RunFolder, pairs: Mapping[str, PairDataset]) -> Panel:
    """Tokens of translations by tokens of sentences, means and lines."""
    x, y = (part.numpy() for part in lengths(pairs))
    series, theory = {}, {}
    for column, name in enumerate(pairs):
        counts = np.bincount(x[:, column].astype(np.int64))
        sums = np.bincount(x[:, column].astype(np.int64), y[:, column])
        at = np.flatnonzero(counts >= max(10, len(x) // 2000))
        at = at[np.unique(np.linspace(0, len(at) - 1, 20).astype(np.int64))] if len(at) else np.unique(x[:1, column])
        grid = torch.from_numpy(np.repeat(at[:, None], len(pairs), axis=1)).float()
        series[titled(name)] = at, sums[at.astype(np.int64)] / counts[at.astype(np.int64)]
        theory[titled(name)] = at, translated(folder, grid)[:, column].numpy()
    return Panel(
        series=series,
        theory=theory,
        title="Tokens of the translation",
        xlabel="tokens of the sentence",
        logx=True,
        logy=True,
    )
