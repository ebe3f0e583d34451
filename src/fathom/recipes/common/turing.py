"""What the recipes share in which a neural Turing machine and an LSTM learn a task of bits side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, models
from fathom.data import memory_tasks
from fathom.data.by_length import BatchesByLength
from fathom.data.loading import parse
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.plot.gates import over_steps
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import rivals
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener
from fathom.train.supervised import Measure

REFERENCE = "ntm"
TITLES = {"ntm": "NTM", "lstm": "LSTM"}
SHOWN = 100  # unseen sequences of each length that are tried


@dataclass(frozen=True, kw_only=True)
class TuringConfig(rivals.RivalConfig):
    """A neural Turing machine with a memory of 32 rows of 16 numbers, and an LSTM; Adam at 0.001, batches of 16.

    Both learn from the same batches of sequences of one length; the memory is of 128 rows when it is tested.

    Args:
        hidden_size: units of the machine's controller.
        lstm_size: units of the LSTM beside it.
        controller: of the machine, feed-forward or lstm.
        rows: rows of the memory in training.
        test_rows: rows of the memory in testing and prediction; a sequence must fit into them.
        width: numbers in a row.
        clip: greatest norm of each net's gradient by itself; 0 does not clip.
    """

    hidden_size: int = 100
    lstm_size: int = 256
    controller: Literal["feed-forward", "lstm"] = "feed-forward"
    rows: int = 32
    test_rows: int = 128
    width: int = 16
    epochs: int = 3
    batch_size: int = 16
    lr: float = 0.001

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("lstm_size", "width"):
            self._check(name, at_least=1)
        for name in ("rows", "test_rows"):
            self._check(name, at_least=3)


class Machine(nn.Module):
    """A neural Turing machine that answers alone, with another number of rows when it is tested."""

    def __init__(self, net: Any, test_rows: int) -> None:
        super().__init__()
        self.net, self.test_rows = net, test_rows

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, steps, features)` to logits `(batch, steps, answers)`."""
        logits: Tensor = self.net(x, rows=0 if self.training else self.test_rows)[0]
        return logits


class Rival(nn.Module):
    """A recurrent tagger that answers alone."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, steps, features)` to logits `(batch, steps, answers)`."""
        logits: Tensor = self.net(x)[0]
        return logits


def answers(about: Mapping[str, Any]) -> int:
    """Bits of an answer."""
    return int(about["bits"]) + (about["task"] == memory_tasks.REPEAT.name)


def build(config: Any, about: Mapping[str, Any]) -> nn.ModuleDict:
    """The machine and the LSTM."""
    sizes = int(about["bits"]) + 2, answers(about)
    machine = models.on_rung(
        "neural_turing_machine",
        config.rung,
        in_features=sizes[0],
        out_features=sizes[1],
        controller=config.controller,
        hidden_size=config.hidden_size,
        rows=config.rows,
        width=config.width,
    )
    rival = models.on_rung(
        "recurrent_tagger",
        config.rung,
        in_features=sizes[0],
        num_classes=sizes[1],
        cell="lstm",
        hidden_size=config.lstm_size,
    )
    return nn.ModuleDict({"ntm": Machine(machine, config.test_rows), "lstm": Rival(rival)})


def asked_loss(config: Any) -> Measure:
    """Binary cross-entropy in nats a bit, over the bits that are asked."""
    loss = namespace(config.rung).BCEWithLogitsLoss(reduction="none")

    def mean(logits: Tensor, target: Tensor) -> Tensor:
        asked = target >= 0
        total: Tensor = (loss(logits, target.clamp_min(0)) * asked).sum()
        return total / asked.sum()

    return mean


def right_bits(logits: Tensor, target: Tensor) -> Tensor:
    """The share of right bits among those that are asked."""
    asked = target >= 0
    return (((logits > 0) == (target > 0.5)) & asked).sum() / asked.sum()


# --- data -----------------------------------------------------------------------------------------------------------


def vectors(about: Mapping[str, Any]) -> int:
    """How many vectors the longest sequence shows, for each of which the memory may need a row."""
    return int(about["length"]) * (memory_tasks.ITEM + 1 if about["task"] == memory_tasks.RECALL.name else 1)


def check_room(shown: int, rows: int, option: str) -> None:
    """InputError if more vectors are shown than the memory has rows."""
    if shown > rows:
        wanted = f"{option}: expected a row of the memory for each of {shown} vectors"
        raise InputError(f"{wanted}, got {rows} rows; give shorter sequences or more rows")


def load_splits(task: str, config: TuringConfig) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test sequences, which must be of this task and fit into the memory."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("task") != task:
        raise InputError(f"{config.data}: expected the task {task}, got {train.used.name}; give {task},length=10")
    check_room(vectors(train.about), config.rows, "--rows")
    return train, test


def otherwise(name: str, **changes: int) -> data.Dataset:
    """Unseen sequences of the same task with other options."""
    spec = parse(name)
    options = {**spec.options, "examples": SHOWN, **changes}
    return data.load(",".join([spec.target, *(f"{key}={value}" for key, value in options.items())]), "test")


Trials = Callable[[Mapping[str, Any]], Mapping[str, Mapping[str, int]]]
"""What `data.json` holds to the options of each set of unseen sequences, by a name that a metric may bear."""


def ends(y: Tensor) -> Tensor:
    """How many steps of each row count, `(examples,)`: up to the last that is asked."""
    steps = torch.arange(1, y.shape[1] + 1)
    return ((y >= 0).any(dim=2) * steps).amax(dim=1)


def by_length(config: TuringConfig, train: data.Dataset, device: torch.device) -> BatchesByLength:
    """Batches of sequences of one length."""
    x, y = train.tensors["x"], train.tensors["y"]
    return BatchesByLength(
        x, y, lengths=ends(y), batch_size=config.batch_size, seed=config.seed, device=device, limit=config.limit
    )


@torch.no_grad()
def wrong_bits(nets: nn.ModuleDict, tests: Mapping[str, data.Dataset]) -> dict[str, float]:
    """`NET_errors_TRIAL`: the share of wrong bits of each net in each set of sequences."""
    device, found = rivals.device_of(nets), {}
    for trial, test in tests.items():
        x, y = (test.tensors[name].to(device) for name in ("x", "y"))
        for name, net in nets.items():
            training = net.training
            found[f"{name}_errors_{trial}"] = 1 - right_bits(net.eval()(x), y).item()
            net.train(training)
    return found


# --- the recipe -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Turing:
    """What the module of such a recipe offers: `run`, `measure`, `predict` and `draw`.

    Args:
        recipe: its name.
        task: the name of its data.
        config: the class of its settings.
        published: the source's figures.
        trials: which unseen sequences are tried after each epoch; the heads are drawn on the second.
        titles: of the trials, by name, for the pictures.
        encode: makes `x` and `y` of one row from what the user wrote, and how many vectors that shows.
    """

    recipe: str
    task: str
    config: type[TuringConfig]
    published: Sequence[Mapping[str, Any]]
    trials: Trials
    titles: Mapping[str, str]
    encode: Callable[[Mapping[str, Any], str], tuple[Tensor, Tensor, int]]

    def tests(self, config: TuringConfig, about: Mapping[str, Any]) -> dict[str, data.Dataset]:
        """The sequences of every trial."""
        tests = {name: otherwise(config.data, **options) for name, options in self.trials(about).items()}
        for name, test in tests.items():
            check_room(vectors(test.about), config.test_rows, f"--test-rows ({name})")
        return tests

    @property
    def contest(self) -> ContestRecipe:
        """The contest without its trials."""
        return ContestRecipe(
            recipe=self.recipe,
            config=self.config,
            build=build,
            reference=REFERENCE,
            published=self.published,
            load=partial(load_splits, self.task),
            loss=asked_loss,
            score=right_bits,
            make_batches=by_length,
        )

    def tried(self, config: TuringConfig) -> ContestRecipe:
        """The contest with `wrong_bits` of all trials in its records."""
        splits = load_splits(self.task, config)
        tests = self.tests(config, splits[0].about)
        return replace(self.contest, load=lambda _: splits, inspect=lambda _, nets, *splits: wrong_bits(nets, tests))

    def run(
        self, config: TuringConfig, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()
    ) -> Result:
        """Train both on the same sequences; `NET_errors_TRIAL` is the share of wrong bits in unseen ones."""
        return self.tried(config).run(config, folder, listeners=listeners)

    def measure(self, folder: RunFolder) -> Result:
        """Compare a run's nets on unseen sequences again."""
        return self.tried(self.config(**folder.config)).measure(folder)

    def predict(self, folder: RunFolder, source: str) -> Prediction:
        """What the machine answers to the bits in `source`; `extra` has how many are wrong, and the LSTM's answer."""
        config, text = self.config(**folder.config), str(source)
        x, y, shown = self.encode(folder.data, text)
        check_room(shown, config.test_rows, "the sequence")
        nets = self.contest.trained(folder)
        with torch.inference_mode():
            logits = {name: net(x) for name, net in nets.items()}
        asked = (y >= 0).any(dim=2)[0]
        said = {name: written(values[0, asked] > 0) for name, values in logits.items()}
        wrong = {
            f"{TITLES[name]}, wrong bits": int(((values > 0) != (y > 0.5))[0, asked].sum())
            for name, values in logits.items()
        }
        extra = {"bits": int(asked.sum()) * y.shape[2], **wrong, "LSTM": said["lstm"]}
        return Prediction(input=text[:200], label=said["ntm"], extra=extra)

    def draw(self, folder: RunFolder) -> list[Path]:
        """Errors by epoch; what was asked and answered; where the heads looked, by content and in the end."""
        config, result = self.config(**folder.config), folder.result
        if result is None:
            return []
        nets, tests = self.contest.trained(folder), self.tests(config, folder.data)
        pictures = [self._draw_errors(folder.path / "errors.png", result)]
        for trial, test in tests.items():
            x, y = test.tensors["x"][:1], test.tensors["y"][:1]
            steps = int(ends(y)[0])
            row = x[:, :steps], y[:, :steps]
            pictures.append(draw_answers(folder.path / f"answers_{trial}.png", nets, *row, self.titles[trial]))
            if trial == list(tests)[1]:
                pictures.append(draw_heads(folder.path / "heads.png", nets["ntm"], row[0], self.titles[trial]))
        return pictures

    def _draw_errors(self, path: Path, result: Result) -> Path:
        epochs = [record["epoch"] for record in result.history]
        charts = [
            Panel(
                series={
                    title: (epochs, [100 * record[f"{name}_errors_{trial}"] for record in result.history])
                    for name, title in TITLES.items()
                },
                title=f"Wrong bits, %: {self.titles[trial]}",
                xlabel="epoch",
                ylim=(0.0, 55.0),
                whole=True,
            )
            for trial in self.titles
        ]
        return panels(path, charts)


# --- pictures and words ---------------------------------------------------------------------------------------------


def written(bits: Tensor) -> str:
    """Vectors `(vectors, bits)` as digits, with blanks between."""
    return " ".join("".join(str(int(bit)) for bit in vector) for vector in bits)


def vectors_of(text: str, bits: int) -> Tensor:
    """What `written` writes, `(1, vectors, bits)`.

    Raises:
        InputError: there is no vector, or one that is not so many 0 and 1.
    """
    words = text.split()
    wrong = [word for word in words if len(word) != bits or set(word) - {"0", "1"}]
    if not words or wrong:
        got = repr(wrong[0]) if wrong else "none"
        example = "10" * (bits // 2) + "1" * (bits % 2)
        raise InputError(f"expected vectors of {bits} bits with blanks between, got {got}; as in {example}")
    return torch.tensor([[[float(bit) for bit in word] for word in words]])


def draw_answers(path: Path, nets: nn.ModuleDict, x: Tensor, y: Tensor, title: str) -> Path:
    """What is shown, what is asked, and what each net is how sure of, over the steps of one sequence."""
    asked = (y >= 0).any(dim=2)[0]
    with torch.inference_mode():
        said = {name: net(x)[0].sigmoid() * asked[:, None] for name, net in nets.items()}
    maps = {"shown": x[0], "asked": y[0].clamp_min(0), **{TITLES[name]: values for name, values in said.items()}}
    return over_steps(path, {name: values.T for name, values in maps.items()}, labels(x), ylabel="bits", title=title)


def labels(x: Tensor) -> list[str]:
    """A number below every fifth step, from 1."""
    return [str(step) if step % 5 == 0 or step == 1 else "" for step in range(1, x.shape[1] + 1)]


def draw_heads(path: Path, machine: Any, x: Tensor, title: str) -> Path:
    """Of the write and the read head: where the content pointed, where it looked, and how far it went by content."""
    with torch.inference_mode():
        _, _, looks = machine.net.trace(x, rows=machine.test_rows)
    weights = torch.stack([look.weights[0] for look in looks], dim=2)  # (heads, rows, steps)
    content = torch.stack([look.content[0] for look in looks], dim=2)
    gates = torch.stack([look.gates[0, :, 0] for look in looks], dim=1)
    rows = in_use(weights.amax(dim=(0, 2)).numpy() > 0.1)
    maps = {}
    for head, name in ((1, "write head"), (0, "read head")):
        maps[f"{name}: rows that the content points to"] = content[head, rows]
        maps[f"{name}: rows that it looks at"] = weights[head, rows]
    maps["gates, of the write head above, of the read head below: 1 goes by content, 0 by place"] = gates.flip(0)
    return over_steps(path, maps, labels(x), ylabel="", title=title)


def in_use(used: np.ndarray) -> np.ndarray:
    """The numbers of the rows in use and of those between, without the longest unused stretch of the circle.

    Args:
        used: `(rows,)` of bool; the last row is next to the first.
    """
    places = np.flatnonzero(used)
    if len(places) == 0:
        return np.arange(len(used))
    gaps = np.diff(np.append(places, places[0] + len(used)))
    widest = int(gaps.argmax())
    first = places[(widest + 1) % len(places)]
    return (first + np.arange(len(used) - gaps[widest] + 1)) % len(used)
