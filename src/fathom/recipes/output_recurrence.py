"""Recurrence from the output: all steps learnt at once under a teacher, and what such a net can't remember.

`NAME_KIND_accuracy` is of answers to unseen sequences of a kind (see `data.feedback`). There each net is fed with its
own answers but for the first three; `test_NAME_loss` is under a teacher. Times would not be the same twice and are no
metrics: `draw` measures them and keeps them in `timings.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from fathom import data, models, plot
from fathom.data import feedback
from fathom.errors import InputError
from fathom.models.output_recurrent import OutputRecurrent
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import rivals
from fathom.recipes.common.contest_recipe import ContestRecipe, by_share
from fathom.recipes.common.matched import matched, parameters
from fathom.recipes.gates import encode
from fathom.records import Prediction, RunFolder, dump_json, load_json, write_text
from fathom.train.experiment import prepare

SECTION = "Goodfellow et al. 2016, 10.2.1"
DATA = "feedback"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "output_echo_accuracy",
        "value": None,
        "split": "generated sequences",
        "source": "Goodfellow, Bengio and Courville 2016, section 10.2.1",
        "note": "the book reasons that the output must hold all of the past that is needed, and measures nothing",
    },
]
REFERENCE = "both"
TITLES = {
    "output": "from the output",
    "hidden": "from the state",
    "both": "from both",
    "cut": "both, no gradient through time",
    "own": "both, no teacher",
}
TIMED = (10, 40, 160, 640)  # steps of the sequences that are timed
TIMED_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Config(rivals.RivalConfig):
    """Nets of 64 units on 3,000 sequences of 20 steps; recurrence from the output alone has units for as many weights.

    Without a teacher a net learns from what it has put out itself.
    """

    epochs: int = 30
    batch_size: int = 100
    lr: float = 0.003
    data: str = DATA


class Answering(nn.Module):
    """A net that is given symbols and the answers before: `(batch, steps, 2)` of int to `(batch, classes, steps)`.

    Args:
        model: an `OutputRecurrent`.
        symbols: how many there are.
        way: in training: `teacher`; `cut`, which has a teacher and no gradient through time; `own` outputs.
    """

    def __init__(self, model: Any, symbols: int, way: str) -> None:
        super().__init__()
        self.model, self.symbols, self.way = model, symbols, way

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One-hot symbols, and the answers before."""
        return one_hot(x[..., 0], self.symbols).to(self.model.output.weight.dtype), x[..., 1]

    def forward(self, x: Tensor) -> Tensor:
        """Logits; in evaluation the right answers before each step are always given, so they make a likelihood."""
        symbols, before = self.encode(x)
        if not self.training or self.way == "teacher":
            logits: Tensor = self.model(symbols, before)[0]
        else:
            given = x.shape[1] if self.way == "cut" else 0
            logits = self.model.by_itself(symbols, before, given, cut=self.way == "cut")
        return logits.transpose(1, 2)

    def answers(self, x: Tensor, given: int) -> Tensor:
        """What it says, `(batch, steps)` of int, when it is fed with its own answers but for the first so many."""
        answers: Tensor = self.model.by_itself(*self.encode(x), given).argmax(dim=2)
        return answers


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test sequences."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.tensors["x"].dim() != 3 or "alphabet" not in train.about:
        raise InputError(f"{config.data}: expected sequences with the answers before each step, got none; give {DATA}")
    return train, test


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The five nets."""
    symbols, classes = len(about["alphabet"]), len(about["classes"])
    with torch.random.fork_rng(devices=[]):
        units = wide(config.hidden_size, symbols, classes)

    def net(name: str) -> Answering:
        model = models.on_rung(
            "output_recurrent",
            config.rung,
            in_features=symbols,
            num_classes=classes,
            hidden_size=units if name == "output" else config.hidden_size,
            from_hidden=name != "output",
            from_output=name != "hidden",
        )
        return Answering(model, symbols, name if name in ("cut", "own") else "teacher")

    return nn.ModuleDict({name: net(name) for name in TITLES})


def wide(hidden_size: int, symbols: int, classes: int) -> int:
    """Units of a net without W that has as many parameters as one with W and without R."""
    other = OutputRecurrent(symbols, classes, hidden_size, from_hidden=True, from_output=False)
    return matched(partial(OutputRecurrent, symbols, classes), parameters(other))


@torch.no_grad()
def accuracies(nets: Any, test: data.Dataset) -> dict[str, float]:
    """Share of right answers of each net by kind of sequence, fed with its own answers after the first three."""
    found, given = {}, feedback.DELAY
    for name, net in nets.items():
        x, y = (test.tensors[part].to(rivals.device_of(net)) for part in ("x", "y"))
        right = (net.answers(x, given) == y)[:, given:].float().mean(dim=1)
        for number, kind in enumerate(feedback.KINDS):
            found[f"{name}_{kind}_accuracy"] = right[feedback.kinds(x[..., 0]) == number].mean().item()
    return found


RECIPE = ContestRecipe(
    recipe="output-recurrence",
    config=Config,
    build=build,
    reference=REFERENCE,
    published=PUBLISHED,
    load=load_splits,
    inspect=lambda config, nets, train, test: accuracies(nets, test),
)
run, measure = RECIPE.run, RECIPE.measure


def predict(folder: RunFolder, source: str) -> Prediction:
    """What the net with both recurrences answers last to the symbols `source`, by itself; `extra` has all answers."""
    nets: Any = RECIPE.trained(folder)
    symbols, classes = encode(folder.data, str(source), "p___"), folder.data["classes"]
    x = torch.stack([symbols, torch.full_like(symbols, len(classes))], dim=2)
    with torch.inference_mode():
        said = {name: "".join(classes[number] for number in net.answers(x, 0)[0]) for name, net in nets.items()}
        model = nets[REFERENCE].model
        shares = model.by_itself(*nets[REFERENCE].encode(x))[0, -1].softmax(dim=0)
    ranked = by_share(shares, classes)
    return Prediction(input=str(source)[:200], label=said[REFERENCE][-1], probabilities=ranked, extra=said)


# --- times ----------------------------------------------------------------------------------------------------------


def update_seconds(net: Answering, steps: int, repeats: int = 7) -> float:
    """Processor seconds of a forward and backward pass over 32 sequences, the least of several; others do not count."""
    random = torch.Generator().manual_seed(0)
    x = torch.stack(
        [torch.randint(top, (TIMED_BATCH, steps), generator=random) for top in (net.symbols, net.model.num_classes)],
        dim=2,
    )
    times = []
    for _ in range(1 + repeats):
        start = process_time()
        net.zero_grad()
        cross_entropy(net(x), x[..., 1]).backward()
        times.append(process_time() - start)
    return min(times[1:])


def timings(folder: RunFolder, config: Config) -> dict[str, dict[str, float]]:
    """`update_seconds` on one thread by length, measured once for a run and kept in its `timings.json`."""
    kept = folder.path / "timings.json"
    if kept.is_file():
        return dict(load_json(kept.read_text(encoding="utf-8")))
    prepare(replace(config, threads=1))
    nets: dict[str, Any] = dict(build(config, folder.data).items())
    output, hidden = nets["output"], nets["hidden"]
    timed = {
        "from the output, at once": output,
        "from the output, step by step": Answering(output.model, output.symbols, "own"),
        "from the state": hidden,
    }
    found = {name: {str(steps): update_seconds(net.train(), steps) for steps in TIMED} for name, net in timed.items()}
    write_text(kept, dump_json(found))
    return found


def draw(folder: RunFolder) -> list[Path]:
    """Right answers by net and kind of sequence, and the time of an update by length."""
    config, result = Config(**folder.config), folder.result
    pictures = []
    if result is not None:
        table = np.array([[result.metrics[f"{name}_{kind}_accuracy"] for kind in feedback.KINDS] for name in TITLES])
        pictures.append(
            plot.heatmap(
                folder.path / "answers.png",
                table,
                rows=list(TITLES.values()),
                columns=list(feedback.KINDS),
                title="Right answers",
            )
        )
    series = {
        name: (np.array([int(steps) for steps in found]), 1000 * np.array(list(found.values())))
        for name, found in timings(folder, config).items()
    }
    chart = Panel(
        series=series,
        title=f"An update of {TIMED_BATCH} sequences, one thread",
        xlabel="steps",
        ylabel="processor time, milliseconds",
        logx=True,
        logy=True,
    )
    return [*pictures, panels(folder.path / "times.png", [chart])]
