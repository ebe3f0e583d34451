"""A small GPT that models the words of the Penn Treebank."""

from dataclasses import dataclass

from fathom.recipes.common.gpt import GPTConfig
from fathom.recipes.common.language_model import LanguageModel

SECTION = "Radford et al. 2018"
DATA = "ptb"
PUBLISHED = [
    {
        "metric": "test_perplexity",
        "value": 114.5,
        "split": "test words",
        "source": "Zaremba et al. 2014, arXiv 1409.2329, table 1, non-regularised",
        "note": "of two layers of LSTM with 200 units, which carry their state over the whole text",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(GPTConfig):
    """4 blocks of 200 units and 4 heads, with dropout, since there are only 930,000 words: 8 epochs of them."""

    hidden_size: int = 200
    dropout: float = 0.3
    epochs: int = 8
    limit: int = 0
    data: str = DATA


RECIPE = LanguageModel(recipe="gpt-words", cell="gpt", config=Config, published=PUBLISHED, wishes={"unit": "space"})
run, measure, predict, score, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.score, RECIPE.draw
