"""What a layer costs by the length of its sequence, measured: attention, recurrence and convolutions beside each other.

`KIND_LENGTH_operations` are multiplications and additions of one layer, `…_rounds` how often all steps must be computed
at once until none changes any more, `…_path` after how many layers (of a recurrence: rounds) the last step feels the
first.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fathom import data, models
from fathom.errors import InputError
from fathom.models.headed_attention import SelfAttention
from fathom.models.model import Model
from fathom.plot.panels import Panel, panels
from fathom.recipes import gates
from fathom.recipes.common import contest
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.recipes.common.rivals import RivalConfig
from fathom.records import Prediction, RunFolder

SECTION = "Vaswani et al. 2017, section 4; d2l-zh 10.6"
DATA = "first-symbol,length=48"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "attention_256_path",
        "value": 1,
        "split": "of one layer, counted",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 1: O(1)",
    },
    {
        "metric": "recurrent_256_path",
        "value": 256,
        "split": "of one layer, counted",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 1: O(n)",
    },
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "generated sequences",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, section 4",
        "note": "said in words: the shorter the paths, the easier long-range dependencies are learnt",
    },
]
KERNEL = 3
TITLES = {"attention": "attention", "recurrent": "recurrent", "convolution": "convolutions", "dilated": "dilated"}


@dataclass(frozen=True, kw_only=True)
class Config(RivalConfig):
    """Layers of 64 features over 16 to 256 steps; nets of each kind that recall a sequence's first symbol.

    Args:
        lengths: of the sequences that layers are measured with.
    """

    lengths: tuple[int, ...] = (16, 32, 64, 128, 256)
    epochs: int = 12
    lr: float = 0.003
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.lengths or len(set(self.lengths)) < len(self.lengths) or min(self.lengths) < 2:
            raise InputError(f"--lengths: expected different numbers of at least 2, got {self.lengths}")


class Recaller(Model):
    """Symbols `(batch, steps)` of int to logits `(batch, classes)`, from its last step.

    Args:
        kind: one of `TITLES`; convolutions look back, and there are as many layers of them as the longest needs.
        vocab_size: how many symbols there are.
        num_classes: how many answers.
        size: features of a step.
        longest: steps of the longest sequence.
        nn: the namespace of layers.
    """

    def __init__(
        self, kind: str, vocab_size: int, num_classes: int, size: int, longest: int, *, nn: Any = torch.nn
    ) -> None:
        super().__init__()
        self.layer: Any
        self.kind = kind
        self.embedding = nn.Embedding(vocab_size, size)
        if kind == "attention":
            self.layer = SelfAttention(size, 1, nn=nn)
        elif kind == "recurrent":
            self.layer = nn.RNN(size, size, batch_first=True)
        else:
            self.layer = nn.ModuleList([nn.Conv1d(size, size, KERNEL, dilation=step) for step in steps(kind, longest)])
        self.output = nn.Linear(size, num_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits."""
        x = self.embedding(tokens)
        if self.kind in ("attention", "recurrent"):
            return self.output(self.layer(x)[0][:, -1])
        *below, last = self.layer
        x = x.transpose(1, 2)
        for convolution in below:
            x = looking_back(convolution, x).relu()
        return self.output(looking_back(last, x)[:, :, -1])


def steps(kind: str, longest: int) -> list[int]:
    """The dilation of each convolution, such that the last step sees `longest` of them."""
    found, seen = [], 1
    while seen < longest:
        found.append(seen if kind == "dilated" else 1)  # which are powers of the kernel
        seen += (KERNEL - 1) * found[-1]
    return found


def looking_back(layer: Any, x: Tensor) -> Tensor:
    """A convolution of `(batch, features, steps)` to the same, each step from itself and steps before it."""
    before = (KERNEL - 1) * layer.dilation[0]
    y: Tensor = layer(nn.functional.pad(x, (before, 0)))
    return y


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each kind."""
    sizes: dict[str, Any] = {
        "vocab_size": len(about["alphabet"]),
        "num_classes": len(about["classes"]),
        "size": config.hidden_size,
    }
    return nn.ModuleDict(
        {kind: models.on_rung(Recaller, config.rung, kind=kind, longest=about["length"], **sizes) for kind in TITLES}
    )


# --- what is measured -----------------------------------------------------------------------------------------------

Round = Callable[[Tensor, Tensor], Tensor]
"""What all steps compute at once, `(1, steps, size)`, from the input and from the states of the round before."""


def layer_of(kind: str, size: int, number: int = 0) -> Round:
    """A fresh layer; but for a recurrence, whose states wait for each other, one round is the whole layer.

    Args:
        kind: one of `TITLES`.
        size: features of a step.
        number: of the layer in a stack, from 0; dilated convolutions grow with it.
    """
    if kind == "attention":
        attention = SelfAttention(size, 1)
        attention.keep_weights = True  # so that its products are counted one by one
        return lambda x, states: attention.to(x.dtype)(x)[0]
    if kind == "recurrent":
        cell = nn.RNNCell(size, size, bias=False)
        nn.init.orthogonal_(cell.weight_hh)  # or far steps would be forgotten by rounding
        return lambda x, states: cell.to(x.dtype)(x[0], nn.functional.pad(states[0], (0, 0, 1, -1)))[None]
    layer = nn.Conv1d(size, size, KERNEL, dilation=KERNEL**number if kind == "dilated" else 1, bias=False)
    return lambda x, states: looking_back(layer.to(x.dtype), x.transpose(1, 2)).transpose(1, 2)


def operations(kind: str, size: int, length: int) -> int:
    """Multiplications and additions of one layer as it is usually computed: of a recurrence step after step."""
    x = torch.randn(1, length, size)
    layer, recurrence = layer_of(kind, size), nn.RNN(size, size, batch_first=True)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        recurrence(x) if kind == "recurrent" else layer(x, x)
    return counted.get_total_flops()


@torch.no_grad()
def rounds(kind: str, size: int, length: int) -> int:
    """How often all steps of one layer must be computed at once, until none changes any more."""
    x, layer = small(size, length), layer_of(kind, size)
    states, count = torch.zeros_like(x), 0
    while not torch.equal(after := layer(x, states), states):
        states, count = after, count + 1
    return count


@torch.no_grad()
def path(kind: str, size: int, length: int) -> int:
    """After how many layers of a stack, or rounds of a recurrence, the last step changes if the first one does."""
    x = torch.zeros(1, length, size, dtype=torch.float64)  # so that the least change is not lost in rounding
    other = x.clone()
    other[0, 0] = 0.01
    layer, count = layer_of(kind, size), 0
    states = [torch.zeros_like(x), torch.zeros_like(x)]
    while torch.equal(states[0][0, -1], states[1][0, -1]):
        if kind == "recurrent":
            states = [layer(given, state) for given, state in zip((x, other), states, strict=True)]
        else:
            layer = layer_of(kind, size, count)
            given = states if count else [x, other]
            states = [layer(below, below) for below in given]
        count += 1
    return count


def small(size: int, length: int) -> Tensor:
    """An input `(1, length, size)` of float64, so small that a tanh hardly bends it."""
    return 0.01 * torch.randn(1, length, size, dtype=torch.float64)


def costs(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """All three of every kind at every length; draws nothing from the run's generator."""
    measures = {"operations": operations, "rounds": rounds, "path": path}
    with torch.random.fork_rng(devices=[]):
        return {
            f"{kind}_{length}_{name}": float(measure(kind, config.hidden_size, length))
            for kind in TITLES
            for length in config.lengths
            for name, measure in measures.items()
        }


def formula(kind: str, what: str, size: int, length: int) -> float:
    """What table 1 says, with its constants: projections count, too, and a convolution looks back only.

    Args:
        what: `operations`, `rounds` or `path`.
    """
    if what == "operations":
        products = {
            "attention": 4 * length * size**2 + 2 * length**2 * size,
            "recurrent": 2 * length * size**2,
        }
        return 2.0 * products.get(kind, KERNEL * length * size**2)
    if kind == "recurrent":
        return float(length)
    if what == "rounds" or kind == "attention":
        return 1.0
    return float(math.ceil(math.log(length, KERNEL) - 1e-9) if kind == "dilated" else math.ceil((length - 1) / 2))


RECIPE = ContestRecipe(
    recipe="attention-complexity",
    config=Config,
    build=build,
    reference="attention",
    published=PUBLISHED,
    load=gates.load_splits,
    at_start=costs,
)
run, measure = RECIPE.run, RECIPE.measure


def predict(folder: RunFolder, source: str) -> Prediction:
    """What the net with the best test accuracy answers to the symbols `source`; `extra` has all answers."""
    return RECIPE.answer(folder, source, gates.encode(folder.data, str(source)))


def draw(folder: RunFolder) -> list[Path]:
    """The measured costs as dots on the paper's formulas, by length; accuracy by epoch."""
    config, result = Config(**folder.config), folder.result
    if result is None:
        return []
    lengths = sorted(config.lengths)
    headings = {"operations": "Operations of a layer", "rounds": "Rounds, one after the other", "path": "Longest path"}
    charts = []
    for what, heading in headings.items():
        measured = {
            title: (lengths, [result.metrics[f"{kind}_{length}_{what}"] for length in lengths])
            for kind, title in TITLES.items()
        }
        said = {
            title: (lengths, [formula(kind, what, config.hidden_size, length) for length in lengths])
            for kind, title in TITLES.items()
        }
        charts.append(
            Panel(
                series=measured,
                theory=said,
                title=heading,
                xlabel="steps",
                logx=True,
                logy=True,
                names=what == "path",
                ticks={str(length): length for length in lengths},
            )
        )
    learnt = Panel(
        series=contest.by_epoch(result, "test_{}_accuracy", TITLES),
        title=f"First of up to {folder.data['length']} symbols recalled",
        xlabel="epoch",
        ylim=(0.0, 1.03),
        whole=True,
    )
    return [panels(folder.path / "complexity.png", [*charts, learnt], key="dots: measured; lines: formulas", columns=2)]
