"""Gated recurrent units that write The Time Machine on, letter by letter."""

from dataclasses import dataclass

from fathom.recipes.common.language import LanguageConfig
from fathom.recipes.common.language_model import LanguageModel

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


@dataclass(frozen=True, kw_only=True)
class Config(LanguageConfig):
    """The book's settings: 256 gated units, 500 epochs over 10,000 characters."""

    data: str = DATA


RECIPE = LanguageModel(recipe="char-gru", cell="gru", config=Config, published=PUBLISHED, gates=True)
run, measure, predict, score, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.score, RECIPE.draw
