"""What there is: every registered dataset by name. Nothing here needs torch."""

from types import ModuleType

from fathom.data import (
    addition_traces,
    airfoil,
    cifar10,
    contests,
    corpora,
    drawn_digits,
    drawn_shapes,
    dynamics,
    eng_fra,
    fashion_mnist,
    feedback,
    imagenet,
    long_lags,
    lookup,
    memory_tasks,
    mnist,
    noisy_curve,
    number_words,
    recall,
    sentiment_grammar,
    series,
    spike_trains,
    stories,
    synthetic,
    treebank,
    wmt14,
)
from fathom.data.dataset import Card, RemoteFile
from fathom.registry import Registry

__all__ = ["CARDS", "KINDS", "Card", "RemoteFile", "card", "kinds", "module", "names"]

KINDS = {
    "images": "images:DIR[,size=28|28x28][,channels=1|3][,test=0.2][,labels=FILE.csv][,skip_bad=true][,seed=0]",
    "contest": "contest:DIR|FILE.zip[,size=28|28x28][,channels=1|3][,test=0.1][,labels=FILE.csv][,skip_bad=true]"
    "[,seed=0]",
    "csv": "csv:FILE,target=COLUMN[,test=0.2][,sep=;][,task=regression|classification][,date=COLUMN+...]"
    "[,drop=COLUMN+...][,seed=0]",
    "text": "text:FILE[,unit=char|word|space][,encoding=utf-8][,letters=true][,min_count=1][,vocab=0][,test=0.1]"
    "[,tokens=0]",
    "series": "series:FILE.csv,column=NAME[,test=0.4][,sep=;]",
    "trees": "trees:FILE[,test=0.1][,part=test|dev][,vectors=true]",
    "pairs": "pairs:FILE[,target=FILE2][,sep=tab][,swap=true][,unit=word|char|subword][,clean=book|plain][,vocab=0]"
    "[,min_count=2][,shared=true][,steps=0][,test=0.1][,pairs=0][,examples=0][,encoding=utf-8]",
}
_MODULES: dict[str, ModuleType] = {}
CARDS: Registry[Card] = Registry("dataset")
for _module in (
    fashion_mnist,
    mnist,
    drawn_digits,
    cifar10,
    drawn_shapes,
    contests,
    imagenet,
    airfoil,
    corpora,
    series,
    dynamics,
    spike_trains,
    recall,
    feedback,
    memory_tasks,
    stories,
    addition_traces,
    long_lags,
    treebank,
    sentiment_grammar,
    eng_fra,
    number_words,
    wmt14,
    synthetic,
    noisy_curve,
    lookup,
):
    for _card in _module.CARDS:
        CARDS.add(_card.name, _card)
        _MODULES[_card.name] = _module


def names() -> list[str]:
    """The names of all registered datasets."""
    return CARDS.names()


def kinds() -> dict[str, str]:
    """The kinds of the user's own data, each with its form."""
    return dict(KINDS)


def card(name: str) -> Card:
    """The card of a registered dataset; UnknownNameError with a suggestion if there is none."""
    return CARDS.get(name)


def module(name: str) -> ModuleType:
    """The module that reads the dataset: it has `OPTIONS` and `read(card, split, options)`."""
    return _MODULES[CARDS.get(name).name]
