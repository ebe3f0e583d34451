"""Dropout as a layer."""

from torch import Tensor, nn

from fathom.errors import InputError
from fathom.ops.dropout import dropout


class Dropout(nn.Module):
    """In training each entry becomes 0 with probability `p`, else is divided by `1 - p`; in evaluation nothing happens.

    Twin: `torch.nn.Dropout`. Source: Srivastava et al. 2014; Dive into Deep Learning, "Dropout".

    Args:
        p: `0 <= p <= 1`.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise InputError(f"p: expected a probability from 0 to 1, got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Map any shape to the same."""
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability, for `repr`."""
        return f"p={self.p}"
