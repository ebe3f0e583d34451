"""The paper's base Transformer translates news from English to German, or with other data to French."""

from dataclasses import dataclass

from fathom.recipes.common.transformer import TransformerConfig, build
from fathom.recipes.common.translator import Translator

SECTION = "Vaswani et al. 2017, sections 5 and 6"
DATA = "wmt14-en-de,unit=subword,vocab=37000,shared=true,clean=plain,steps=256"
PUBLISHED = [
    {
        "metric": "test_bleu",
        "value": 27.3,
        "split": "newstest2014, English to German",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 2",
        "note": "beam 4, α 0.6 (fathom eval gives both), of tokenised text; 38.1 to French; 12 hours on 8 P100",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TransformerConfig):
    """The paper's: 100,000 updates, some 20 epochs of batches of 25,000 tokens; the last five checkpoints averaged.

    The rate's peak is (d_model · warmup)^-½. Checkpoints were written every ten minutes, which is 1.4 % of the time.
    """

    d_model: int = 512
    num_heads: int = 8
    num_layers: int = 6
    d_ff: int = 2048
    label_smoothing: float = 0.1
    batch_tokens: int = 25_000
    epochs: int = 20
    lr: float = (512 * 4000) ** -0.5
    warmup: int = 4000
    average: str = "swa,start=0.93,every=0.014"
    data: str = DATA


RECIPE = Translator(recipe="transformer-base", build=build, config=Config, published=PUBLISHED)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
