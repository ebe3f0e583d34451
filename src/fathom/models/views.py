"""Several views of one picture, answered as one."""

import math

import torch
from torch import Tensor, nn


def mean_of_views(logits: Tensor) -> Tensor:
    """The logarithm of the mean probabilities: `(batch, views, classes)` to `(batch, classes)`.

    Source: Krizhevsky et al. 2012, section 4.1, which averages what the softmax gives for ten crops.
    """
    return logits.log_softmax(dim=-1).logsumexp(dim=1) - math.log(logits.shape[1])


class Mirrored(nn.Module):
    """A classifier that is shown every picture twice, as it is and with left and right exchanged.

    Args:
        model: maps pictures `(batch, channels, height, width)` to logits `(batch, classes)`.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, height, width)` to `mean_of_views` of both, `(batch, classes)`."""
        return mean_of_views(torch.stack([self.model(x), self.model(x.flip(-1))], dim=1))
