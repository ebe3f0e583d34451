"""A Transformer parses: it translates a sentence into its tree, written as a sequence of brackets.

`test_f1` is of held-out brackets with their labels, `test_bracket_f1` without; `right_branching_f1` is what trees
reach, without labels, in which each word joins all that follow. `test_exact` is the share of trees without a mistake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fathom import data
from fathom.data import pairs
from fathom.data.pairs import PairDataset
from fathom.data.trees import Node
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import translation
from fathom.recipes.common.attended import Looks
from fathom.recipes.common.linear_trees import bracket_f1, brackets, linear, nameless, right_branching, with_words
from fathom.recipes.common.transformer import TransformerConfig, build
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, experiment
from fathom.train.experiment import Task, measured_again

SECTION = "Vaswani et al. 2017, section 6.3"
DATA = "sst-trees"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_f1",
        "value": 0.913,
        "split": "section 23 of the Wall Street Journal",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 4, trained on its 40,000 sentences alone",
        "note": "another treebank, with the names of constituents; 4 layers of 1,024 features, a beam of 21",
    },
]
OPTIONS = {"unit": "space", "clean": "plain", "min_count": 2}  # of the pairs that trees are made into


@dataclass(frozen=True, kw_only=True)
class Config(TransformerConfig):
    """Three blocks of 128 features on either side, normalised first; 30 epochs of the treebank's 8,544 sentences."""

    num_layers: int = 3
    norm_first: bool = True
    dropout: float = 0.2
    epochs: int = 30
    lr: float = 1e-3
    warmup: int = 400
    schedule: str = "cosine"
    clip: float = 1.0
    translations: int = 300
    data: str = DATA


# --- data -----------------------------------------------------------------------------------------------------------


def load_splits(config: Config) -> tuple[PairDataset, PairDataset]:
    """Sentences and their trees as pairs, to learn from and held out.

    Raises:
        InputError: the data are no trees.
    """
    found = [data.load(config.data, split) for split in ("train", "test")]
    if found[0].about.get("kind") != "trees":
        raise InputError(
            f"{config.data}: expected trees, got {found[0].about.get('kind')}; give sst-trees or trees:FILE"
        )
    texts = [written(split) for split in found]
    whole = tuple(first + second for first, second in zip(*texts, strict=True))
    sizes = [len(sources) for sources, _ in texts]
    made = [
        pairs.dataset(
            split.card,
            split.split,
            lambda: (whole[0], whole[1]),
            split.used,
            OPTIONS,
            held=sizes[1],
            key=f"trees {config.data} {sizes}",
        )
        for split in found
    ]
    return translation.sided(made[0]), made[1]


def written(split: data.Dataset) -> tuple[list[str], list[str]]:
    """The sentences of a treebank, and its trees as sequences."""
    words, labels = split.about["vocab"], split.tensors["labels"].tolist()
    rows = [
        Node("" if height else "_".join(words[word].split()), left, right, height, label)
        for (word, left, right, height), label in zip(split.tensors["nodes"].tolist(), labels, strict=True)
    ]
    trees = [rows[first : first + count] for first, count in split.tensors["x"].tolist()]
    return [" ".join(node.word for node in tree if node.word) for tree in trees], [linear(tree) for tree in trees]


# --- what is learnt -------------------------------------------------------------------------------------------------


def points(model: Any, config: Config, about: Mapping[str, Any], test: PairDataset) -> dict[str, float]:
    """F1 of brackets with and without labels, and the share of whole trees that are right, of held-out sentences."""
    rows = translation.spaced(test, config.translations)
    said = [text.split() for text, _ in translation.translated(model, test, about, rows)]
    true = [test.target_texts[row].split() for row in rows.tolist()]
    guessed, right = [brackets(tokens) for tokens in said], [brackets(tokens) for tokens in true]
    branching = [right_branching(test.source_texts[row].split()) for row in rows.tolist()]
    bare = [nameless(tree) for tree in right]
    return {
        "test_f1": bracket_f1(guessed, right),
        "test_bracket_f1": bracket_f1(map(nameless, guessed), bare),
        "right_branching_f1": bracket_f1(branching, bare),
        "test_exact": sum(ours == theirs for ours, theirs in zip(said, true, strict=True)) / len(true),
    }


def task(config: Config, train: PairDataset, test: PairDataset) -> Task:
    """Translation into trees; the F1 of held-out brackets chooses the best epoch."""
    usual = translation.task(build, config, train, test)
    return replace(usual, monitor="test_f1", inspect=lambda model: points(model, config, train.about, test))


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train on sentences and their trees, and parse held-out ones after each epoch, greedily."""
    train, test = load_splits(config)
    what = task(config, train, test)
    return experiment(
        "transformer-parse", config, what, train, test, published=PUBLISHED, folder=folder, listeners=listeners
    )


def measure(folder: RunFolder) -> Result:
    """Parse the held-out sentences again by the net of the best epoch."""
    config = Config(**folder.config)
    train, test = load_splits(config)
    translation.check_same_tokens(folder.data, train)
    measured = points(translation.trained(folder, build, config), config, folder.data, test)
    note = "the checkpoint of the best epoch, searched greedily"
    return measured_again(folder, config, measured, test.used, PUBLISHED, note)


def predict(folder: RunFolder, source: str) -> Prediction:
    """The tree of a sentence, with its words; where the net wrote no tree over so many words, what it wrote."""
    model = translation.trained(folder, build, Config(**folder.config))
    score, tokens = translation.best_of(model, folder.data, source)[0]
    said = translation.coder(folder.data, "target").strings(tokens)
    words = translation.coder(folder.data, "source").tokens(source)
    return Prediction(input=source[:200], label=with_words(said, words), extra={"score": score})


def attention(folder: RunFolder, source: str) -> list[Looks]:
    """Where each head of each layer looks as a sentence is parsed."""
    model = translation.trained(folder, build, Config(**folder.config))
    return translation.looks(model, folder.data, source, translation.best_of(model, folder.data, source)[0][1])


def draw(folder: RunFolder) -> list[Path]:
    """F1 of brackets by epoch beside that of right-branching trees; the loss on both parts of the treebank."""
    if folder.result is None:
        return []
    history = folder.result.history
    epochs = [record["epoch"] for record in history]
    titles = {
        "test_f1": "F1 with labels",
        "test_bracket_f1": "F1 without labels",
        "right_branching_f1": "F1, right-branching",
        "test_exact": "whole trees right",
    }
    losses = {"train_loss": "training trees", "test_loss": "held-out trees"}
    charts = [
        Panel(
            series={title: (epochs, [record[name] for record in history]) for name, title in named.items()},
            title=heading,
            xlabel="epoch",
            whole=True,
        )
        for named, heading in ((titles, "Held-out brackets and trees"), (losses, "Loss under a teacher, nats a token"))
    ]
    return [panels(folder.path / "parsing.png", charts)]
