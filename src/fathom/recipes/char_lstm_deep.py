"""Two layers of long short-term memory that write The Time Machine on."""

from dataclasses import dataclass

from fathom.recipes.common.language import LanguageConfig
from fathom.recipes.common.language_model import LanguageModel

SECTION = "d2l-zh 9.3"
DATA = "time-machine,tokens=10000"  # of which the book takes the first so many
PUBLISHED = [
    {
        "metric": "train_perplexity",
        "value": 1.0,
        "split": "the 10,000 training characters",
        "source": "d2l-zh 9.3, printed",
        "note": "what it says of unseen text the book does not tell",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(LanguageConfig):
    """The book's settings: two layers of 256 units, SGD at 2, 500 epochs over 10,000 characters."""

    num_layers: int = 2
    lr: float = 2.0
    data: str = DATA


RECIPE = LanguageModel(recipe="char-lstm-deep", cell="lstm", config=Config, published=PUBLISHED)
run, measure, predict, score, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.score, RECIPE.draw
