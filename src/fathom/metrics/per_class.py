"""What is taken for what, class by class: a running confusion matrix, and precision, recall and F1 from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fathom.errors import ShapeError
from fathom.metrics.classification import confusion


@dataclass(frozen=True)
class PerClass:
    """How well each class is told, by its number.

    Args:
        precision: `(classes,)` of float64 in 0–1: of those taken for the class, the share that is; 0 if none is.
        recall: `(classes,)` of float64 in 0–1: of the class, the share that is found; 0 if it has no example.
        f1: `(classes,)` of float64 in 0–1: the harmonic mean of the two; 0 where both are.
        support: `(classes,)` of int64: examples of the class.
    """

    precision: Tensor
    recall: Tensor
    f1: Tensor
    support: Tensor


class Confusion:
    """Counts of `(true class, predicted class)` over the examples seen so far.

    >>> matrix = Confusion(2)
    >>> matrix.update(torch.tensor([1, 1, 0]), torch.tensor([1, 0, 0]))
    >>> matrix.counts.tolist()
    [[1, 1], [0, 1]]
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.reset()

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Take in a batch; both are `(batch,)` of int."""
        self.counts += confusion(predicted, target, self.num_classes).cpu()

    def merge(self, other: "Confusion") -> None:
        """Take in all that another process has counted.

        Raises:
            ShapeError: it has counted another number of classes.
        """
        if other.num_classes != self.num_classes:
            raise ShapeError(f"merge: expected counts of {self.num_classes} classes, got {other.num_classes}")
        self.counts += other.counts

    def per_class(self) -> PerClass:
        """Precision, recall, F1 and support of each class."""
        right, support, taken = self.counts.diag(), self.counts.sum(dim=1), self.counts.sum(dim=0)
        return PerClass(_share(right, taken), _share(right, support), _share(2 * right, support + taken), support)

    def reset(self) -> None:
        """Begin again from nothing."""
        self.counts = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"counts": self.counts.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.counts = torch.tensor(state["counts"], dtype=torch.int64)

    def __repr__(self) -> str:
        return f"Confusion({self.num_classes} classes, {int(self.counts.sum())} examples)"


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """`part / whole` in float64, 0 where there is nothing."""
    return part.double() / whole.clamp(min=1).double()
