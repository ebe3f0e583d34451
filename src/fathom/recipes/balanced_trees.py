"""One network over three trees of the same words: the parse, a balanced tree, a right-branching one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, plot
from fathom.data import word_vectors
from fathom.data.vocabulary import Vocab
from fathom.layers import namespace
from fathom.models import on_rung
from fathom.models.tree_lstm import TreeLSTM
from fathom.ops.trees import HEIGHT, roots, shaped
from fathom.plot.panels import Panel, panels
from fathom.plot.trees import draw_trees
from fathom.recipes.common import contest
from fathom.recipes.common import trees as on_trees
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, load_model
from fathom.train.experiment import conduct, describe, measured_again, prepare

SECTION = "Goodfellow et al. 2016, 10.6; Shi et al. 2018"
DATA = "sst-trees"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_balanced_root_accuracy",
        "value": None,
        "split": "roots of 2,210 test trees, five classes",
        "source": "Shi, Zhou, Chen and Li 2018, On tree-based neural sentence modeling",
        "note": "no figure of this set; where sentences alone have labels, balanced trees do as well as parses",
    },
]
REFERENCE = "parsed"
TITLES = {"parsed": "parse", "balanced": "balanced", "right": "right-branching"}
COLUMNS = 4  # of each table


@dataclass(frozen=True, kw_only=True)
class Config(on_trees.TreeConfig):
    """Tree-LSTMs of 75 units; they learn the labels of words and of whole sentences, which every tree has."""

    hidden_size: int = 75
    dropout: float = 0.5
    epochs: int = 5
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self.keep(contest.UNUSED, contest.WHY_UNUSED)


class Over(nn.Module):
    """A network that reads one of the tables that stand side by side.

    Args:
        network: maps a forest to logits at each node.
        kind: of `TITLES`.
    """

    def __init__(self, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network, self.start = network, COLUMNS * list(TITLES).index(kind)

    def forward(self, tables: Tensor) -> Tensor:
        """Map `(nodes, 12)` of int to logits `(words + trees, classes)`, of the words and then of the roots."""
        forest = tables[:, self.start : self.start + COLUMNS]
        logits: Tensor = self.network(forest)
        return logits[shared(forest)]


def shared(forest: Tensor) -> Tensor:
    """The rows of what all trees over the same words have: the words and, after them, the roots; `(rows,)` of int."""
    return torch.cat([(forest[:, HEIGHT] == 0).nonzero()[:, 0], roots(forest)])


class Shared(contest.Contest):
    """The contest in which the labels of words and roots count, and no others."""

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update each network from tables and labels of all nodes; gives the losses and accuracies before."""
        tables, labels = batch
        return super().__call__((tables, labels[shared(tables[:, :COLUMNS])]))


def load(config: Config, split: str, **wishes: Any) -> data.Dataset:
    """Trees with the two others over the same words beside each, `nodes` `(nodes, 12)`."""
    found = on_trees.load(config, split, **wishes)
    parsed = found.tensors["nodes"]
    tables = [parsed, *(shaped(parsed, kind) for kind in TITLES if kind != REFERENCE)]
    return replace(found, tensors={**found.tensors, "nodes": torch.cat(tables, dim=1)})


def build(config: Config, about: Mapping[str, Any], begin: bool = False) -> nn.ModuleDict:
    """A network for each kind of tree; all `begin` with the words' first vectors and the same other weights."""
    random = torch.get_rng_state()
    networks = nn.ModuleDict()
    for kind in TITLES:
        torch.set_rng_state(random)
        network = on_rung(
            TreeLSTM,
            config.rung,
            initialise=(lambda model: on_trees.begin(model, about)) if begin else None,
            vocab_size=len(about["vocab"]),
            num_classes=len(about["classes"]),
            embedding_size=word_vectors.SIZE,
            hidden_size=config.hidden_size,
            dropout=config.dropout,
        )
        networks[kind] = Over(network, kind)
    return networks


def compare(networks: nn.ModuleDict, examples: data.Dataset, config: Config, prefix: str) -> dict[str, float]:
    """Loss in nats and accuracy of each network at the roots."""
    numbers: dict[str, float] = {}
    device = next(networks.parameters()).device
    for name, network in networks.items():
        loss, right, count = 0.0, 0, 0
        for logits, tables, labels in on_trees.answers(network, on_trees.batches(examples, config, device, False)):
            true = labels[roots(tables)]
            loss += float(nn.functional.cross_entropy(logits[-len(true) :], true, reduction="sum"))
            right += int((logits[-len(true) :].argmax(1) == true).sum())
            count += len(true)
        numbers |= {f"{prefix}{name}_root_loss": loss / count, f"{prefix}{name}_root_accuracy": right / count}
    return numbers


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train the three on the same sentences.

    `chosen_NAME_root_accuracy` is of the epoch that was best on the trees to choose by, for each network its own.
    """
    train, dev, test = load(config, "train"), load(config, "test", part="dev"), load(config, "test")
    device = prepare(config)
    networks = build(config, describe(train), begin=True).to(device)
    groups = {name: on_trees.grouped(network.network, config) for name, network in networks.items()}
    rule = contest.Rule(config.optimizer, config.lr)
    step = Shared(networks, REFERENCE, namespace(config.rung).CrossEntropyLoss(), rule, groups)
    forests: Any = on_trees.batches(train, config, device)
    return conduct(
        "balanced-trees",
        config,
        step,
        forests,
        {"model": networks, "step": step},
        train,
        evaluate=lambda: {**compare(networks, test, config, "test_"), **compare(networks, dev, config, "dev_")},
        monitor="",  # the last state is what is kept
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        amend=lambda result: chosen(result, train.about["vectors"]),
    )


def chosen(result: Result, vectors: bool) -> Result:
    """The result with each network's accuracy at the epoch that was its best on the trees to choose by."""
    numbers = {}
    for name in TITLES:
        best = max(result.history, key=lambda record: (record[f"dev_{name}_root_accuracy"], -record["epoch"]))
        numbers[f"chosen_{name}_root_accuracy"] = best[f"test_{name}_root_accuracy"]
    return replace(result, metrics={**result.metrics, **numbers}, notes=(*result.notes, on_trees.beginning(vectors)))


def trained(folder: RunFolder) -> Any:
    """The networks of a run at its end, by name."""
    return load_model(folder, lambda: build(Config(**folder.config), folder.data), best=False)


def measure(folder: RunFolder) -> Result:
    """Compare a run's networks on the test trees again."""
    config = Config(**folder.config)
    test = load(config, "test")
    on_trees.check_same_words(folder.data, test)
    numbers = compare(trained(folder), test, config, "test_")
    return measured_again(folder, config, numbers, test.used, PUBLISHED, "the last checkpoint")


def predict(folder: RunFolder, source: str) -> Prediction:
    """What is said of a sentence over the balanced tree; `extra` has what each says, the parse's where it is given."""
    networks, about = trained(folder), folder.data
    nodes, tree = on_trees.nodes_of(str(source))
    forest = on_trees.encoded(nodes, about)
    found = {
        kind: on_trees.said(networks[kind].network, about, str(source), nodes, shaped(forest, kind))
        for kind in TITLES
        if kind != REFERENCE
    }
    if tree == on_trees.GIVEN:
        found[REFERENCE] = on_trees.said(networks[REFERENCE].network, about, str(source), nodes, forest)
    extra = {TITLES[kind]: f"{one.label}: {one.extra['nodes']}" for kind, one in found.items()}
    return replace(found["balanced"], extra=extra)


def draw(folder: RunFolder) -> list[Path]:
    """Accuracy by epoch, that of the chosen epochs, and the three trees over one sentence."""
    result = folder.result
    if result is None:
        return []
    chart = Panel(
        series=contest.by_epoch(result, "test_{}_root_accuracy", TITLES),
        title="Sentences told rightly, test",
        xlabel="epoch",
        whole=True,
    )
    bars = {title: result.metrics[f"chosen_{name}_root_accuracy"] for name, title in TITLES.items()}
    networks, test = trained(folder), load(Config(**folder.config), "test")
    vocab = Vocab(folder.data["vocab"])
    rows = on_trees.telling(test, vocab)[0]
    tables, labels = test.tensors["nodes"][rows], test.tensors["labels"][rows]
    drawn = []
    for network in networks.values():
        forest = tables[:, network.start : network.start + COLUMNS]
        drawn.append(on_trees.read_tree(network.network, forest, labels[-1:], vocab))
    return [
        panels(folder.path / "accuracy.png", [chart]),
        plot.bars(folder.path / "chosen.png", bars, title="Sentences told rightly, by the tree they are read along"),
        draw_trees(folder.path / "trees.png", drawn, folder.data["classes"], list(TITLES.values())),
    ]
