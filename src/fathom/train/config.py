"""The settings that every recipe shares."""

import dataclasses
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from torch import nn

from fathom import optim, registry
from fathom.errors import InputError

MACHINE_FIELDS = ("seed", "device", "threads", "compile", "channels_last", "rung", "data")
"""Fields in which a run may differ from the source and still have the source's settings."""

STEP_FIELDS = ("schedule", "warmup", "clip", "clip_value", "average")
"""Fields that only the usual step and `experiment` heed: a recipe with a step of its own refuses them by `keep`."""

MOST_THREADS = 1024  # with as many as the system will not start, OpenMP dies without a word


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What changes the numbers of a run.

    Args:
        epochs: times that all training examples are seen.
        batch_size: examples an update.
        lr: learning rate.
        optimizer: update rule: sgd, momentum (0.9), nesterov (0.9), adagrad, rmsprop, adadelta, adam, amsgrad, adamw,
            yogi, lars, lamb. Options follow as NAME,key=value, as in sgd,momentum=0.5 or adam,betas=0.9/0.98.
        schedule: course of the learning rate over the whole training: constant; linear, polynomial or cosine (to 0);
            factor, multi-factor or exponential (drops); inverse or inverse-square-root; cosine-restarts; one-cycle;
            plateau (drops when the test loss no longer falls). Options follow as NAME,key=value:
            multi-factor,milestones=0.5/0.75,factor=0.1; places are shares of the training below 1, else updates.
        warmup: updates in which the learning rate rises linearly from 0; the schedule begins after them.
        clip: greatest global norm of the gradient; 0 does not clip.
        clip_value: greatest absolute value of each number of the gradient, brought about before clip; 0 does not clip.
        average: of the weights, which testing, prediction and eval then use: ema (of every update; ema,decay=0.999)
            or swa (equal shares, once an epoch of the last part; swa,start=0.75); empty for the plain weights.
        accumulate: parts in which a batch goes through the model, to save memory.
        patience: epochs without a new best after which training stops; 0 goes on to the end.
        seed: of initial weights, shuffling and dropout.
        device: auto (the best there is), cpu, cuda, cuda:1, xpu or mps.
        precision: of matrix products: fp32, bf16, or fp16 with loss scaling.
        compile: let torch.compile fuse the model.
        channels_last: lay the channels of a pixel side by side in memory, for models that convolve pictures.
        rung: what the model is built from: torch (torch.nn), scratch (bare tensor operations), or, in some recipes,
            numpy (our own engine).
        data: a dataset's name, or your own as KIND:PATH[,key=value]; see fathom data list.
        limit: batches an epoch, in training and testing alike; 0 takes all.
        threads: processor threads; 0 takes what torch chooses.
    """

    epochs: int = 10
    batch_size: int = 256
    lr: float = 0.1
    optimizer: str = "sgd"
    schedule: str = "constant"
    warmup: int = 0
    clip: float = 0.0
    clip_value: float = 0.0
    average: str = ""
    accumulate: int = 1
    patience: int = 0
    seed: int = 0
    device: str = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    channels_last: bool = False
    rung: Literal["torch", "scratch", "numpy"] = "torch"
    data: str = ""
    limit: int = 0
    threads: int = 0

    RUNGS: ClassVar[tuple[str, ...]] = ("torch", "scratch")

    def __post_init__(self) -> None:
        """Check every range; InputError says which field, what was expected and what came."""
        for name in ("epochs", "batch_size", "accumulate"):
            self._check(name, at_least=1)
        for name in ("warmup", "patience", "limit", "clip", "clip_value"):
            self._check(name, at_least=0)
        if self.accumulate > self.batch_size:
            wanted = f"--accumulate: expected at most {self.batch_size}, the batch size"
            raise InputError(f"{wanted}, got {self.accumulate}; a part needs an example")
        self._check("threads", at_least=0, at_most=MOST_THREADS)
        self._check("seed", at_least=0, at_most=2**32 - 1)
        self._check("lr", above=0)
        optim.check(self.optimizer, self.lr, "torch" if self.rung == "torch" else "scratch")
        optim.create_schedule(self.schedule, self.epochs, self.warmup)  # they complain of what does not fit
        if self.average:
            optim.create_average(self.average, nn.Identity(), self.epochs, 1)
        for name, words in (("precision", ("fp32", "bf16", "fp16")), ("rung", self.RUNGS)):
            if getattr(self, name) not in words:
                raise registry.unknown(name, str(getattr(self, name)), words)

    def _check(
        self, name: str, *, at_least: float | None = None, above: float | None = None, at_most: float | None = None
    ) -> None:
        value = getattr(self, name)
        wanted = []
        if at_least is not None:
            wanted.append(f"at least {at_least:g}")
        if above is not None:
            wanted.append(f"above {above:g}")
        if at_most is not None:
            wanted.append(f"at most {at_most:.10g}")
        fits = (
            abs(value) <= sys.float_info.max  # finite, and no whole number that a float can't hold
            and (at_least is None or value >= at_least)
            and (above is None or value > above)
            and (at_most is None or value <= at_most)
        )
        if not fits:
            raise InputError(f"--{name.replace('_', '-')}: expected a number {' and '.join(wanted)}, got {value}")

    def keep(self, names: Iterable[str], why: str) -> None:
        """InputError if one of these fields is not left at the recipe's default, for which `why` is the reason."""
        defaults = {entry.name: entry.default for entry in dataclasses.fields(self)}
        for name in names:
            if getattr(self, name) != defaults[name]:
                expected = "nothing" if defaults[name] == "" else defaults[name]
                wanted = f"--{name.rstrip('_').replace('_', '-')}: expected {expected}, since {why}"
                raise InputError(f"{wanted}; got {getattr(self, name)}; leave it out")

    def for_reading(self) -> Self:
        """The same settings for a model that only answers: rung torch reads the weights of rung numpy."""
        return dataclasses.replace(self, rung="torch") if self.rung == "numpy" else self

    def changes(self) -> dict[str, Any]:
        """The fields that differ from the recipe's own settings and matter to a comparison with its source."""
        defaults = type(self)()
        return {
            entry.name: getattr(self, entry.name)
            for entry in dataclasses.fields(self)
            if entry.name not in MACHINE_FIELDS and getattr(self, entry.name) != getattr(defaults, entry.name)
        }
