"""What the recipes of networks on trees share: settings, data, learning, numbers, what is said of a sentence."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, metrics, models
from fathom.data import trees, word_vectors
from fathom.data.tree_batches import TreeBatches
from fathom.data.vocabulary import Vocab
from fathom.errors import DataError, InputError
from fathom.layers import namespace
from fathom.ops.trees import roots
from fathom.plot.panels import Panel, panels
from fathom.plot.trees import Drawn, draw_trees
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, experiment, load_model
from fathom.train.experiment import Examples, Task, measured_again

NEUTRAL = 2
MEASURED = 200  # trees that are measured at once
DRAWN = 2
LONGEST = 14  # words of a sentence that is drawn
WORDS = re.compile(r"\w+(?=n't)|n't|'\w+|[\w-]+|\.\.\.|[^\w\s]")  # as the Penn Treebank cuts them, nearly
LABEL = ("(2 ", "(2 {})")  # for brackets without labels: a bracket, a word
GIVEN = "as in the brackets"
TELLING = ("not", "n't", "never", "but", "no")


@dataclass(frozen=True, kw_only=True)
class TreeConfig(TrainConfig):
    """Settings of a network on trees: batches of 25, AdaGrad at 0.05.

    Args:
        hidden_size: numbers of a node.
        dropout: probability with which each of them is left out when it is read.
        decay: weight decay, the λ in `λ/2 ||w||²`, of all weights but the words'.
        vectors: begin with GloVe's vectors of words where these are at hand; the result says whether they were.
        word_rate: by what the learning rate of the words' vectors is multiplied.
    """

    hidden_size: int = 150
    dropout: float = 0.0
    decay: float = 0.0001
    vectors: bool = True
    word_rate: float = 1.0
    epochs: int = 12
    batch_size: int = 25
    lr: float = 0.05
    optimizer: str = "adagrad"
    data: str = "sst-trees"

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("hidden_size", at_least=1)
        self._check("decay", at_least=0)
        self._check("word_rate", at_least=0)
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout: expected a probability 0 <= p < 1, got {self.dropout}")
        self.keep(["accumulate"], "a tree can't be cut into parts")
        self.keep(["compile"], "each forest has a shape of its own")

    @property
    def rates(self) -> dict[str, float]:
        """By layer, what its learning rate is multiplied by."""
        return {"embedding": self.word_rate}


def load(config: Any, split: str, **wishes: Any) -> data.Dataset:
    """One split of the settings' trees.

    Raises:
        InputError: those are no trees.
    """
    wish = "true" if getattr(config, "vectors", False) else "false"
    found = data.load(config.data, split, vectors=wish, **wishes)
    if found.about.get("kind") != "trees":
        raise InputError(f"{config.data}: expected trees, got {found.about.get('kind')}; give sst-trees or trees:FILE")
    return found


def check_same_words(about: Mapping[str, Any], examples: data.Dataset) -> None:
    """DataError if the words of these trees are not those of the run whose `data.json` holds `about`."""
    if examples.about["vocab"] != about["vocab"]:
        raise DataError(
            f"expected the trees that the run has learnt, with its {len(about['vocab']):,} words, got "
            f"{examples.used.name} with {len(examples.about['vocab']):,}; set FATHOM_DATA to the folder they are in"
        )


def batches(examples: Examples, config: Any, device: torch.device, training: bool = True) -> TreeBatches:
    """Forests to learn from, or to measure on; the tables of nodes that stand side by side go along."""
    spans, nodes, labels = (examples.tensors[name] for name in ("x", "nodes", "labels"))
    if training:
        return TreeBatches(
            spans,
            nodes,
            labels,
            batch_size=config.batch_size,
            shuffle=True,
            seed=config.seed,
            device=device,
            limit=config.limit,
        )
    count = min(len(spans), config.limit * config.batch_size) if config.limit else len(spans)
    return TreeBatches(spans[:count], nodes, labels, batch_size=MEASURED, device=device)


def begin(model: Any, about: Mapping[str, Any]) -> None:
    """Give the words their first vectors: GloVe's where the data has them, else small random numbers.

    A word that no training tree has begins as the mean of all.
    """
    table = model.embedding.weight
    nn.init.uniform_(table, -0.05, 0.05)  # Tai et al. 2015, for words without a vector
    found = word_vectors.look_up(list(about["vocab"])) if about["vectors"] else None
    with torch.no_grad():
        if found is not None:
            vectors, there = found
            table[there] = vectors[there]
        table[0] = table[1:].mean(0)


# --- numbers --------------------------------------------------------------------------------------------------------


def scores(model: nn.Module, examples: Examples, config: Any, prefix: str) -> dict[str, float]:
    """Loss in nats a node, accuracy of all nodes, of roots, and between good and bad of roots that are not neutral."""
    device = next(model.parameters()).device
    totals: dict[str, float] = dict.fromkeys(("nodes", "loss", "right", "roots", "root", "sided", "side"), 0.0)
    for logits, forest, labels in answers(model, batches(examples, config, device, training=False)):
        last = roots(forest)
        right, root = logits.argmax(1) == labels, labels[last]
        sided = root != NEUTRAL
        totals["nodes"] += len(labels)
        totals["loss"] += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
        totals["right"] += int(right.sum())
        totals["roots"] += len(last)
        totals["root"] += int(right[last].sum())
        totals["sided"] += int(sided.sum())
        totals["side"] += int((positive(logits[last]) == (root > NEUTRAL))[sided].sum())
    return {
        f"{prefix}loss": totals["loss"] / totals["nodes"],
        f"{prefix}node_accuracy": totals["right"] / totals["nodes"],
        f"{prefix}root_accuracy": totals["root"] / totals["roots"],
        f"{prefix}root_binary_accuracy": totals["side"] / max(totals["sided"], 1),
    }


def positive(logits: Tensor) -> Tensor:
    """Whether the two positive classes together are likelier than the two negative ones, `(nodes,)` of bool."""
    share = logits.softmax(dim=1)
    return share[:, NEUTRAL + 1 :].sum(1) > share[:, :NEUTRAL].sum(1)


def answers(model: nn.Module, forests: TreeBatches) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Logits, forest and labels of each batch, the model in evaluation mode; its mode is put back after."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for forest, labels in forests:
                yield model(forest), forest, labels
    finally:
        model.train(was_training)


# --- the recipe -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TreeRecipe:
    """What the module of such a recipe offers: `run`, `measure`, `predict` and `draw`.

    Args:
        recipe: its name.
        model: the class of its network.
        config: the class of its settings.
        published: the source's figures.
        words_as_nodes: whether a word has as many numbers as a node.
    """

    recipe: str
    model: Callable[..., nn.Module]
    config: type[TreeConfig]
    published: Sequence[Mapping[str, Any]]
    words_as_nodes: bool

    def build(
        self, config: TreeConfig, about: Mapping[str, Any], start: Callable[[nn.Module], object] | None = None
    ) -> nn.Module:
        """A fresh network; `start` redraws its weights in place.

        Raises:
            InputError: a word has as many numbers as a node, and its vector has another number.
        """
        if self.words_as_nodes and about["vectors"] and config.hidden_size != word_vectors.SIZE:
            raise InputError(
                f"--hidden-size: expected {word_vectors.SIZE}, as many as GloVe's vectors have, got "
                f"{config.hidden_size}; or give --no-vectors"
            )
        sizes = {} if self.words_as_nodes else {"embedding_size": word_vectors.SIZE}
        network: nn.Module = models.on_rung(
            self.model,
            config.rung,
            initialise=start,
            vocab_size=len(about["vocab"]),
            num_classes=len(about["classes"]),
            hidden_size=config.hidden_size,
            dropout=config.dropout,
            **sizes,
        )
        return network

    def run(self, config: TreeConfig, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
        """Train on all nodes; what is reported is of the epoch that was best on the roots of the trees to choose by."""
        train, dev, test = load(config, "train"), load(config, "test", part="dev"), load(config, "test")
        loss = namespace(config.rung).CrossEntropyLoss()
        task = Task(
            build=lambda: self.build(config, train.about, lambda model: begin(model, train.about)),
            loss=loss,
            measures={"accuracy": metrics.accuracy},
            monitor="dev_root_accuracy",
            maximise=True,
            decay=config.decay,
            groups=lambda model: grouped(model, config),
            batches=lambda examples, training, device: batches(examples, config, device, training),
            inspect=lambda model: {
                **scores(model, test, config, "test_"),
                **scores(model, dev, config, "dev_"),
            },
        )
        return experiment(
            self.recipe,
            config,
            task,
            train,
            None,
            published=self.published,
            folder=folder,
            listeners=listeners,
            amend=lambda result: of_the_best(result, train.about["vectors"]),
        )

    def measure(self, folder: RunFolder) -> Result:
        """Measure the best model of a run again."""
        config = self.config(**folder.config)
        test, dev = load(config, "test"), load(config, "test", part="dev")
        check_same_words(folder.data, test)
        model = self.trained(folder)
        measured = {**scores(model, test, config, "test_"), **scores(model, dev, config, "dev_")}
        return measured_again(
            folder, config, measured, test.used, self.published, "the checkpoint of the epoch best on the dev_ trees"
        )

    def trained(self, folder: RunFolder) -> nn.Module:
        """The run's network at its best epoch."""
        return load_model(folder, lambda: self.build(self.config(**folder.config), folder.data))

    def predict(self, folder: RunFolder, source: str | Path) -> Prediction:
        """What is said of a sentence and of each part of it; `extra` has which tree was read, see `nodes_of`."""
        nodes, tree = nodes_of(str(source))
        found = said(self.trained(folder), folder.data, str(source), nodes, encoded(nodes, folder.data))
        strangers = sorted({node.word for node in nodes} - {"", *folder.data["vocab"]})
        unknown = {"unknown words": ", ".join(strangers)} if strangers else {}
        return replace(found, extra={"tree": tree, **found.extra, **unknown})

    def draw(self, folder: RunFolder) -> list[Path]:
        """Accuracy by epoch, and some sentences held out as trees in the colours of what is said of each node."""
        result = folder.result
        if result is None:
            return []
        epochs = [record["epoch"] for record in result.history]
        titles = {"train_accuracy": "nodes, training", "test_node_accuracy": "nodes, test"} | {
            f"{part}_root_accuracy": f"roots, {part}" for part in ("dev", "test")
        }
        chart = Panel(
            series={title: (epochs, [record[name] for record in result.history]) for name, title in titles.items()},
            title="Share of right labels",
            xlabel="epoch",
            whole=True,
        )
        drawn = panels(folder.path / "accuracy.png", [chart])
        model, test = self.trained(folder), load(self.config(**folder.config), "test")
        vocab = Vocab(folder.data["vocab"])
        sentences = [
            read_tree(model, test.tensors["nodes"][rows], test.tensors["labels"][rows], vocab)
            for rows in telling(test, vocab)
        ]
        return [drawn, draw_trees(folder.path / "trees.png", sentences, folder.data["classes"])]


def grouped(model: Any, config: TreeConfig) -> list[dict[str, Any]]:
    """The layers with a rate of their own by themselves; the words' vectors without decay: most are in no batch."""
    rates = config.rates
    groups: list[dict[str, Any]] = [
        {"params": [weight for name, weight in model.named_parameters() if name.split(".")[0] not in rates]}
    ]
    for name, rate in rates.items():
        decay = {"weight_decay": 0.0} if name == "embedding" else {}
        groups.append({"params": list(getattr(model, name).parameters()), "lr": config.lr * rate, **decay})
    return groups


def of_the_best(result: Result, vectors: bool) -> Result:
    """The result with the numbers of the epoch that was best on the trees to choose by, and what it began with."""
    best = max(result.history, key=lambda record: (record["dev_root_accuracy"], -record["epoch"]))
    numbers = {name: value for name, value in best.items() if name != "epoch"}
    metrics_ = {**numbers, "best_epoch": best["epoch"], "best_dev_root_accuracy": best["dev_root_accuracy"]}
    notes = (beginning(vectors), f"figures are of epoch {best['epoch']}, the best on the dev_ trees")
    return replace(result, metrics=metrics_, notes=(*result.notes, *notes))


def beginning(vectors: bool) -> str:
    """A note on what the words began with."""
    return f"the words began with {'GloVe vectors of 50 numbers' if vectors else 'random vectors'}"


# --- what is said of a sentence -------------------------------------------------------------------------------------


def nodes_of(source: str) -> tuple[list[trees.Node], str]:
    """The nodes of a sentence, and in words what tree that is.

    Args:
        source: brackets with a label in each, brackets without any, or plain words, of which a right-branching tree is
            made.

    Raises:
        InputError: there is no word, or the brackets are no binary tree.
    """
    if not source.lstrip().startswith("("):
        words = WORDS.findall(source)
        if not words:
            raise InputError("expected a sentence, got none; write plain words or ((not good) .)")
        return trees.over(words, "right"), "right-branching, since there are no brackets"
    labelled = re.match(r"\s*\(\s*\d\s", source)
    text = source if labelled else re.sub(r"\(|[^\s()]+", lambda word: LABEL[word[0] != "("].format(word[0]), source)
    try:
        return trees.parse(text), GIVEN
    except ValueError as error:
        raise InputError(
            f"{source[:80]!r}: {error}; write plain words, ((not good) .) or (1 (1 (2 not) (3 good)) (2 .))"
        ) from None


def encoded(nodes: Sequence[trees.Node], about: Mapping[str, Any]) -> Tensor:
    """A sentence's forest `(nodes, 4)` in the numbers of a run's words."""
    numbers = Vocab(about["vocab"]).encode(node.word for node in nodes)
    return torch.tensor([(number, *node[1:4]) for number, node in zip(numbers, nodes, strict=True)])


def said(
    model: nn.Module, about: Mapping[str, Any], source: str, nodes: Sequence[trees.Node], forest: Tensor
) -> Prediction:
    """The sentiment of a sentence; `extra` has that of each of its parts, in brackets.

    Args:
        about: of the run.
        source: what the user wrote.
        nodes: of any tree over its words.
        forest: the tree to read, over the same.
    """
    tree = read_tree(model, forest, forest.new_tensor([]), Vocab(about["vocab"]))
    with torch.inference_mode():
        shares = model(forest).softmax(dim=1)[-1]
    order = shares.argsort(descending=True, stable=True).tolist()
    words = iter(node.word for node in nodes if node.word)
    labelled = [
        trees.Node("" if height else next(words), left, right, height, label)
        for (_, left, right, height), label in zip(forest.tolist(), tree.said, strict=True)
    ]
    return Prediction(
        input=source[:200],
        label=about["classes"][order[0]],
        probabilities={about["classes"][number]: float(shares[number]) for number in order},
        extra={"nodes": trees.written(labelled)},
    )


# --- pictures -------------------------------------------------------------------------------------------------------


def read_tree(model: nn.Module, forest: Tensor, labels: Tensor, vocab: Vocab) -> Drawn:
    """A tree with what the model says of its nodes, to be drawn.

    Args:
        forest: `(nodes, 4)`.
        labels: of the last nodes, as many as are known.
    """
    with torch.inference_mode():
        guesses = model(forest).argmax(1).tolist()
    words = ["" if height else vocab.tokens[number] for number, _, _, height in forest.tolist()]
    known = [None] * (len(words) - len(labels)) + labels.tolist()
    return Drawn(words, forest[:, 1:3].tolist(), guesses, known)


def telling(examples: data.Dataset, vocab: Vocab) -> list[slice]:
    """The rows of the two sentences, of those short enough to draw, with most negations and contrasts; longer first."""
    words = {vocab.numbers[word] for word in TELLING if word in vocab}
    ranked = []
    for first, count in examples.tensors["x"].tolist():
        leaves = set(examples.tensors["nodes"][first : first + count, 0].tolist())
        ranked.append((count < 2 * LONGEST, len(words & leaves), count if count < 2 * LONGEST else -count, -first))
    return [slice(-first, abs(count) - first) for _, _, count, first in sorted(ranked, reverse=True)[:DRAWN]]
