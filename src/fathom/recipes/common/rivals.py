"""What the recipes share in which recurrent nets read the same sequences side by side: settings, data, nets, steps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from fathom import data, decoding, models
from fathom.errors import DataError
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, language
from fathom.recipes.common.contest_recipe import ContestRecipe, Load
from fathom.records import Prediction, Result, RunFolder
from fathom.train import TrainConfig

CELLS = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}  # name to title


@dataclass(frozen=True, kw_only=True)
class RivalConfig(TrainConfig):
    """Settings of nets that learn side by side.

    Args:
        hidden_size: units of each net, in each direction.
        clip: greatest norm of each net's gradient by itself; 0 does not clip.
    """

    hidden_size: int = 64
    epochs: int = 20
    batch_size: int = 32
    lr: float = 0.005
    optimizer: str = "adam"
    clip: float = 1.0
    heeded: ClassVar[tuple[str, ...]] = ("clip",)  # by the recipe's step, of what other contests have no use for

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("hidden_size", at_least=1)
        self.keep([name for name in contest.UNUSED if name not in self.heeded], contest.WHY_UNUSED)


class Reader(nn.Module):
    """A tagger that is given tokens: `(batch, steps)` of int to logits, classes before steps as the losses want them.

    Args:
        tagger: maps `(batch, steps, in_features)` to `(batch, steps, classes)` and a state.
        in_features: how many tokens there are; each goes in as its one-hot vector.
        answer: at which step the answer stands, for logits `(batch, classes)`; None for all, `(batch, classes, steps)`.
    """

    def __init__(self, tagger: Any, in_features: int, answer: int | None = None) -> None:
        super().__init__()
        self.tagger, self.in_features, self.answer = tagger, in_features, answer

    def encode(self, tokens: Tensor) -> Tensor:
        """One-hot vectors, `(batch, steps, in_features)`."""
        return one_hot(tokens, self.in_features).to(next(self.tagger.parameters()).dtype)

    def forward(self, tokens: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.tagger(self.encode(tokens))[0]
        return logits.transpose(1, 2) if self.answer is None else logits[:, self.answer]


def reader(config: Any, in_features: int, num_classes: int, answer: int | None = None, **options: Any) -> Reader:
    """A fresh `Reader` on the settings' rung; `options` as of `recurrent_tagger`."""
    tagger = models.on_rung(
        "recurrent_tagger",
        config.rung,
        in_features=in_features,
        num_classes=num_classes,
        hidden_size=config.hidden_size,
        **options,
    )
    return Reader(tagger, in_features, answer)


def cells(config: Any, in_features: int, num_classes: int, answer: int | None = None) -> nn.ModuleDict:
    """A `Reader` of each cell, all of one hidden size."""
    return nn.ModuleDict({cell: reader(config, in_features, num_classes, answer, cell=cell) for cell in CELLS})


# --- windows of a text ----------------------------------------------------------------------------------------------


def load_windows(config: Any) -> tuple[data.Dataset, data.Dataset]:
    """The training text and its end, cut into windows of `config.steps`: `x` and, one token later, `y`."""
    train, test = (cut(split, config) for split in language.load_texts(config.data))
    return train, test


def cut(text: data.Dataset, config: Any) -> data.Dataset:
    """Windows side by side, `(windows, steps)` of int64; what is left at the end is left out."""
    count = len(text) // config.steps
    if not count:
        raise DataError(
            f"{config.data}: expected at least {config.steps} tokens in the {text.split} split, got {len(text)}; "
            "give a longer text or a smaller --steps"
        )
    whole = {name: tensor[: count * config.steps].view(count, config.steps) for name, tensor in text.tensors.items()}
    return replace(text, tensors={name: tensor.long() for name, tensor in whole.items()})


def perplexities(values: Mapping[str, float]) -> dict[str, float]:
    """exp of each loss in nats, `…_loss` becoming `…_perplexity`."""
    losses = {name: value for name, value in values.items() if name.endswith("_loss")}
    return {name.replace("_loss", "_perplexity"): math.exp(min(value, 700.0)) for name, value in losses.items()}


def device_of(net: nn.Module) -> torch.device:
    """Where a net's parameters are."""
    return next(net.parameters()).device


# --- afterwards -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TextContest(ContestRecipe):
    """A contest of nets that read windows of a text; `go_on` is what its module publishes as `predict`.

    Args:
        voice: which net goes on with a text; "" for the one with the least held-out loss.
    """

    load: Load = load_windows
    voice: str = ""

    def go_on(
        self,
        folder: RunFolder,
        source: str,
        *,
        length: int = 50,
        temperature: float = 0.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Prediction:
        """Go on with the text `source`, by one net; see `language.continued`."""
        nets = self.trained(folder)
        net: Any = nets[self.voice or best(folder, nets)]
        return language.continued(folder.data, next_logits(net), source, length, temperature, top_k, top_p, seed)


def best(folder: RunFolder, nets: nn.ModuleDict) -> str:
    """The net with the least held-out loss; the first while there is no result."""
    if folder.result is None:
        return next(iter(nets))
    metrics = folder.result.metrics
    return min(nets, key=lambda name: metrics[f"test_{name}_loss"])


def next_logits(net: Any) -> decoding.Step:
    """A `Reader` of one direction, or a net with a step of its own, as `decoding` takes it."""
    if hasattr(net, "step"):
        own: decoding.Step = net.step
        return own

    def step(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        logits, state = net.tagger(net.encode(tokens), state)
        return logits[:, -1], state

    return step


def draw_perplexities(path: Path, result: Result, titles: Mapping[str, str]) -> Path:
    """Perplexity of each net by epoch, on the training and on the held-out text."""
    charts = []
    for split, title in (("train", "Perplexity, training text"), ("test", "Perplexity, held-out text")):
        losses = contest.by_epoch(result, f"{split}_{{}}_loss", titles)
        series = {name: (epochs, np.exp(np.minimum(values, 700.0))) for name, (epochs, values) in losses.items()}
        charts.append(Panel(series=series, title=title, xlabel="epoch", logy=True, whole=True))
    return panels(path, charts)
