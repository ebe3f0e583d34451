"""Networks on trees, level by level against node by node in Python, in float32.

One step is forward and backward over a batch of 25 trees: of the Stanford Sentiment Treebank where it is at hand, else
generated ones, which the title says. `node by node` is `by_node` of the same network: a leaf, a join or a reading for
each node, autograd recording each. `reading` is the forward pass alone, of 200 trees at once.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.harness import Comparison, compare
from fathom import data
from fathom.data.tree_batches import TreeBatches
from fathom.models.rntn import RNTN
from fathom.models.tree_lstm import TreeLSTM
from fathom.models.tree_rnn import TreeRNN

NETWORKS = {"TreeRNN, 30": TreeRNN, "RNTN, 30": RNTN, "Tree-LSTM, 150": TreeLSTM}
TRAINED, READ = 25, 200  # trees


def training(network: nn.Module, forward: Callable[[Tensor], Tensor], forest: Tensor, labels: Tensor) -> Callable:
    def step() -> None:
        network.zero_grad()
        nn.functional.cross_entropy(forward(forest), labels).backward()

    return step


def reading(forward: Callable[[Tensor], Tensor], forest: Tensor) -> Callable:
    def read() -> None:
        with torch.inference_mode():
            forward(forest)

    return read


def run(rounds: int) -> list[Comparison]:
    """Each network both ways, with the same weights."""
    examples = data.load("sst-trees")
    comparisons = []
    for name, model in NETWORKS.items():
        torch.manual_seed(0)
        network = model(len(examples.about["vocab"]), 5)
        network.embedding.requires_grad_(False)  # its gradient costs both the same, and is of no tree
        spans, nodes, labels = (examples.tensors[part] for part in ("x", "nodes", "labels"))
        few, many = (next(iter(TreeBatches(spans, nodes, labels, batch_size=size))) for size in (TRAINED, READ))
        ways = {
            f"{TRAINED} trees, training": [training(network, way, *few) for way in (network, network.by_node)],
            f"{READ} trees, reading": [reading(way, many[0]) for way in (network, network.by_node)],
        }
        for what, (ours, theirs) in ways.items():
            title = f"{name}: {what} ({examples.used.name})"
            comparisons.append(compare(title, ("level by level", ours), {"node by node": theirs}, rounds))
    return comparisons
