"""Whether a classifier is right as often as it says: confidence beside accuracy.

Source: Guo, Pleiss, Sun and Weinberger 2017, "On Calibration of Modern Neural Networks", arXiv 1706.04599, section 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fathom.errors import InputError, ShapeError


@dataclass(frozen=True)
class Bin:
    """The examples whose confidence `p` lies in `low < p <= high`.

    Args:
        low: exclusive, but the lowest bin holds 0 too.
        high: inclusive.
        count: examples in it, at least 1.
        confidence: their mean probability of the class that they are taken for.
        accuracy: the share of them that is right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float

    @property
    def gap(self) -> float:
        """Accuracy less confidence: negative where the classifier is too sure of itself."""
        return self.accuracy - self.confidence


class Calibration:
    """Running sums of confidence and accuracy in equal bins of confidence.

    Args:
        bins: how many the range from 0 to 1 is cut into; the source takes 15.

    >>> calibration = Calibration(bins=2)
    >>> calibration.update(torch.tensor([[0.75, 0.25], [0.75, 0.25]]), torch.tensor([0, 1]))
    >>> calibration.expected_error  # right half of the time, with 0.75 confidence
    0.25
    """

    def __init__(self, bins: int = 15) -> None:
        if bins < 1:
            raise InputError(f"bins: expected at least 1, got {bins}")
        self.num_bins = bins
        self.reset()

    def update(self, probabilities: Tensor, target: Tensor) -> None:
        """Take in a batch.

        Args:
            probabilities: `(batch, classes)`; each row sums to 1.
            target: `(batch,)` of int.
        """
        confidence, predicted = probabilities.detach().cpu().double().max(dim=1)
        right = (predicted == target.cpu()).long()
        edges = torch.linspace(0, 1, self.num_bins + 1, dtype=torch.float64)
        place = torch.bucketize(confidence, edges[1:-1])
        self.counts.index_add_(0, place, torch.ones_like(place))
        self.right.index_add_(0, place, right)
        self.confidence.index_add_(0, place, confidence)

    def merge(self, other: "Calibration") -> None:
        """Take in all that another process has summed.

        Raises:
            ShapeError: it has another number of bins.
        """
        if other.num_bins != self.num_bins:
            raise ShapeError(f"merge: expected sums over {self.num_bins} bins, got {other.num_bins}")
        self.counts += other.counts
        self.right += other.right
        self.confidence += other.confidence

    @property
    def bins(self) -> list[Bin]:
        """The bins that hold examples, from the least confident."""
        rows = zip(self.counts.tolist(), self.confidence.tolist(), self.right.tolist(), strict=True)
        return [
            Bin(place / self.num_bins, (place + 1) / self.num_bins, count, confidence / count, right / count)
            for place, (count, confidence, right) in enumerate(rows)
            if count
        ]

    @property
    def expected_error(self) -> float:
        """ECE, equation 3: the mean of |accuracy - confidence| over the bins, each weighted by its examples."""
        total = max(1, int(self.counts.sum()))
        return float((self.right - self.confidence).abs().sum()) / total

    @property
    def maximum_error(self) -> float:
        """MCE, equation 5: |accuracy - confidence| of the worst bin; 0 before the first example."""
        return max((abs(entry.gap) for entry in self.bins), default=0.0)

    def reset(self) -> None:
        """Begin again from nothing."""
        self.counts = torch.zeros(self.num_bins, dtype=torch.int64)
        self.right = torch.zeros(self.num_bins, dtype=torch.int64)
        self.confidence = torch.zeros(self.num_bins, dtype=torch.float64)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return {name: getattr(self, name).tolist() for name in ("counts", "right", "confidence")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for name in ("counts", "right", "confidence"):
            setattr(self, name, torch.tensor(state[name], dtype=getattr(self, name).dtype))

    def __repr__(self) -> str:
        return f"Calibration({self.num_bins} bins, {int(self.counts.sum())} examples)"
