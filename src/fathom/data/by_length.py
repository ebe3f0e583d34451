"""Batches of rows of like length, without the padding that a longer row would ask for."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fathom.data.batches import Batches


class BatchesByLength:
    """Batches of rows that are about as long, in another order every epoch; each is cut to its longest row.

    Which rows make a batch is settled once: those that lie together when all are sorted by length, those of one length
    in their own order. A state is saved and put back as that of `Batches`.

    Args:
        tensors: each `(examples, steps, ...)`, all with the same number of examples and of steps.
        lengths: `(examples,)` of int, how many steps of each row count.
        batch_size, seed, device, limit: as of `Batches`.

    Raises:
        ShapeError, InputError: as `Batches`.
    """

    def __init__(
        self,
        *tensors: Tensor,
        lengths: Tensor,
        batch_size: int,
        seed: int = 0,
        device: torch.device | str | None = None,
        limit: int = 0,
    ) -> None:
        order = lengths.argsort(stable=True)
        self.ends = lengths[order]
        self.rows = Batches(*(tensor[order] for tensor in tensors), batch_size=batch_size, device=device)
        chosen = torch.arange(len(self.rows))
        self.numbers = Batches(chosen, batch_size=1, shuffle=True, seed=seed, limit=limit)
        self.device, self.batch_size = self.rows.device, batch_size
        self.examples = min(len(lengths), len(self.numbers) * batch_size)

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self.numbers)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for (number,) in self.numbers:
            rows = slice(int(number) * self.batch_size, (int(number) + 1) * self.batch_size)
            longest = int(self.ends[rows][-1])
            yield tuple(tensor[rows, :longest] for tensor in self.rows.tensors)

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the position in it."""
        return self.numbers.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave; InputError as of `Batches`."""
        self.numbers.load_state_dict(state)

    def __repr__(self) -> str:
        return f"BatchesByLength({len(self)} an epoch of {self.batch_size}, {self.examples:,} examples)"
