"""A decoder that looks at all of the encoder's states translates from English to French, and shows where it looked."""

from dataclasses import dataclass

from fathom.recipes.common.translation import RecurrentConfig, recurrent
from fathom.recipes.common.translator import Translator

SECTION = "d2l-zh 10.4"
DATA = "eng-fra,pairs=600,steps=10,test=0"
PUBLISHED = [
    {
        "metric": "train_loss",
        "value": 0.2,
        "split": "the 600 training pairs",
        "source": "d2l-zh 10.4, printed",
        "note": "printed as 0.020: the losses of a sentence are divided by its 10 places, then by its tokens again",
    },
    {
        "metric": "sentences_bleu",
        "value": 0.9145,
        "split": "four sentences of the training pairs",
        "source": "d2l-zh 10.4, printed",
        "note": "the mean of 1.000, 1.000, 0.658 and 1.000",
    },
]


@dataclass(frozen=True, kw_only=True)
class Config(RecurrentConfig):
    """The book's settings, those of its net without attention."""

    data: str = DATA


RECIPE = Translator(recipe="bahdanau", build=recurrent("bahdanau"), config=Config, published=PUBLISHED)
run, measure, predict, draw = RECIPE.run, RECIPE.measure, RECIPE.predict, RECIPE.draw
