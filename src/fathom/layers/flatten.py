"""Axes joined to one."""

from torch import Tensor, nn


class Flatten(nn.Module):
    """Join the axes from `start_dim` to `end_dim`, both included; `(batch, ...)` becomes `(batch, features)`.

    Twin: `torch.nn.Flatten`.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, ...)` to `(batch, features)`."""
        return x.flatten(self.start_dim, self.end_dim)
