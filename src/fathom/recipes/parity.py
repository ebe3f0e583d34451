"""Is the number of ones odd? Nets that are told after every bit, and nets that are told at the end, by length.

`solved_CELL_WAY` is the length up to which each net is right 99 times in 100. In testing, all losses and accuracies are
those of the answer after the last bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fathom import data, metrics
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, rivals
from fathom.recipes.common.contest_recipe import ContestRecipe, by_share
from fathom.records import Prediction, RunFolder
from fathom.train.supervised import Measure

SECTION = "Goodfellow et al. 2016, 10.2"
DATA = "parity,length=32"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "solved_rnn_end",
        "value": None,
        "split": "generated bits",
        "source": "Goodfellow et al. 2016, 10.2 and figure 10.5; Hochreiter and Schmidhuber 1997, section 5",
        "note": "the book draws the net with one output at the end and measures none; the paper holds parity to be "
        "found by guessing weights",
    },
]
CELLS = {"rnn": "RNN", "lstm": "LSTM"}
TOLD = {"every": "told at every bit", "end": "told at the end"}
SOLVED = 0.99  # of the answers at the end are right


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Nets of 32 units, each for bits of one length; Adam at 0.005, batches of 50, 2,000 updates; an epoch has 100.

    Args:
        lengths: how many bits a net reads; all read the beginnings of the same rows.
        limit: batches an epoch; 0 takes all examples.
    """

    lengths: tuple[int, ...] = (2, 4, 8, 16, 32)
    hidden_size: int = 32
    epochs: int = 20
    batch_size: int = 50
    limit: int = 100
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not self.lengths or min(self.lengths) < 1 or list(self.lengths) != sorted(set(self.lengths)):
            raise InputError(f"--lengths: expected whole numbers from 1 that rise, got {self.lengths}")

    @property
    def titles(self) -> dict[str, str]:
        """Every net."""
        return {
            f"{cell}_{told}_{length}": f"{CELLS[cell]}, {TOLD[told]}, {length} bits"
            for cell in CELLS
            for told in TOLD
            for length in self.lengths
        }

    @property
    def reference(self) -> str:
        """The RNN told at every bit of the shortest length."""
        return f"rnn_every_{self.lengths[0]}"


class Beginning(nn.Module):
    """A net that reads the first bits of a row: `(batch, bits)` to logits `(batch, 2, length)`, one pair after each."""

    def __init__(self, reader: rivals.Reader, length: int) -> None:
        super().__init__()
        self.reader, self.length = reader, length

    def forward(self, bits: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.reader(bits[:, : self.length])
        return logits


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test bits."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("kind") != "bits":
        raise InputError(f"{config.data}: expected bits, got {train.about.get('kind')}; give parity")
    if train.about["length"] < config.lengths[-1]:
        raise InputError(
            f"--lengths: expected at most {train.about['length']}, the bits in a row of {config.data}, got "
            f"{config.lengths[-1]}; give parity,length={config.lengths[-1]}"
        )
    return train, test


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The nets; those of one cell and length begin alike."""
    nets: dict[str, Beginning] = {}
    for name in config.titles:
        cell, told, length = name.split("_")
        nets[name] = Beginning(rivals.reader(config, 2, 2, cell=cell), int(length))
        if told == "end":
            nets[name].load_state_dict(nets[f"{cell}_every_{length}"].state_dict())
    return nn.ModuleDict(nets)


def every_loss(logits: Tensor, parities: Tensor) -> Tensor:
    """The mean cross-entropy over all bits that the net has read, in nats."""
    return cross_entropy(logits, parities[:, : logits.shape[2]])


def end_loss(logits: Tensor, parities: Tensor) -> Tensor:
    """The cross-entropy of the answer after the last bit, in nats."""
    return cross_entropy(logits[:, :, -1], parities[:, logits.shape[2] - 1])


def end_accuracy(logits: Tensor, parities: Tensor) -> Tensor:
    """The share of right answers after the last bit."""
    return metrics.accuracy(logits[:, :, -1], parities[:, logits.shape[2] - 1])


class Told(contest.Contest):
    """A step in which nets with `every` in their names learn from all answers, the others from the last."""

    def update(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """One update of one net by its own loss."""
        self.loss = every_loss if "_every_" in name else end_loss
        return super().update(name, x, y)


def solved(config: Config, accuracies: Mapping[str, float]) -> dict[str, float]:
    """The longest length of each cell and way up to which every net answers rightly; 0 if the shortest does not.

    Args:
        accuracies: of each net, by its name.
    """
    found = {}
    for cell in CELLS:
        for told in TOLD:
            right = [accuracies[f"{cell}_{told}_{length}"] >= SOLVED for length in config.lengths]
            count = right.index(False) if False in right else len(right)
            found[f"solved_{cell}_{told}"] = float(config.lengths[count - 1] if count else 0)
    return found


@torch.no_grad()
def lengths_solved(config: Config, nets: nn.ModuleDict, test: data.Dataset) -> dict[str, float]:
    """`solved` of the nets on the test bits."""
    x, y = (test.tensors[name].to(rivals.device_of(nets)) for name in ("x", "y"))
    return solved(config, {name: end_accuracy(net(x), y).item() for name, net in nets.items()})


def make_step(config: Config, nets: nn.ModuleDict, train: data.Dataset, loss: Measure, batches: int) -> Told:
    """Each net is told in its own way."""
    rule = contest.Rule(config.optimizer, config.lr, clip=config.clip)
    return Told(nets, config.reference, loss, rule, score=end_accuracy)


RECIPE = ContestRecipe(
    recipe="parity",
    config=Config,
    build=build,
    reference=lambda config: config.reference,
    published=PUBLISHED,
    load=load_splits,
    loss=lambda config: end_loss,
    score=end_accuracy,
    inspect=lambda config, nets, _, test: lengths_solved(config, nets, test),
    make_step=make_step,
)
run, measure = RECIPE.run, RECIPE.measure


def predict(folder: RunFolder, source: str) -> Prediction:
    """Whether the bits `source`, as in 01101, have an odd number of ones, by the best net that reads so many or more.

    A net for more bits answers after as many as there are; `extra` tells which it was.
    """
    config, bits = Config(**folder.config), str(source).strip()
    if not bits or set(bits) - {"0", "1"} or len(bits) > config.lengths[-1]:
        raise InputError(f"expected from 1 to {config.lengths[-1]} bits, as in 01101, got {bits[:60]!r}")
    nets, result = RECIPE.trained(folder), folder.result
    fitting = [name for name in config.titles if int(name.rsplit("_", 1)[1]) >= len(bits)]
    best = fitting[0]
    if result is not None:
        best = max(fitting, key=lambda name: result.metrics[f"test_{name}_accuracy"])
    with torch.inference_mode():
        shares = nets[best](torch.tensor([[int(bit) for bit in bits]]))[0, :, -1].softmax(dim=0)
    ranked = by_share(shares, folder.data["classes"])
    return Prediction(input=bits[:200], label=next(iter(ranked)), probabilities=ranked, extra={"by": best})


def draw(folder: RunFolder) -> list[Path]:
    """Test accuracy at the end by length, and how the accuracy of one length rose."""
    result, config = folder.result, Config(**folder.config)
    if result is None:
        return []
    by_length, by_update = {}, {}
    middle = config.lengths[len(config.lengths) // 2]
    updates = config.limit or 1
    for cell, title in CELLS.items():
        for told, way in TOLD.items():
            names = [f"test_{cell}_{told}_{length}_accuracy" for length in config.lengths]
            by_length[f"{title}, {way}"] = (list(config.lengths), [result.metrics[name] for name in names])
            rise = [record[f"test_{cell}_{told}_{middle}_accuracy"] for record in result.history]
            by_update[f"{title}, {way}"] = ([record["epoch"] * updates for record in result.history], rise)
    options: dict[str, Any] = {"ylim": (0.4, 1.03)}
    return [
        panels(
            folder.path / "parity.png",
            [
                Panel(
                    series=by_update,
                    title=f"Right at the end of {middle} bits",
                    xlabel="update" if config.limit else "epoch",
                    whole=True,
                    names=False,
                    **options,
                ),
                Panel(series=by_length, title="By length", xlabel="bits", logx=True, **options),
            ],
        )
    ]
