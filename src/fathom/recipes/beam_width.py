"""What a wider beam costs and what it brings: translations of one net, searched for greedily and with wider beams."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from fathom.data.pairs import PairDataset
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import translation
from fathom.recipes.common.translation import RecurrentConfig
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, experiment
from fathom.train.experiment import Task, measured_again

SECTION = "d2l-zh 9.8"
DATA = "eng-fra,vocab=6000,steps=20"
PUBLISHED = [
    {
        "metric": "beam_4_bleu",
        "value": None,
        "split": "held-out pairs",
        "source": "d2l-zh 9.8; Koehn and Knowles 2017, arXiv 1706.03872, section 3.6",
        "note": "the book counts steps, 10,000 · 10 greedily and twice as many with a beam of 2; the paper draws BLEU "
        "that rises to a width of some 4 to 30, and falls behind",
    },
]
BUILD = translation.recurrent("bahdanau")


@dataclass(frozen=True, kw_only=True)
class Config(RecurrentConfig):
    """A net with attention, one layer of 256 units, on most of the pairs.

    Args:
        widths: beams, from the narrowest to the widest.
        searches: held-out pairs translated with each of them after each epoch; 0 takes all.
        alpha: how far a score makes up for length, by Wu et al.'s penalty.
    """

    widths: tuple[int, ...] = (1, 2, 4, 8, 16)
    searches: int = 200
    alpha: float = 0.6
    embedding_size: int = 128
    hidden_size: int = 256
    num_layers: int = 1
    epochs: int = 3
    batch_size: int = 128
    lr: float = 0.002
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("searches", at_least=0)
        self._check("alpha", at_least=0)
        if not self.widths or min(self.widths) < 1 or list(self.widths) != sorted(set(self.widths)):
            raise InputError(
                f"--widths: expected beams of at least 1, each wider than the one before, got {self.widths}"
            )


class Counted:
    """A model whose decoder counts the rows that it is asked for.

    Args:
        model: an encoder-decoder.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.rows = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def step(self, tokens: Tensor, state: Any) -> Any:
        """As the model's."""
        self.rows += len(tokens)
        return self.model.step(tokens, state)


def load_splits(config: Config) -> tuple[PairDataset, PairDataset]:
    """Training and held-out pairs; InputError if none are held out."""
    train, test = translation.load_splits(config.data)
    if test is None:
        raise InputError(f"--data: expected a set with held-out pairs, got {config.data}; leave test=0 out")
    return train, test


def by_width(model: Any, config: Config, about: Mapping[str, Any], test: PairDataset) -> dict[str, float]:
    """BLEU, the mean score, and the rows that went through the decoder for a sentence, of each beam."""
    rows, found = translation.spaced(test, config.searches), {}
    for width in config.widths:
        counted = Counted(model)
        said = translation.translated(counted, test, about, rows, width=width, alpha=config.alpha)
        found[f"beam_{width}_bleu"] = translation.bleu_of(said, test, rows)
        found[f"beam_{width}_score"] = sum(score for _, score in said) / len(said)
        found[f"beam_{width}_cost"] = counted.rows / len({test.source_texts[row] for row in rows.tolist()})
    return found


def task(config: Config, train: PairDataset, test: PairDataset) -> Task:
    """Translation, with a comparison of beams after each epoch."""

    def inspect(model: Any) -> dict[str, float]:
        return {**translation.points(model, config, train, test), **by_width(model, config, train.about, test)}

    return replace(translation.task(BUILD, config, train, test), inspect=inspect)


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train one net, and search for translations with every beam after each epoch.

    Of each width W, `beam_W_bleu` is BLEU, `beam_W_score` the mean log-probability over its penalty, and `beam_W_cost`
    the rows that go through the decoder for one sentence.
    """
    train, test = load_splits(config)
    what = task(config, train, test)
    return experiment("beam-width", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners)


def measure(folder: RunFolder) -> Result:
    """Compare the beams on the held-out pairs again, by the net of the best epoch; the note has seconds a sentence."""
    config = Config(**folder.config)
    train, test = load_splits(config)
    translation.check_same_tokens(folder.data, train)
    model = translation.trained(folder, BUILD, config)
    rows, seconds = translation.spaced(test, config.searches), []
    for width in config.widths:
        start = time.perf_counter()
        translation.translated(model, test, folder.data, rows, width=width, alpha=config.alpha)
        seconds.append(f"{width}: {1e3 * (time.perf_counter() - start) / len(rows):.1f} ms")
    note = f"time of a sentence by width of the beam, {', '.join(seconds)}"
    measured = by_width(model, config, folder.data, test)
    return measured_again(folder, config, measured, test.used, PUBLISHED, note)


def predict(folder: RunFolder, source: str) -> Prediction:
    """The translation of a sentence by the widest beam; `extra` has that of each."""
    config, about = Config(**folder.config), folder.data
    model, target = translation.trained(folder, BUILD, config), translation.coder(about, "target")
    said = {}
    for width in config.widths:
        score, tokens = translation.best_of(model, about, source, width=width, alpha=config.alpha)[0]
        said[f"beam of {width}"] = f"{target.decode(tokens)} ({score:.3f})"
    return Prediction(input=source[:200], label=target.decode(tokens), extra=said)


def draw(folder: RunFolder) -> list[Path]:
    """BLEU and score against cost, a point for each width."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    best = max(result.history, key=lambda record: record["test_bleu"])
    cost = [best[f"beam_{width}_cost"] for width in config.widths]
    charts = [
        Panel(
            series={title: (cost, [best[f"beam_{width}_{name}"] for width in config.widths])},
            title=title,
            xlabel="rows through the decoder, a sentence",
            logx=True,
            names=False,
            verticals={str(width): at for width, at in zip(config.widths, cost, strict=True)},
        )
        for name, title in (("bleu", "BLEU by width of the beam"), ("score", "Score of what was found"))
    ]
    return [panels(folder.path / "beams.png", charts)]
