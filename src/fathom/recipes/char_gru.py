"""Gated recurrent units that write The Time Machine on, letter by letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fathom.recipes import _language as language
from fathom.recipes._gates import draw_gates
from fathom.recipes._language import LanguageConfig
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "d2l-zh 9.1"
DATA = "time-machine,tokens=10000"  # of which the book takes the first so many
PUBLISHED = [
    {
        "metric": "train_perplexity",
        "value": 1.1,
        "split": "the 10,000 training characters",
        "source": "d2l-zh 9.1, printed",
        "note": "what it says of unseen text the book does not tell",
    },
]
CELL = "gru"


@dataclass(frozen=True, kw_only=True)
class Config(LanguageConfig):
    """The book's settings: 256 gated units, 500 epochs over 10,000 characters."""

    data: str = DATA


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train on the text's beginning and measure on its end after each epoch."""
    return language.run_language("char-gru", CELL, config, published=PUBLISHED, folder=folder, listeners=listeners)


def measure(folder: RunFolder) -> Result:
    """Measure a run's best model again, with n-grams beside it."""
    return language.measure_language(folder, CELL, Config(**folder.config), PUBLISHED)


def predict(
    folder: RunFolder,
    source: str,
    *,
    length: int = 50,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
    state: str = "best",
) -> Prediction:
    """Go on with the text `source`; see `_language.continue_text`."""
    config = Config(**folder.config)
    return language.continue_text(folder, CELL, config, source, length, temperature, top_k, top_p, seed, state)


def score(folder: RunFolder, source: str, *, state: str = "best") -> Prediction:
    """How probable the text `source` is."""
    return language.score_text(folder, CELL, Config(**folder.config), source, state)


def draw(folder: RunFolder) -> list[Path]:
    """Perplexity by epoch, with that of n-grams beside it, and the gates over a sentence."""
    config = Config(**folder.config)
    return [*language.draw_language(folder, config), *draw_gates(folder, CELL, config)]
