"""What a model answers to labelled examples: how sure, how right, and where it is most wrong."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fathom.diagnose.network import Network
from fathom.layers.evaluating import evaluating
from fathom.metrics import Calibration, Confusion
from fathom.train.supervised import autocast


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong answer.

    Args:
        example: its place among the examples.
        truth, predicted: numbers of classes.
        probability: that the model gave to what it predicted.
        of_truth: that it gave to the truth.
    """

    example: int
    truth: int
    predicted: int
    probability: float
    of_truth: float


@dataclass(frozen=True)
class Answers:
    """What a model has answered, one entry an example.

    Args:
        target: `(examples,)` of int, the true classes.
        predicted: `(examples,)` of int.
        probability: `(examples,)`, of the predicted class.
        of_truth: `(examples,)`, of the true class.
        rank: `(examples,)` of int, how many classes have a higher probability than the true one.
        confusion: counts of what was taken for what.
        calibration: confidence beside accuracy.
    """

    target: Tensor
    predicted: Tensor
    probability: Tensor
    of_truth: Tensor
    rank: Tensor
    confusion: Confusion
    calibration: Calibration

    def top(self, k: int) -> float:
        """The share of examples whose true class is among the `k` most probable ones."""
        return float((self.rank < k).double().mean())

    def worst(self, count: int = 12) -> list[Mistake]:
        """The wrong answers of which the model was most sure, the surest first; at most `count`."""
        wrong = (self.predicted != self.target).nonzero()[:, 0]
        order = wrong[self.probability[wrong].argsort(descending=True, stable=True)][:count]
        columns = (order, self.target[order], self.predicted[order], self.probability[order], self.of_truth[order])
        return [
            Mistake(example=example, truth=truth, predicted=predicted, probability=probability, of_truth=of_truth)
            for example, truth, predicted, probability, of_truth in zip(*(c.tolist() for c in columns), strict=True)
        ]


def ask(
    model: Network, batches: Iterable[tuple[Tensor, ...]], num_classes: int, *, bins: int = 15, precision: str = "fp32"
) -> Answers:
    """What `model`, in evaluation mode, answers to all examples of `batches`.

    Args:
        batches: `(x, target)`; at least one.
        num_classes: how many there are.
        bins: of the calibration.
        precision: of matrix products, as in training.
    """
    confusion, calibration = Confusion(num_classes), Calibration(bins)
    rows: list[tuple[Tensor, ...]] = []
    with torch.inference_mode(), evaluating(model):
        for x, target in batches:
            with autocast(precision, target.device):
                logits = model(x)
            probabilities = logits.float().softmax(dim=1).cpu()
            target = target.long().cpu()
            probability, predicted = probabilities.max(dim=1)
            of_truth = probabilities.gather(1, target[:, None])
            rank = (probabilities > of_truth).sum(dim=1)
            rows.append((target, predicted, probability, of_truth[:, 0], rank))
            confusion.update(predicted, target)
            calibration.update(probabilities, target)
    target, predicted, probability, of_truth, rank = (torch.cat(column) for column in zip(*rows, strict=True))
    return Answers(target, predicted, probability, of_truth, rank, confusion, calibration)


def one_of_each(target: Tensor, count: int) -> Tensor:
    """Places of `count` examples, of as many classes as there are: the first of each class, then the second of each.

    Args:
        target: `(examples,)` of int.
        count: how many are wanted; all, if there are fewer.
    """
    seen: dict[int, int] = {}
    turns = []
    for place, label in enumerate(target.tolist()):
        seen[label] = seen.get(label, 0) + 1
        turns.append((seen[label], label, place))
    return torch.tensor([place for _, _, place in sorted(turns)[:count]])
