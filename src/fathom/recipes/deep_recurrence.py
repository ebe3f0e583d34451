"""Where a recurrent net may be deeper: before its state, in it, in it with a shortcut, behind it, or as a stack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fathom import data, models, plot
from fathom.models.deep_recurrent import DEPTHS, DeepRecurrent
from fathom.plot.panels import Panel, panels
from fathom.recipes import _contest as contest
from fathom.recipes import _language as language
from fathom.recipes import _rivals as rivals
from fathom.recipes._matched import matched, parameters
from fathom.recipes.gradient_by_lag import gradient_norms, reach
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener

SECTION = "Goodfellow et al. 2016, 10.5; Pascanu et al. 2014"
DATA = "time-machine"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_skip_loss",
        "value": None,
        "split": "the last tenth of the novel",
        "source": "Pascanu et al. 2014, arXiv 1312.6026, section 5",
        "note": "on Penn Treebank and on music the paper's deep nets are better than its shallow ones of other sizes",
    },
]
REFERENCE = "shallow"
TITLES = {
    "shallow": "shallow",
    "input": "deep input",
    "transition": "deep transition",
    "skip": "transition + shortcut",
    "output": "deep output",
    "stack": "stack",
}
WINDOWS = 64  # over which the gradient is averaged


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Character models with as many parameters as a plain RNN of 128 units, on windows of 35 steps.

    Args:
        steps: tokens in a window.
    """

    steps: int = 35
    hidden_size: int = 128
    epochs: int = 6
    batch_size: int = 64
    lr: float = 0.002
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("steps", at_least=2)


def sizes(hidden_size: int, vocab: int) -> dict[str, int]:
    """Units of each layer by depth, such that all nets have as many parameters as the shallow one."""
    count = parameters(DeepRecurrent(vocab, vocab, "shallow", hidden_size))
    found = {depth: matched(partial(DeepRecurrent, vocab, vocab, depth), count) for depth in DEPTHS}
    return found | {"shallow": hidden_size}


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A net of each depth."""
    vocab = len(about["vocab"])
    with torch.random.fork_rng(devices=[]):
        units = sizes(config.hidden_size, vocab)
    return nn.ModuleDict(
        {
            depth: rivals.Reader(
                models.on_rung(
                    "deep_recurrent",
                    config.rung,
                    in_features=vocab,
                    num_classes=vocab,
                    depth=depth,
                    hidden_size=units[depth],
                ),
                vocab,
            )
            for depth in TITLES
        }
    )


def norms(nets: nn.ModuleDict, train: data.Dataset) -> dict[str, np.ndarray]:
    """Length of the gradient by lag of each net, over that at lag 0, on the first windows of the training text."""
    x, y = (train.tensors[name][:WINDOWS].to(rivals.device_of(nets)) for name in ("x", "y"))
    lengths = {name: gradient_norms(net, x, y[:, -1]).cpu().numpy().astype(np.float64) for name, net in nets.items()}
    return {name: values / values[0] for name, values in lengths.items()}


def reaches(nets: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """The lag at which a hundredth of each net's gradient is left."""
    return {f"{name}_reach": reach(values) for name, values in norms(nets, train).items()}


def looked_at(nets: nn.ModuleDict, train: data.Dataset) -> dict[str, float]:
    """`reaches`, and the parameters of each net."""
    counts = {f"{name}_parameters": float(parameters(net)) for name, net in nets.items()}
    return reaches(nets, train) | counts


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train all nets on the same windows.

    `test_NAME_loss` is in nats a character; `NAME_reach` is the lag at which a hundredth of the gradient is left, and
    `NAME_reach_at_start` the same before training.
    """
    train, _ = rivals.load_windows(config)

    def at_start(nets: nn.ModuleDict, examples: data.Dataset) -> dict[str, float]:
        return {f"{name}_at_start": value for name, value in reaches(nets, examples).items()}

    return contest.run_contest(
        "deep-recurrence",
        config,
        build,
        REFERENCE,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        inspect=lambda nets: looked_at(nets, train),
        at_start=at_start,
        make_step=rivals.step(config),
        load=rivals.load_windows,
    )


def measure(folder: RunFolder) -> Result:
    """Compare a run's nets on the held-out text again."""
    config = Config(**folder.config)
    train, _ = rivals.load_windows(config)
    return contest.measure_contest(
        folder, config, build, REFERENCE, PUBLISHED, lambda nets: looked_at(nets, train), rivals.load_windows
    )


def predict(
    folder: RunFolder,
    source: str,
    *,
    length: int = 50,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 0,
) -> Prediction:
    """Go on with the text `source`, by the net with the least held-out loss; see `_language.continued`."""
    nets = contest.trained(folder, Config(**folder.config), build)
    net: Any = nets[rivals.best(folder, nets)]
    return language.continued(folder.data, rivals.next_logits(net), source, length, temperature, top_k, top_p, seed)


def draw(folder: RunFolder) -> list[Path]:
    """Held-out perplexity by depth, and by epoch beside the gradient by lag before training."""
    config, result = Config(**folder.config), folder.result
    train, _ = rivals.load_windows(config)
    contest.prepare(config)
    at_start = norms(build(config, folder.data), train)
    lags = np.arange(config.steps)
    charts = [
        Panel(
            series={TITLES[name]: (lags, values) for name, values in at_start.items()},
            title="Gradient before training",
            xlabel="steps back",
            ylabel="length, of that at lag 0",
            logy=True,
            ylim=(1e-9, 3.0),
            whole=True,
        )
    ]
    if result is None:
        return [panels(folder.path / "depth.png", charts)]
    losses = contest.by_epoch(result, "test_{}_loss", TITLES)
    series = {name: (epochs, np.exp(values)) for name, (epochs, values) in losses.items()}
    charts.insert(0, Panel(series=series, title="Perplexity, held-out text", xlabel="epoch", logy=True, whole=True))
    last = {TITLES[name]: float(np.exp(result.metrics[f"test_{name}_loss"])) for name in TITLES}
    return [
        panels(folder.path / "depth.png", charts),
        plot.bars(folder.path / "perplexity.png", last, title="Perplexity of held-out characters, equal parameters"),
    ]
