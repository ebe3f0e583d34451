"""A Transformer translates from English to French, and shows where it looked."""

from dataclasses import dataclass

from fathom.recipes.common.transformer import TransformerConfig, build
from fathom.recipes.common.translator import Translator

SECTION = "d2l-zh 10.7; Vaswani et al. 2017"
DATA = "eng-fra,pairs=600,steps=10,test=0"
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.3,
        "split": "the 600 training pairs",
        "source": "d2l-zh 10.7, printed",
        "note": "printed as 0.030: the losses of a sentence are divided by its 10 places, then by its tokens again",
    },
    {
        "metric": "sentences_bleu",
        "value": 1.0,
        "split": "four sentences of the training pairs",
        "source": "d2l-zh 10.7, printed",
        "note": "1.000 each",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(TransformerConfig):
    """The book's settings: 2 blocks of 32 features, 4 heads, 64 units, Adam at a constant 0.005 for 200 epochs."""

    d_model: int = 32
    d_ff: int = 64
    epochs: int = 200
    lr: float = 0.005
    clip: float = 1.0
    optimizer: str = "adam"
    schedule: str = "constant"
    data: str = DATA


RECIPE = Translator(recipe="transformer-translate", build=build, config=Config, published=PUBLISHED)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
