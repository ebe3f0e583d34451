"""What the recipes that predict a number share: data, half the squared error, several models side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data
from fathom.errors import InputError
from fathom.layers import namespace
from fathom.records import Prediction, Result, RunFolder
from fathom.train import TrainConfig, evaluate, load_model
from fathom.train.experiment import Task, held_out, measured_again
from fathom.train.supervised import Measure


def load_splits(config: TrainConfig) -> tuple[data.Dataset, data.Dataset]:
    """The training and the test examples that `config.data` names, as rows of numbers with a number to predict each."""
    train, test = (data.load(config.data, split) for split in ("train", "test"))
    if train.about.get("classes"):
        raise InputError(f"{config.data} has classes, not numbers to predict; try fathom train softmax-regression")
    if train.tensors["x"].dim() != 2:
        raise InputError(f"{config.data}: expected rows of numbers (examples, columns); try csv:FILE,target=COLUMN")
    return only_x_and_y(train), only_x_and_y(test)


def only_x_and_y(dataset: data.Dataset) -> data.Dataset:
    """The set without what it tells besides its inputs and targets."""
    return replace(dataset, tensors={name: dataset.tensors[name] for name in ("x", "y")})


def squared_error(rung: str, factor: float = 1.0) -> Measure:
    """`factor` times the mean squared error, by that rung's loss; the book's chapters on scratch have 1/2."""
    loss = namespace(rung).MSELoss()
    return lambda outputs, target: factor * loss(outputs, target)


def measure_again(
    folder: RunFolder, config: TrainConfig, task: Task, published: Sequence[Mapping[str, Any]], *, best: bool
) -> Result:
    """Measure a run's model, of its best epoch or as it was at the end, on its test data again."""
    model = load_model(folder, task.build, best=best)
    _, test = load_splits(config)
    measures = {"loss": task.loss, **task.measures}
    measured = evaluate(model, held_out(test, config), measures, precision=config.precision)
    if task.inspect is not None:
        measured |= task.inspect(model)
    note = "the checkpoint of the best epoch" if best else "the last checkpoint"
    return measured_again(folder, config, measured, test.used, published, note)


def prediction(source: str | Path, values: Sequence[float], **extra: Any) -> Prediction:
    """The first value; `extra["rows"]` has them all where there are several."""
    rows = {"rows": list(values)} if len(values) > 1 else {}
    return Prediction(input=str(source)[:200], label=values[0], extra={**rows, **extra})


COUPLING = ("clip", "patience")  # settings that would let models that learn side by side act on each other


class SideBySide(nn.Module):
    """Several regressions that see the same batches and learn apart: `(batch, columns)` to `(batch, models)`.

    Under the sum of their losses each gets the gradient that it would get alone. That holds for every update rule
    that treats each number by itself, which is all of ours; not for a clipped norm.

    Args:
        models: each maps `(batch, its columns)` to `(batch, 1)`.
        columns: the first so many inputs are what each model sees.
    """

    def __init__(self, models: Sequence[nn.Module], columns: Sequence[int]) -> None:
        super().__init__()
        self.models, self.columns = nn.ModuleList(models), tuple(columns)

    def forward(self, x: Tensor) -> Tensor:
        """Every model's prediction in a column of its own."""
        return torch.cat([model(x[:, :count]) for model, count in zip(self.models, self.columns, strict=True)], dim=1)


def summed(error: Measure) -> Measure:
    """The sum over the columns of the outputs of each one's error."""

    def loss(outputs: Tensor, target: Tensor) -> Tensor:
        return error(outputs, target.expand_as(outputs)) * outputs.shape[1]

    return loss


def each(error: Measure, names: Sequence[str]) -> dict[str, Measure]:
    """The error of each column of the outputs, as `NAME_loss`."""

    def of(column: int) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda outputs, target: error(outputs[:, column : column + 1], target)

    return {f"{name}_loss": of(column) for column, name in enumerate(names)}


def best_name(result: Result | None, names: Sequence[str]) -> str:
    """The one of `names` with the least test loss; the first, while there is no result."""
    if result is None:
        return names[0]
    return min(names, key=lambda name: result.metrics[f"test_{name}_loss"])
