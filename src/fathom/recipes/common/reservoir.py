"""What the recipes of echo state nets share: a series in blocks, and the read-out learnt from them in closed form."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from fathom import data, models
from fathom.errors import InputError
from fathom.ops.reservoir import Ridge, Triangle
from fathom.train import TrainConfig
from fathom.train.config import STEP_FIELDS

UNUSED = (*STEP_FIELDS, "lr", "optimizer", "accumulate", "patience", "precision", "compile", "channels_last")
SOLVERS: Mapping[str, Callable[[int, int, float], Any]] = {"triangle": Triangle, "sums": Ridge}
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True, kw_only=True)
class ReservoirConfig(TrainConfig):
    """Settings of a reservoir whose read-out is solved for.

    Args:
        epochs: tenths of the training series that are learnt from; after each the read-out is solved anew.
        batch_size: steps in a block, after which its states are forgotten.
        hidden_size: units.
        spectral_radius: of the recurrent weights.
        density: share of the recurrent weights that are there.
        leak: 1 replaces the state in each step, near 0 moves it slowly.
        input_scale: greatest input weight.
        bias_scale: greatest bias.
        washout: steps at the beginning of a series from which nothing is learnt or measured.
        penalty: of the squared weights of the read-out, in the units of the sum of squared errors.
        solver: triangle (QR decompositions, exact) or sums (of products of states, several times as fast, which lose
            what is below 1e-8 of the greatest singular value).
        states: float64 or float32.
        device: auto or cpu.
    """

    epochs: int = 10
    hidden_size: int = 1000
    spectral_radius: float = 0.8
    density: float = 0.01
    leak: float = 1.0
    input_scale: float = 0.2
    bias_scale: float = 0.2
    washout: int = 100
    penalty: float = 0.0
    solver: Literal["triangle", "sums"] = "triangle"
    states: Literal["float64", "float32"] = "float64"

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self.keep(UNUSED, "the read-out is solved for and nothing else is learnt")
        self._check("epochs", at_most=10)
        self._check("hidden_size", at_least=1)
        for name in ("washout", "spectral_radius", "input_scale", "bias_scale", "penalty"):
            self._check(name, at_least=0)
        self._check("density", above=0, at_most=1)
        self._check("leak", above=0, at_most=1)
        if self.device not in ("auto", "cpu"):
            raise InputError(f"--device: expected auto or cpu, since a step is small, got {self.device}; leave it out")

    @property
    def dtype(self) -> torch.dtype:
        """Of the states."""
        return DTYPES[self.states]


class Blocks:
    """A series in blocks of steps, in order: an epoch is the next tenth of it; resumable as `Batches`.

    Args:
        tensors: each `(steps, features)`.
        batch_size: steps in a block.
        limit: at most so many blocks an epoch; 0 is all.

    Raises:
        InputError: a tenth has not one block.
    """

    def __init__(self, *tensors: Tensor, batch_size: int, limit: int = 0) -> None:
        self.tensors, self.batch_size, self.device = tensors, batch_size, torch.device("cpu")
        tenth = len(tensors[0]) // 10
        if tenth < batch_size:
            raise InputError(
                f"--batch-size: expected at most {tenth}, a tenth of the training series, got {batch_size}; "
                "give a longer series or a smaller block"
            )
        self.blocks = min(tenth // batch_size, limit or tenth)
        self.epoch = self.position = 0

    def __len__(self) -> int:
        """Blocks an epoch."""
        return self.blocks

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        while self.position < len(self):
            start = (self.epoch * self.blocks + self.position) * self.batch_size
            self.position += 1
            yield tuple(tensor[start : start + self.batch_size] for tensor in self.tensors)
        self.epoch += 1
        self.position = 0

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the position in it."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave."""
        self.epoch, self.position = int(state["epoch"]), int(state["position"])


class Solving:
    """A step that runs a block through a reservoir and adds its states to what the read-out is solved from.

    Args:
        model: an `EchoStateNetwork`; its read-out is replaced by `solve`.
        config: of the run.
        outputs: numbers at each step to be learnt.
    """

    def __init__(self, model: Any, config: ReservoirConfig, outputs: int) -> None:
        self.model, self.washout, self.seen = model, config.washout, 0
        features = model.readout.weight.shape[1] + 1
        self.sums = SOLVERS[config.solver](features, outputs, config.penalty)
        self.state = torch.zeros(len(model.recurrent), 1, dtype=config.dtype)

    @torch.no_grad()
    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float]:
        """Learn from `(x, y)` `(steps, features)`; the mean squared error before that, as `loss`."""
        x, y = batch
        features, self.state = self.model.features(x[None], self.state)
        loss = (self.model.readout(features)[0] - y).square().mean().item()
        skipped = min(max(self.washout - self.seen, 0), len(x))
        rows = features[0, skipped:]
        self.sums.add(torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1), y[skipped:])
        self.seen += len(x)
        return {"loss": loss}

    def solve(self) -> None:
        """Give the model the read-out that fits all that was learnt so far; within the washout it stays as it is."""
        if self.sums.rows:
            self.model.set_readout(self.sums.solve())

    def state_dict(self) -> dict[str, Any]:
        """The sums, the reservoir's state and how many steps it has seen."""
        return {"sums": self.sums.state_dict(), "state": self.state, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.sums.load_state_dict(state["sums"])
        self.state, self.seen = state["state"], int(state["seen"])


def build(config: ReservoirConfig, **options: Any) -> Any:
    """A net of the settings' sizes in the settings' dtype, whose read-out is still 0; `options` override them."""
    names = ("hidden_size", "spectral_radius", "density", "leak", "input_scale", "bias_scale")
    sizes = {name: getattr(config, name) for name in names}
    model = models.on_rung("echo_state_network", config.rung, **{**sizes, **options}).to(config.dtype)
    for parameter in model.readout.parameters():
        torch.nn.init.zeros_(parameter)
    return model.eval()


def check_washout(config: ReservoirConfig, least: int) -> None:
    """InputError unless something is left to learn from after the washout of `least` steps."""
    if config.washout >= least:
        raise InputError(
            f"--washout: expected fewer than {least} steps, as many as the shorter part of the series has, "
            f"got {config.washout}; give a longer series"
        )


def load_series(config: ReservoirConfig) -> tuple[data.Dataset, data.Dataset]:
    """Both splits of a series to be continued or a system to be copied, each tensor `(steps, 1)` in the states' dtype.

    Raises:
        InputError: the data are neither, or the washout leaves nothing.
    """
    splits = []
    for split in ("train", "test"):
        found = data.load(config.data, split)
        if found.about.get("kind") not in ("series", "driven"):
            raise InputError(
                f"{config.data}: expected a series, got {found.about.get('kind')}; give mackey-glass, narma-10 or "
                "series:FILE.csv,column=NAME"
            )
        tensors = {name: found.tensors[name][:, None].to(config.dtype) for name in ("x", "y")}
        splits.append(replace(found, tensors=tensors))
    check_washout(config, min(len(each) for each in splits))
    return splits[0], splits[1]
