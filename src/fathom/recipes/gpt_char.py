"""A small GPT that models Shakespeare's plays, letter by letter."""

from dataclasses import dataclass

from fathom.recipes.common.gpt import GPTConfig
from fathom.recipes.common.language_model import LanguageModel

SECTION = "Radford et al. 2018"
DATA = "tiny-shakespeare"
PUBLISHED = [
    {
        "metric": "test_loss",
        "value": 1.88,
        "split": "the last tenth of the characters",
        "source": "nanoGPT, README, the setting for a CPU",
        "note": "2,000 updates; about 3 minutes on a laptop",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(GPTConfig):
    """nanoGPT's settings for a processor, of the same size and as many updates; 400 of them are an epoch here."""

    data: str = DATA


RECIPE = LanguageModel(recipe="gpt-char", cell="gpt", config=Config, published=PUBLISHED)
run, measure, predict, score, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.score, RECIPE.draw
