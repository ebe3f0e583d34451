"""What the recipes share that let several classifiers learn from the same batches, each by itself, and compare them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fathom import data, metrics, optim
from fathom.errors import InputError
from fathom.plot.panels import Panel, panels
from fathom.records import Result
from fathom.train import TrainConfig, evaluate
from fathom.train.config import STEP_FIELDS
from fathom.train.experiment import held_out
from fathom.train.supervised import Measure

UNUSED = (*STEP_FIELDS, "accumulate", "precision", "compile", "channels_last")
WHY_UNUSED = "several models learn side by side, each by the plain rule"


@dataclass(frozen=True)
class Rule:
    """How a contestant learns.

    Args:
        optimizer: an update rule's name.
        lr: its learning rate.
        schedule: the contestant's updates so far to a factor on the learning rate; None leaves that alone.
        batch_size: the batch that comes is learnt in parts of so many examples, an update each; 0 takes it whole.
        clip: greatest norm of its gradient; 0 does not clip.
    """

    optimizer: str
    lr: float
    schedule: optim.Schedule | None = None
    batch_size: int = 0
    clip: float = 0.0


def check_fixed(schedule: str) -> None:
    """InputError if a schedule watches a loss: several models have several."""
    if schedule.partition(",")[0] == "plateau":
        raise InputError("--schedule: expected one that is fixed, since several models learn; got plateau")


class Contest:
    """A step in which every contestant learns from the batch by itself; it is `Stateful`.

    A contestant whose loss or gradient is not finite is left as it is by that batch, and its loss counts as infinite:
    one that overflows ends neither the training nor the others. Only the reference must stay finite.

    Args:
        models: the contestants.
        reference: whose loss and accuracy also go by plain `loss` and `accuracy`.
        loss: `(logits, target)` to the batch's mean.
        rules: how each learns, by name, or how all do.
        groups: torch's parameter groups, with rates of their own, by name; of all others every parameter learns alike.
        score: `(outputs, target)` to what stands for a contestant's accuracy.
    """

    def __init__(
        self,
        models: nn.ModuleDict,
        reference: str,
        loss: Measure,
        rules: Rule | Mapping[str, Rule],
        groups: Mapping[str, list[dict[str, Any]]] | None = None,
        score: Measure = metrics.accuracy,
    ) -> None:
        self.models, self.reference, self.loss, self.score = models, reference, loss, score
        self.rules = dict.fromkeys(models, rules) if isinstance(rules, Rule) else dict(rules)
        learning = {name: [{"params": list(model.parameters())}] for name, model in models.items()} | dict(groups or {})
        self.optimizers = {
            name: optim.create(self.rules[name].optimizer, learning[name], self.rules[name].lr) for name in models
        }
        self.rates = {
            name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in self.optimizers.items()
        }
        self.updates = dict.fromkeys(models, 0)

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update each contestant from `(x, y)`; gives the losses and accuracies before the updates, by name."""
        values: dict[str, float | Tensor] = {}
        for name in self.models:
            values[f"{name}_loss"], values[f"{name}_accuracy"] = self.learn(name, *batch)
        return {"loss": values[f"{self.reference}_loss"], "accuracy": values[f"{self.reference}_accuracy"], **values}

    def learn(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """Let one contestant learn from the batch; the means of its losses and accuracies before each update."""
        size = self.rules[name].batch_size or len(x)
        if size >= len(x):
            return self.update(name, x, y)
        running = metrics.Running()
        for part in zip(x.split(size), y.split(size), strict=True):
            loss, accuracy = self.update(name, *part)
            running.update({"loss": loss, "accuracy": accuracy}, len(part[0]))
        means = running.means()
        return means["loss"], means["accuracy"]

    def update(self, name: str, x: Tensor, y: Tensor) -> tuple[float, float]:
        """One update of one contestant, if its numbers are finite; its loss and accuracy before it."""
        model, optimizer, rule = self.models[name], self.optimizers[name], self.rules[name]
        if rule.schedule is not None:
            for group, rate in zip(optimizer.param_groups, self.rates[name], strict=True):
                group["lr"] = rate * rule.schedule(self.updates[name])
        self.updates[name] += 1
        optimizer.zero_grad()
        logits = model(x)
        loss = self.loss(logits, y)
        value, accuracy = loss.item(), self.score(logits.detach(), y).item()
        if not math.isfinite(value):
            return math.inf, accuracy
        loss.backward()
        if all(bool(parameter.grad.isfinite().all()) for parameter in model.parameters() if parameter.grad is not None):
            self.amend(name, x, y)
            optimizer.step()
        return value, accuracy

    def amend(self, name: str, x: Tensor, y: Tensor) -> None:
        """What happens to one contestant's gradient, of the mean loss on `(x, y)`, before its update: clipping."""
        if self.rules[name].clip:
            optim.clip_grad_norm_(self.models[name].parameters(), self.rules[name].clip)

    def numbers(self) -> dict[str, float]:
        """What was counted while they learnt, for each epoch's record: nothing here."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The states of the update rules, and the updates done."""
        states = {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}
        return {"optimizers": states, "updates": dict(self.updates)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.updates = dict(state["updates"])


def compare(
    models: nn.ModuleDict,
    reference: str,
    test: data.Dataset,
    config: TrainConfig,
    loss: Measure,
    score: Measure,
) -> dict[str, float]:
    """Loss and accuracy of each contestant on the test examples, as `test_NAME_loss`; the reference's also without.

    Args:
        models: the contestants.
        reference: whose numbers go without a name too.
        test: of whose tensors `x` and `y` are looked at.
        config: of the run.
        loss: `(outputs, target)` to the batch's mean.
        score: `(outputs, target)` to the number that goes by the name of accuracy.
    """
    device = next(models.parameters()).device
    measures = {"loss": _finite_or_infinite(loss), "accuracy": score}
    examples = replace(test, tensors={name: test.tensors[name] for name in ("x", "y")})
    batches = held_out(examples, config, device)
    numbers: dict[str, float] = {}
    for name, model in models.items():
        numbers |= evaluate(model, batches, measures, prefix=f"test_{name}_")
    return {**{f"test_{what}": numbers[f"test_{reference}_{what}"] for what in measures}, **numbers}


def _finite_or_infinite(loss: Measure) -> Measure:
    """`loss`, with infinity where it is not a number: those are not equal to themselves."""
    return lambda outputs, target: loss(outputs, target).nan_to_num(nan=math.inf, posinf=math.inf)


def by_epoch(result: Result, metric: str, names: Mapping[str, str]) -> dict[str, tuple[list[float], list[float]]]:
    """`(epochs, values)` of `metric` (as `test_{}_accuracy`) for each contestant under its title, for a chart."""
    epochs = [record["epoch"] for record in result.history]
    return {
        title: (epochs, [record[metric.format(name)] for record in result.history]) for name, title in names.items()
    }


def draw_learning(path: Path, result: Result, titles: Mapping[str, str]) -> Path:
    """Training loss and test accuracy of each contestant by epoch.

    Args:
        titles: name to title of those that are shown.
    """
    charts = [
        Panel(
            series=by_epoch(result, "train_{}_loss", titles),
            title="Training loss, nats",
            xlabel="epoch",
            ylim=(0.0, 2.5),  # guessing among ten classes costs log 10 = 2.3
            whole=True,
            names=False,
        ),
        Panel(
            series=by_epoch(result, "test_{}_accuracy", titles),
            title="Test accuracy",
            xlabel="epoch",
            ylim=(0.0, 1.0),
            whole=True,
        ),
    ]
    return panels(path, charts)
