"""Stories and a question about where something is, generated: the answer takes one, two or three sentences together.

A person goes to places, a container is with a person, a thing is put into a container; the last word on each counts,
and sentences come in any order. Where a person is stands in one sentence; where a container is, in two; where a thing
is, in three: `the coin was put into the box`, `zoe picked up the box`, `zoe went to the harbour`.

An example is `(sentences + 1, words)` of int, the question in its last row, and the word to answer with; 0 fills up.

Source: the idea of questions by the number of supporting facts is that of Weston et al. 2015, arXiv 1502.05698, tasks
1 to 3; the words, the grammar and the order-free chains are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathom.data.dataset import Card, Dataset
from fathom.data.options import integer
from fathom.errors import InputError
from fathom.records import DataUsed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

PERSONS = ("zoe", "omar", "lena", "tariq")
PLACES = ("harbour", "attic", "orchard", "library", "station", "bakery")
CONTAINERS = ("box", "basket", "satchel", "bucket")
THINGS = ("coin", "letter", "compass", "whistle")
SUBJECTS = PERSONS + CONTAINERS + THINGS
FILLING = "<none>"
VOCAB = (FILLING, *("where", "is", "the", "went", "to", "picked", "up", "was", "put", "into"), *SUBJECTS, *PLACES)
WORDS = 7  # in the longest sentence
FACTS = 3  # sentences that the hardest question takes
LENGTH, MOST = len(SUBJECTS), 2 * len(SUBJECTS)  # sentences in a story

STORIES = Card(
    name="stories",
    title="Stories, and where something is by the end",
    example="sentences and a question, and one word",
    splits={"train": 10_000, "test": 1_000},
    licence="generated; Apache-2.0 as this package",
    classes=VOCAB,
)
CARDS = (STORIES,)
OPTIONS = {
    "sentences": integer(len(SUBJECTS)),  # in a story
    "examples": integer(1),
    "seed": integer(0),
}


def sentence(subject: str, other: str) -> str:
    """What is told of a person, container or thing, `other` being a place, person or container."""
    if subject in PERSONS:
        return f"{subject} went to the {other}"
    if subject in CONTAINERS:
        return f"{other} picked up the {subject}"
    return f"the {subject} was put into the {other}"


def question(subject: str) -> str:
    """Where it is."""
    return f"where is {subject}" if subject in PERSONS else f"where is the {subject}"


def numbers(text: str) -> list[int]:
    """The words of one sentence by number, filled up to `WORDS`.

    Raises:
        InputError: there is no word, too many, or one that no story has.
    """
    words = text.lower().split()
    strangers = [word for word in words if word not in VOCAB[1:]]
    if strangers:
        raise InputError(f"{text!r}: expected words of the stories, got {strangers[0]!r}; they are {listed()}")
    if not 0 < len(words) <= WORDS:
        raise InputError(f"{text!r}: expected a sentence of 1 to {WORDS} words, got {len(words)}; shorten it")
    return [VOCAB.index(word) for word in words] + [0] * (WORDS - len(words))


def listed() -> str:
    """All words, for a message."""
    return ", ".join(VOCAB[1:])


def read(card: Card, split: str, options: dict[str, Any]) -> Dataset:
    """One split: `x` `(examples, sentences + 1, 7)` and `y` `(examples,)`.

    Besides there are `facts` `(examples,)`, how many sentences the answer takes, and `support` `(examples, 3)`, at
    which places they stand, first that on what is asked; -1 where no more are needed.

    Raises:
        InputError: more sentences than two on each subject.
    """
    from fathom import seeding

    count, length = options.get("examples", card.splits[split]), options.get("sentences", LENGTH)
    if length > MOST:
        raise InputError(f"{card.name}: sentences: expected at most {MOST}, two on each subject, got {length}")
    random = seeding.generator(options.get("seed", 0), list(card.splits).index(split), length)
    tensors = drawn(random, count, length)
    used = DataUsed(name=card.name, origin="generated", sizes={split: count})
    about = {"kind": "stories", "classes": list(card.classes), "sentences": length, "words": WORDS}
    return Dataset(card, split, tensors, used, about)


def drawn(random: torch.Generator, count: int, length: int) -> dict[str, Tensor]:
    """The tensors of `read`."""
    import torch

    subjects = len(SUBJECTS)
    again = torch.rand(count, subjects, generator=random).argsort(dim=1)[:, : length - subjects]
    told = torch.cat([torch.arange(subjects).expand(count, subjects), again], dim=1)
    told = told.gather(1, torch.rand(count, length, generator=random).argsort(dim=1))
    kinds = torch.tensor([0] * len(PERSONS) + [1] * len(CONTAINERS) + [2] * len(THINGS))
    sizes = torch.tensor([len(PLACES), len(PERSONS), len(CONTAINERS)])
    others = (torch.rand(count, length, generator=random) * sizes[kinds[told]]).long()
    facts = torch.randint(1, FACTS + 1, (count,), generator=random)
    asked = (facts - 1) * len(PERSONS) + torch.randint(len(PERSONS), (count,), generator=random)
    place, support = followed(told, others, facts, asked)
    story = _sentences()[told, others]
    x = torch.cat([story, _questions()[asked][:, None]], dim=1)
    return {"x": x, "y": place + VOCAB.index(PLACES[0]), "facts": facts, "support": support}


def followed(told: Tensor, others: Tensor, facts: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
    """The number of the place in which the chain from what is asked ends, `(examples,)`, and its sentences' places."""
    import torch

    steps, rows = torch.arange(told.shape[1]), torch.arange(len(told))
    last = torch.stack([(steps * (told == subject)).amax(dim=1) for subject in range(len(SUBJECTS))], dim=1)
    support = torch.full((len(told), FACTS), -1)
    here, other = asked, asked
    for fact in range(FACTS):
        more = fact < facts
        support[:, fact] = torch.where(more, last[rows, here], support[:, fact])
        other = torch.where(more, others[rows, last[rows, here]], other)
        beneath = (facts - fact - 2) * len(PERSONS) + other  # the subject that the next sentence is about
        here = torch.where(fact + 1 < facts, beneath, here)
    return other, support


def _sentences() -> Tensor:
    """`(subjects, others, words)`: every sentence that there is; 0 where a kind has fewer others."""
    import torch

    among = dict.fromkeys(PERSONS, PLACES) | dict.fromkeys(CONTAINERS, PERSONS) | dict.fromkeys(THINGS, CONTAINERS)
    table = torch.zeros(len(SUBJECTS), len(PLACES), WORDS, dtype=torch.int64)
    for row, subject in enumerate(SUBJECTS):
        for column, other in enumerate(among[subject]):
            table[row, column] = torch.tensor(numbers(sentence(subject, other)))
    return table


def _questions() -> Tensor:
    import torch

    return torch.tensor([numbers(question(subject)) for subject in SUBJECTS])
