"""One step, folded, and all steps, unfolded: what it saves that all share their weights, beside a full table.

`NAME_nats_N` is -ln P of the first N characters of a held-out string, `NAME_parameters` the numbers that are learnt;
`table_…` is of a full table, in which one is added to each count. `gradient_gap` is the distance of the shared weights'
gradient from the sum of those that the steps of the unfolded graph would have.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom import data
from fathom.ops.discrete_sequences import table_parameters
from fathom.plot.panels import Panel, panels
from fathom.plot.unfolded import Edge, Pattern, graphs
from fathom.recipes.common import rivals
from fathom.recipes.common.matched import parameters
from fathom.records import RunFolder

SECTION = "Goodfellow et al. 2016, 10.1 and 10.2.3"
DATA = "time-machine,tokens=40000"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "shared_parameters",
        "value": None,
        "split": "strings of 8 characters",
        "source": "Goodfellow, Bengio and Courville 2016, section 10.2.3",
        "note": "the book counts k^τ - 1 numbers for a table of τ values out of k, and O(1) in τ for a recurrent net",
    },
]
REFERENCE = "shared"
TITLES = {"shared": "one step's weights", "apart": "weights by step"}
TABLE = "full table"
GRAPHS = (
    Pattern(
        title="Recurrence from the state",
        nodes=("x", "h", "o"),
        edges=(Edge("x", "h", label="U"), Edge("h", "h", 1, "W"), Edge("h", "o", label="V")),
    ),
    Pattern(
        title="Recurrence from the output",
        nodes=("x", "h", "o"),
        edges=(Edge("x", "h", label="U"), Edge("o", "h", 1, "R"), Edge("h", "o", label="V")),
    ),
    Pattern(
        title="A vector to a sequence",
        nodes=("c", "h", "y"),
        edges=(Edge("c", "h", label="C"), Edge("h", "h", 1, "W"), Edge("h", "y", label="V"), Edge("y", "h", 1, "R")),
        constant=("c",),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """RNNs of 64 units on strings of 8 characters.

    Args:
        steps: characters in a string.
    """

    steps: int = 8
    epochs: int = 10
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steps", at_least=2)


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """Strings `y` `(strings, steps)`, and as `x` what stands before each character: at first a token of its own."""
    train, test = rivals.load_windows(config)

    def begun(text: data.Dataset) -> data.Dataset:
        y = text.tensors["y"]
        start = len(text.about["vocab"])
        x = nn.functional.pad(y, (1, 0), value=start)[:, :-1].contiguous()
        return replace(text, tensors={"x": x, "y": y}, used=replace(text.used, sizes={text.split: len(y)}))

    return begun(train), begun(test)


class Apart(nn.Module):
    """The unfolded graph with weights of its own at each step: `(batch, steps)` of int to `(batch, classes, steps)`.

    Args:
        readers: a net for each step, of which each goes on from the state of the one before.
    """

    def __init__(self, readers: Sequence[rivals.Reader]) -> None:
        super().__init__()
        self.readers = nn.ModuleList(readers)

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits of as many steps as there are nets at most."""
        state, logits = None, []
        for place, reader in enumerate(self.readers):
            net: Any = reader
            outputs, state = net.tagger(net.encode(tokens[:, place : place + 1]), state)
            logits.append(outputs)
        return torch.cat(logits, dim=1).transpose(1, 2)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The net whose steps share their weights, and one of as many steps that begins alike and does not."""
    size = len(about["vocab"])
    shared = rivals.reader(config, size + 1, size, cell="rnn")
    return nn.ModuleDict({"shared": shared, "apart": Apart([copy.deepcopy(shared) for _ in range(config.steps)])})


def gradient_gap(shared: Any, x: Tensor, y: Tensor) -> float:
    """How far the gradient of the shared weights is from the sum of the steps' own, over its length."""
    apart = Apart([copy.deepcopy(shared) for _ in range(x.shape[1])])
    whole = torch.autograd.grad(cross_entropy(shared(x), y), list(shared.parameters()))
    each = torch.autograd.grad(cross_entropy(apart(x), y), list(apart.parameters()))
    sums = [torch.stack(each[number :: len(whole)]).sum(dim=0) for number in range(len(whole))]
    gaps = torch.cat([(one - other).flatten() for one, other in zip(whole, sums, strict=True)])
    return (gaps.norm() / torch.cat([part.flatten() for part in whole]).norm()).item()


def table_nats(train: Tensor, test: Tensor, size: int) -> list[float]:
    """-ln P of the first 1, 2, … characters of test strings by tables of the training's, in nats, one count added."""
    found = []
    for steps in range(1, train.shape[1] + 1):
        rows, counts = train[:, :steps].unique(dim=0, return_counts=True)
        known = {tuple(row): count for row, count in zip(rows.tolist(), counts.tolist(), strict=True)}
        seen = np.array([known.get(tuple(row), 0) for row in test[:, :steps].tolist()])
        found.append(float(-np.log((seen + 1) / (len(train) + float(size) ** steps)).mean()))
    return found


@torch.no_grad()
def net_nats(net: Any, x: Tensor, y: Tensor) -> list[float]:
    """-ln P of the first 1, 2, … characters by a net, in nats."""
    costs = cross_entropy(net(x), y, reduction="none").mean(dim=0)
    return [float(value) for value in costs.cumsum(dim=0)]


def looked_at(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """What is read from nets and tables."""
    size = len(train.about["vocab"])
    found: dict[str, float] = {}
    x, y = (test.tensors[part].to(rivals.device_of(nets)) for part in ("x", "y"))
    nats = {name: net_nats(net, x, y) for name, net in nets.items()}
    nats["table"] = table_nats(train.tensors["y"], test.tensors["y"], size)
    for name, values in nats.items():
        found |= {f"{name}_nats_{steps}": value for steps, value in enumerate(values, 1)}
    for steps in range(1, config.steps + 1):
        found[f"table_parameters_{steps}"] = float(table_parameters(size, steps))
    counts = {name: parameters(net) for name, net in nets.items()}
    return {
        **found,
        **{f"{name}_parameters": float(count) for name, count in counts.items()},
        "gradient_gap": gradient_gap(nets["shared"], x[:64], y[:64]),
    }


RECIPE = rivals.TextContest(
    recipe="unfolding",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=looked_at,
    voice=REFERENCE,
)
run, measure, predict = RECIPE.run, RECIPE.measure, RECIPE.go_on


def draw(folder: RunFolder) -> list[Path]:
    """Graphs folded and unfolded; parameters, and -ln P of a held-out string, by its length."""
    config, result = Config(**folder.config), folder.result
    pictures = [graphs(folder.path / "graphs.png", GRAPHS)]
    if result is None:
        return pictures
    metrics, lengths = result.metrics, np.arange(1, config.steps + 1)
    each = metrics["apart_parameters"] / config.steps
    counts = {
        TITLES["shared"]: (lengths, np.full(config.steps, metrics["shared_parameters"])),
        TITLES["apart"]: (lengths, each * lengths),
        TABLE: (lengths, [metrics[f"table_parameters_{steps}"] for steps in lengths]),
    }
    nats = {
        title: (lengths, [metrics[f"{name}_nats_{steps}"] / steps for steps in lengths])
        for name, title in {**TITLES, "table": TABLE}.items()
    }
    charts = [
        Panel(series=counts, title="Parameters", xlabel="characters", logy=True, whole=True, names=False),
        Panel(series=nats, title="Held-out nats a character", xlabel="characters", whole=True),
    ]
    return [*pictures, panels(folder.path / "parameters.png", charts)]
