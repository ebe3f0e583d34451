"""Texts to model: The Time Machine (shipped whole), tiny Shakespeare, the Penn Treebank, WikiText-2.

One example is a token and the token after it; `text_file` says how a text is cut and split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, RemoteFile
from fathom.data.options import TEXT_OPTIONS

if TYPE_CHECKING:
    from fathom.data.dataset import Dataset

OPTIONS = TEXT_OPTIONS
TIME_MACHINE = Card(
    name="time-machine",
    title="The Time Machine, by H. G. Wells",
    example="a token of the novel, and the token after it",
    splits={"train": 156_084, "test": 17_342},
    licence="public domain (Wells 1895)",
    files=(
        RemoteFile(
            name="timemachine.txt",
            urls=(),
            sha256=("8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516",),
            size=178_979,
        ),
    ),
    task="language modelling",
)
TINY_SHAKESPEARE = Card(
    name="tiny-shakespeare",
    title="Scenes from Shakespeare's plays, as in char-rnn",
    example="a character, and the character after it",
    splits={"train": 1_003_854, "test": 111_538},
    licence="public domain",
    homepage="https://github.com/karpathy/char-rnn",
    files=(
        RemoteFile(
            name="input.txt",
            urls=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
            sha256=(
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                "bed00f18e91cda6838950656f0a95e07e0f4dbe8649a4b959f7602a7e53fbc6e",
            ),
            size=1_115_394,
        ),
    ),
    sample="time-machine",
    task="language modelling",
)
PTB = Card(
    name="ptb",
    title="Penn Treebank, 10,000 words, as Mikolov prepared it",
    example="a word of the Wall Street Journal or <eos>, and the word after it",
    splits={"train": 929_588, "test": 82_429},
    licence="from LDC99T42; the usual research copy, no free licence",
    homepage="https://catalog.ldc.upenn.edu/LDC99T42",
    files=(
        RemoteFile(
            name="ptb.zip",
            urls=("http://d2l-data.s3-accelerate.amazonaws.com/ptb.zip",),
            sha256=("310d8f602882a5716613815ed75596e5764ea84ed04c5630eebaaf2b943ec5aa",),
            size=1_981_551,
        ),
    ),
    sample="time-machine",
    task="language modelling",
)
_WIKITEXT = "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/"
WIKITEXT = Card(
    name="wikitext-2",
    title="WikiText-2: its validation articles to train on, its test articles",
    example="a word of Wikipedia, and the word after it",
    splits={"train": 217_645, "test": 245_568},
    licence="CC BY-SA 3.0",
    homepage="https://arxiv.org/abs/1609.07843",
    files=(
        RemoteFile(
            name="valid.txt",
            urls=(_WIKITEXT + "valid.txt",),
            sha256=(
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                "3ac34ae2b6509075d52302c50a04a8a1970739ffe1a904f2cd374fefbea3cbf2",
            ),
            size=1_121_681,
        ),
        RemoteFile(
            name="test.txt",
            urls=(_WIKITEXT + "test.txt",),
            sha256=(
                "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
                "a2b26b5d2619cc1f6cd34c8e116a451aed09af51479346aadfbf508ceb8b192e",
            ),
            size=1_256_449,
        ),
    ),
    sample="time-machine",
    task="language modelling",
)
CARDS = (TIME_MACHINE, TINY_SHAKESPEARE, PTB, WIKITEXT)
PARTS = {  # what is read of the files, for each split; "" is the only file, whose end is held out
    "ptb": {"train": "ptb/ptb.train.txt", "test": "ptb/ptb.test.txt"},
    "wikitext-2": {"train": "valid.txt", "test": "test.txt"},
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "time-machine": {"letters": "true"},
    "ptb": {"unit": "space"},
    "wikitext-2": {"unit": "space"},
}


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split; see `text_file.language`. A line's end of the treebank and of WikiText becomes the word `<eos>`."""
    from fathom.data import store, text_file

    found = store.locate(card)
    return text_file.corpus(card, split, found, PARTS.get(card.name, {}), {**DEFAULTS.get(card.name, {}), **options})
