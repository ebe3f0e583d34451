"""A Transformer learns to translate numbers from English words to French ones, without a mistake."""

from dataclasses import dataclass

from fathom.recipes.common.transformer import TransformerConfig, build
from fathom.recipes.common.translator import Translator

SECTION = "d2l-zh 10.7; Vaswani et al. 2017"
DATA = "number-words"
PUBLISHED = [
    {
        "metric": "test_exact",
        "value": None,
        "split": "held-out numbers",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, for the net",
        "note": "no figure of these numbers is published; the translations are certain, so that 1 can be reached",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TransformerConfig):
    """Two blocks of 128 features, normalised first, on 9,890 numbers; 1,110 are held out."""

    norm_first: bool = True
    epochs: int = 12
    lr: float = 0.002
    warmup: int = 200
    schedule: str = "cosine"
    translations: int = 0
    data: str = DATA


RECIPE = Translator(recipe="transformer-numbers", build=build, config=Config, published=PUBLISHED)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
