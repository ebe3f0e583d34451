"""Two layers of long short-term memory that model the words of the Penn Treebank."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fathom.recipes import _language as language
from fathom.recipes._language import LanguageConfig
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "Zaremba, Sutskever and Vinyals 2014, section 4.1"
DATA = "ptb"
PUBLISHED = [
    {
        "metric": "test_perplexity",
        "value": 114.5,
        "split": "test words",
        "source": "Zaremba et al. 2014, arXiv 1409.2329, table 1, non-regularised",
    },
]
CELL = "lstm"


@dataclass(frozen=True, kw_only=True)
class Config(LanguageConfig):
    """The paper's small network: two layers of 200 units, embeddings of 200, 20 steps, batches of 20, 13 epochs."""

    steps: int = 20
    hidden_size: int = 200
    num_layers: int = 2
    embedding_size: int = 200
    epochs: int = 13
    batch_size: int = 20
    lr: float = 1.0
    clip: float = 5.0
    data: str = DATA


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train on the text's beginning and measure on its end after each epoch."""
    return language.run_language(
        "word-lstm", CELL, config, published=PUBLISHED, folder=folder, listeners=listeners, wishes={"unit": "space"}
    )


def measure(folder: RunFolder) -> Result:
    """Measure a run's best model again, with n-grams beside it."""
    return language.measure_language(folder, CELL, Config(**folder.config), PUBLISHED, {"unit": "space"})


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
    """Perplexity by epoch, with that of n-grams beside it."""
    return language.draw_language(folder, Config(**folder.config), {"unit": "space"})
