"""What tells attention where a step stands: sinusoids, learnt vectors, relative distances, or nothing.

`NAME_order` is how far the answer moves, in the answers' standard deviation, when the symbols before the last are put
in another order; without positions not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models, plot
from fathom.errors import InputError
from fathom.layers.positions import sinusoids
from fathom.models.model import Model
from fathom.models.transformer_blocks import EncoderBlock, Positions
from fathom.plot.panels import Panel, panels
from fathom.recipes import gates
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.attended import Looks, of_blocks
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Prediction, RunFolder

SECTION = "d2l-zh 10.6; Vaswani et al. 2017, section 3.5"
DATA = "since-the-break,length=32"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_learned_accuracy",
        "value": None,
        "split": "generated sequences",
        "source": "Vaswani et al. 2017, arXiv 1706.03762, table 3, row E",
        "note": "in translation learnt positions and sinusoids reach the same BLEU, 25.7 and 25.8",
    },
]
TITLES = {"sinusoidal": "sinusoids", "learned": "learnt", "relative": "relative", "none": "none"}
STEPS, FEATURES, COLUMNS = 60, 32, (6, 7, 8, 9)  # of the book's pictures
RELATIVE = 8  # distances with vectors of their own, in either direction


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Encoders of two blocks that count marks since a break: what stands before what is all that matters.

    Args:
        num_heads: attention heads of a block.
        num_layers: blocks.
    """

    num_heads: int = 4
    num_layers: int = 2
    hidden_size: int = 32
    epochs: int = 20
    lr: float = 2e-3
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("num_heads", "num_layers"):
            self._check(name, at_least=1)
        if self.hidden_size % self.num_heads:
            raise InputError(
                f"--num-heads: expected a divisor of --hidden-size {self.hidden_size}, got {self.num_heads}"
            )


class Placed(Model):
    """Symbols `(batch, steps)` of int to logits `(batch, classes)`, from the last step of an encoder.

    Args:
        kind: one of `TITLES`.
        vocab_size: how many symbols there are.
        num_classes: how many answers.
        size: features of a step.
        num_heads, num_layers: of the encoder.
        longest: steps of the longest sequence.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        kind: str,
        vocab_size: int,
        num_classes: int,
        size: int,
        num_heads: int,
        num_layers: int,
        longest: int,
        *,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        relative = RELATIVE if kind == "relative" else 0
        self.embedding = nn.Embedding(vocab_size, size)
        self.positions = Positions("none" if relative else kind, longest, size, nn=nn)
        sizes = size, num_heads, 2 * size, 0.0, True
        self.blocks = nn.ModuleList([EncoderBlock(*sizes, relative=relative, nn=nn) for _ in range(num_layers)])
        self.output = nn.Linear(size, num_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits."""
        x = self.positions(self.embedding(tokens))
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.output(x[:, -1])
        return logits


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """An encoder of each kind."""
    return nn.ModuleDict(
        {
            kind: models.on_rung(
                Placed,
                config.rung,
                kind=kind,
                vocab_size=len(about["alphabet"]),
                num_classes=len(about["classes"]),
                size=config.hidden_size,
                num_heads=config.num_heads,
                num_layers=config.num_layers,
                longest=about["length"],
            )
            for kind in TITLES
        }
    )


@torch.no_grad()
def shuffled(config: Config, nets: nn.ModuleDict, train: data.Dataset, test: data.Dataset) -> dict[str, float]:
    """How far each net's answers move when all symbols but the last are shuffled, of some held-out sequences."""
    x = test.tensors["x"][:64].to(rivals.device_of(nets))
    order = torch.randperm(x.shape[1] - 1, generator=torch.Generator().manual_seed(config.seed)).to(x.device)
    mixed = torch.cat([x[:, order], x[:, -1:]], dim=1)
    found = {}
    for name, net in nets.items():
        answers = net(x)
        found[f"{name}_order"] = ((net(mixed) - answers).square().mean().sqrt() / answers.std()).item()
    return found


RECIPE = ContestRecipe(
    recipe="positional-encoding",
    config=Config,
    build=build,
    reference="sinusoidal",
    published=PUBLISHED,
    load=gates.load_splits,
    inspect=shuffled,
)
run, measure = RECIPE.run, RECIPE.measure


def predict(folder: RunFolder, source: str) -> Prediction:
    """What the net with the best test accuracy answers to the symbols `source`; `extra` has all answers."""
    return RECIPE.answer(folder, source, gates.encode(folder.data, str(source)))


def attention(folder: RunFolder, source: str) -> list[Looks]:
    """Where each head of each block of the net of every kind looks as it reads the symbols `source`.

    Raises:
        InputError: they are none, or not of the run's alphabet, or more than there are positions for.
    """
    x, nets = gates.encode(folder.data, source), RECIPE.trained(folder)
    return [layer for kind, net in nets.items() for layer in of_blocks(net, x, [*source], f"{kind}, ")]


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Accuracy by epoch; the sinusoids as a map, some of their columns, and how alike two steps' vectors are."""
    result, table = folder.result, sinusoids(STEPS, FEATURES)
    if result is None:
        return []
    places = np.arange(STEPS)
    learnt = Panel(
        series=contest.by_epoch(result, "test_{}_accuracy", TITLES),
        title="Marks since the break, counted right",
        xlabel="epoch",
        ylim=(0.0, 1.03),
        whole=True,
    )
    charts = [
        Panel(
            series={f"column {column}": (places, table[:, column]) for column in COLUMNS},
            title=f"Sinusoids, {FEATURES} features",
            xlabel="step",
        ),
        Panel(
            series={f"step {place}": (places, table @ table[place] / (FEATURES / 2)) for place in (0, 30)},
            title="Dot product with the vector of a step",
            xlabel="step",
        ),
    ]
    return [
        panels(folder.path / "accuracy.png", [learnt]),
        panels(folder.path / "positions.png", charts),
        plot.heatmap(
            folder.path / "sinusoids.png", table, xlabel="column", ylabel="step", title="Sinusoidal positions", form=""
        ),
    ]
