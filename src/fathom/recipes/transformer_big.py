"""The paper's big Transformer translates news from English to German, or with other data to French."""

from dataclasses import dataclass

from fathom.recipes import transformer_base
from fathom.recipes.common.transformer import build
from fathom.recipes.common.translator import Translator

SECTION = "Vaswani et al. 2017, sections 5 and 6"
DATA = "wmt14-en-de,unit=subword,vocab=37000,shared=true,clean=plain,steps=256"
PUBLISHED = [
    {
        "metric": "test_bleu",
        "value": 28.4,
        "split": "newstest2014, English to German",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 2",
        "note": "beam 4, α 0.6 (fathom eval gives both), of tokenised text; 41.8 to French, with dropout 0.1 and "
        "32,000 pieces; 3.5 days on 8 P100",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(transformer_base.Config):
    """The paper's: 300,000 updates, some 60 epochs of batches of 25,000 tokens; the last 20 checkpoints averaged."""

    d_model: int = 1024
    num_heads: int = 16
    d_ff: int = 4096
    dropout: float = 0.3
    epochs: int = 60
    lr: float = (1024 * 4000) ** -0.5
    average: str = "swa,start=0.96,every=0.002"
    data: str = DATA


RECIPE = Translator(recipe="transformer-big", build=build, config=Config, published=PUBLISHED)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
