"""A recurrent encoder and decoder, one vector between them, translate from English to French."""

from dataclasses import dataclass

from fathom.recipes.common.translation import RecurrentConfig, recurrent
from fathom.recipes.common.translator import Translator

SECTION = "d2l-zh 9.5–9.7"
DATA = "eng-fra,pairs=600,steps=10,test=0"  # of which the book takes the first so many, and holds none out
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.19,
        "split": "the 600 training pairs",
        "source": "d2l-zh 9.7, printed",
        "note": "printed as 0.019: the losses of a sentence are divided by its 10 places, then by its tokens again",
    },
    {
        "metric": "sentences_bleu",
        "value": 0.776,
        "split": "four sentences of the training pairs",
        "source": "d2l-zh 9.7, printed",
        "note": "the mean of 1.000, 1.000, 0.658 and 0.447",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(RecurrentConfig):
    """The book's settings."""

    data: str = DATA


RECIPE = Translator(recipe="seq2seq", build=recurrent("seq2seq"), config=Config, published=PUBLISHED)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
