"""A neural programmer-interpreter learns from traces of short additions and adds numbers of hundreds of digits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, seeding
from fathom.data import addition_traces as traces
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.plot.panels import Panel, panels
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, load_model
from fathom.train.experiment import Task, experiment, held_out, measured_again
from fathom.train.supervised import Measure, evaluate

SECTION = "Goodfellow et al. 2016, 10.12; Reed and de Freitas 2016, 3.1.1"
DATA = "addition-traces"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "exact_sums_hundredfold",
        "value": None,
        "split": "generated pairs of numbers",
        "source": "Reed and de Freitas 2016, arXiv 1511.06279, 4.1 and 4.4",
        "note": "the paper adds without error to 3,000 digits after traces of up to 20, and prints no figure by length",
    },
]
TIMES = {"short": 1, "fourfold": 4, "twentyfold": 20, "hundredfold": 100}  # digits, over the most that were learnt
STEPS_A_DIGIT = 12  # one more than a right trace takes: a net that never ends is stopped
LONGEST = 4_000  # digits that predict takes; Python reads no more than 4,300
SHOWN = 200  # steps of a trace


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """An LSTM of 64 units, traces of 1,000 additions of up to 5 digits; Adam, from 0.006 to 0.

    Args:
        hidden_size: units of the LSTM.
        sums: pairs of numbers of each length that are added after an epoch.
    """

    hidden_size: int = 64
    sums: int = 5
    epochs: int = 16
    batch_size: int = 64
    lr: float = 0.006
    schedule: str = "linear"
    optimizer: str = "adam"
    clip: float = 1.0
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        for name in ("hidden_size", "sums"):
            self._check(name, at_least=1)


def build(config: Config) -> nn.Module:
    """The net."""
    net: nn.Module = models.on_rung(
        "programmer_interpreter",
        config.rung,
        programs=len(traces.PROGRAMS),
        vocab_size=traces.BLANK + 1,
        cells=len(traces.ROWS),
        actions=len(traces.ACTIONS),
        values=len(traces.VALUES),
        hidden_size=config.hidden_size,
    )
    return net


class Answer(nn.Module):
    """The net without the state that it hands on."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Map `(calls, steps, 5)` to logits `(calls, steps, outputs)`."""
        logits: Tensor = self.net(x)[0]
        return logits


def parts(net: Any, logits: Tensor) -> tuple[Tensor, ...]:
    """Logits of the end, the program, the action and its value, each `(..., choices)`."""
    return logits.split(net.sizes, dim=-1)


def trace_loss(config: Config) -> Measure:
    """The sum of four mean losses in nats: of the end, the program, the action and its value, where there is one."""
    layers = namespace(config.rung)
    whether, which = layers.BCEWithLogitsLoss(), layers.CrossEntropyLoss()
    sizes = (1, len(traces.PROGRAMS), len(traces.ACTIONS), len(traces.VALUES))

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        end, *others = logits.split(sizes, dim=-1)
        told = target[..., 0] >= 0
        total: Tensor = whether(end[told][:, 0], target[told][:, 0].to(end.dtype))
        for place, choice in enumerate(others, start=1):
            told = target[..., place] >= 0
            total = total + which(choice[told], target[told][:, place])
        return total

    return loss


def right_steps(logits: Tensor, target: Tensor) -> Tensor:
    """The share of steps at which all that is to be told is right."""
    sizes = (1, len(traces.PROGRAMS), len(traces.ACTIONS), len(traces.VALUES))
    end, *others = logits.split(sizes, dim=-1)
    guesses = [(end[..., 0] > 0).long(), *(choice.argmax(dim=-1) for choice in others)]
    right = torch.stack(guesses, dim=-1).eq(target).logical_or(target < 0).all(dim=-1)
    told = target[..., 0] >= 0
    return (right & told).sum() / told.sum()


def task(config: Config, inspect: Any = None) -> Task:
    """What is learnt."""
    return Task(
        build=lambda: Answer(build(config)),
        loss=trace_loss(config),
        measures={"accuracy": right_steps},
        inspect=inspect,
    )


# --- running programs -----------------------------------------------------------------------------------------------


@dataclass
class Interpreter:
    """Runs programs by a net.

    A call begins without a state, so what it does depends on what it has seen and on nothing else: an answer that was
    worked out once is kept under that, for the many short calls that are alike.

    Args:
        net: the `programmer_interpreter`, in evaluation mode.
        limit: steps after which a run that has not ended is given up.
    """

    net: Any
    limit: int
    known: dict[tuple[Any, ...], tuple[traces.Step | None, Any]] = field(default_factory=dict)

    def run(self, pad: traces.Pad, program: int = traces.ADD) -> Iterator[tuple[int, traces.Step]]:
        """Do what the net says, changing `pad`; gives each step when it has been done, after the depth of its call.

        Raises:
            InputError: it can't be done, or does not end.
        """
        stack: list[tuple[int, Any, Any]] = [(program, (), None)]  # of a call: its program, what it saw, its state
        done = 0
        while stack:
            program, before, state = stack.pop()
            seen = (*pad.seen(), program)
            path = (*before, seen) if len(before) < self.kept(program) else None
            step, state = self.next(seen, path, state)
            if step is None:
                continue
            done += 1
            if done > self.limit:
                raise InputError(f"expected the program to end within {self.limit} steps, it did not; train it longer")
            stack.append((program, path or before, state))
            if step.program == traces.ACT:
                pad.act(step.action, step.value)
            else:
                stack.append((step.program, (), None))
            yield len(stack) - (step.program != traces.ACT), step

    @staticmethod
    def kept(program: int) -> int:
        """How many steps of a call are looked up before they are worked out; those of ADD never repeat."""
        return 0 if program == traces.ADD else 6

    def next(self, seen: tuple[int, ...], path: Any, state: Any) -> tuple[traces.Step | None, Any]:
        """What a call does next, None where it ends, and the state then."""
        if path is not None and path in self.known:
            return self.known[path]
        logits, state = self.net(torch.tensor([[seen]]), state)
        end, program, action, value = parts(self.net, logits[0, 0])
        step = None if end.item() > 0 else traces.Step(*(int(choice.argmax()) for choice in (program, action, value)))
        if step is not None and step.program != traces.ACT:
            step = traces.Step(step.program)
        if path is not None:
            self.known[path] = step, state
        return step, state


def interpreted(net: Any, first: int, second: int) -> tuple[traces.Pad, list[tuple[int, traces.Step]], str]:
    """The digits when the net has added the numbers, the steps it did, each after its depth, and why it gave up."""
    pad, steps, reason = traces.Pad.of(first, second), [], ""
    limit = STEPS_A_DIGIT * (len(str(max(first, second))) + 2)
    try:
        for step in Interpreter(net, limit).run(pad):
            steps.append(step)
    except InputError as error:
        reason = str(error)
    return pad, steps, reason


def adds_up(net: Any, first: int, second: int) -> bool:
    """Whether the net adds them exactly; it is stopped at the first digit that is wrong."""
    pad, expected = traces.Pad.of(first, second), [int(digit) for digit in reversed(str(first + second))]
    limit = STEPS_A_DIGIT * (len(str(max(first, second))) + 2)
    try:
        for _ in Interpreter(net, limit).run(pad):
            if pad.rows[3] != expected[: len(pad.rows[3])]:
                return False
    except InputError:
        return False
    return pad.rows[3] == expected


@torch.inference_mode()
def exact_sums(config: Config, about: Mapping[str, Any], model: Any) -> dict[str, float]:
    """`exact_sums_…`: the share of pairs of as many digits as learnt, and of many times as many, added exactly.

    Longer ones are tried only if a shorter one came out right: an untrained net does not end.
    """
    training, device = model.training, next(model.parameters()).device
    model.eval().cpu()
    found, some = {}, True
    for name, times in TIMES.items():
        digits = times * int(about["digits"])
        pairs = traces.pairs(seeding.generator(0, 2, digits), config.sums, digits, fewest=digits)
        right = sum(adds_up(model.net, *pair) for pair in pairs) if some else 0
        found[f"exact_sums_{name}"], some = right / len(pairs), right > 0
    model.to(device).train(training)
    return found


# --- the recipe -----------------------------------------------------------------------------------------------------


def load_splits(config: Config) -> tuple[data.Dataset, data.Dataset]:
    """The calls to learn from, and others."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("kind") != "traces":
        raise InputError(f"{config.data}: expected traces, got {train.about.get('kind')}; give addition-traces")
    return train, test


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Learn what each call does next; `exact_sums_…` is the share of unseen sums that come out right to the digit."""
    train, test = load_splits(config)
    return experiment(
        "programmer-interpreter",
        config,
        task(config, partial(exact_sums, config, train.about)),
        train,
        test,
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
    )


def measure(folder: RunFolder) -> Result:
    """Measure the best net of a run again."""
    config = Config(**folder.config)
    _, test = load_splits(config)
    net, asked = load_model(folder, task(config).build), task(config)
    numbers = evaluate(net, held_out(test, config), {"loss": asked.loss, **asked.measures})
    numbers |= exact_sums(config, folder.data, net)
    return measured_again(folder, config, numbers, test.used, PUBLISHED, "the checkpoint of the best epoch")


def addends(source: str) -> tuple[int, int]:
    """The numbers in `123+989`.

    Raises:
        InputError: they are not two whole numbers, or too long.
    """
    numbers = [part.strip() for part in source.split("+")]
    if len(numbers) != 2 or not all(part.isascii() and part.isdecimal() for part in numbers):
        raise InputError(f"expected two whole numbers with + between, got {source[:40]!r}; as in 123+989")
    if max(map(len, numbers)) > LONGEST:
        raise InputError(f"expected numbers of up to {LONGEST:,} digits, got {max(map(len, numbers)):,}; shorten them")
    first, second = (int(part) for part in numbers)
    return first, second


def predict(folder: RunFolder, source: str) -> Prediction:
    """The sum of the two numbers in `source`; `extra` has the trace of calls, the first 200 of them."""
    first, second = addends(str(source))
    net: Any = load_model(folder, task(Config(**folder.config)).build)
    with torch.inference_mode():
        pad, steps, reason = interpreted(net.net, first, second)
    lines = ["  " * depth + traces.describe(step) for depth, step in steps[:SHOWN]]
    lines += ["…"] * (len(steps) > SHOWN)
    right = "yes" if pad.total() == str(first + second) else f"no, it is {first + second}"
    extra = {"right": right, "steps": len(steps), **({"gave up": reason} if reason else {})}
    return Prediction(input=str(source)[:200], label=pad.total(), extra={**extra, "trace": "\n".join(["ADD", *lines])})


def draw(folder: RunFolder) -> list[Path]:
    """Exact sums by epoch, for each length."""
    result = folder.result
    if result is None:
        return []
    epochs, digits = [record["epoch"] for record in result.history], int(folder.data["digits"])
    charts = [
        Panel(
            series={
                f"{times * digits} digits": (epochs, [record[f"exact_sums_{name}"] for record in result.history])
                for name, times in TIMES.items()
            },
            title=f"Exact sums; traces of up to {digits} digits",
            xlabel="epoch",
            ylim=(-0.03, 1.03),
            whole=True,
        ),
        Panel(
            series={
                "steps": (epochs, [record["test_accuracy"] for record in result.history]),
            },
            title="Right steps in unseen traces",
            xlabel="epoch",
            whole=True,
        ),
    ]
    return [panels(folder.path / "sums.png", charts)]
