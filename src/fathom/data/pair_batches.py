"""Batches of pairs of like lengths, by a number of pairs or of tokens, with what a decoder is given and should say."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fathom import seeding
from fathom.data.batches import placed
from fathom.data.pair_text import BOS
from fathom.data.pairs import PairDataset
from fathom.errors import InputError


class PairBatches:
    """Batches `(source, source_length, given, target)`, an epoch at a time, resumable as `Batches`.

    `source` is `(batch, source steps)`, `source_length` `(batch,)`, and `given` and `target` are `(batch, target
    steps)`: `target` is the translation with the end symbol, `given` the same one step later, behind `<bos>`. All are
    int64, cut to the batch's longest and filled up with `PAD`.

    Args:
        pairs: one split.
        batch_size: pairs a batch.
        shuffle: in another order every epoch, of batches and of the pairs that are equally long.
        seed: `0 <= seed < 2**32`.
        device: where to keep the tensors; None leaves them where they are.
        limit: at most this many batches an epoch; 0 is all.
        by_length: pairs that are about as long come together; False takes them as they come.
        tokens: instead of `batch_size`, as many pairs as fit into so many source tokens and so many target tokens, the
            padding counted; at least one.

    Raises:
        InputError: a number is out of range, there is no pair, or tokens are to be counted but not `by_length`.
    """

    def __init__(
        self,
        pairs: PairDataset,
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        device: torch.device | str | None = None,
        limit: int = 0,
        by_length: bool = True,
        tokens: int = 0,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size: expected at least 1, got {batch_size}")
        if limit < 0 or tokens < 0:
            raise InputError(f"batches: expected 0 (no limit) or more, got limit {limit} and tokens {tokens}")
        if tokens and not by_length:
            raise InputError("tokens: expected by_length=True, for batches by a number of tokens; got False")
        if not len(pairs):
            raise InputError("batches: expected at least one pair, got none; give more data")
        self.lengths = torch.stack([pairs.tensors["x_length"], pairs.tensors["y_length"]])
        self.rank = self._rank() if by_length else torch.zeros(len(pairs), dtype=torch.int64)
        self.stops = self._stops(batch_size, tokens)
        tensors = [pairs.tensors[name] for name in ("x", "y", "x_length")]
        self.x, self.y, self.x_length = tensors if device is None else (placed(tensor, device) for tensor in tensors)
        self.device = torch.device(device) if device is not None else self.x.device
        self.batch_size, self.shuffle, self.seed, self.tokens = batch_size, shuffle, seed, tokens
        self.batches = min(len(self.stops), limit or len(self.stops))
        self.epoch = 0
        self.position = 0

    def _rank(self) -> Tensor:
        """A number for each pair, `(pairs,)`, that grows with the target's length, and then with the source's."""
        source, target = self.lengths
        return target * (source.max() + 1) + source

    def _stops(self, batch_size: int, tokens: int) -> list[int]:
        """Where each batch ends among the ranked pairs; the same for every order of pairs of one rank."""
        total = self.lengths.shape[1]
        if not tokens:
            return [*range(batch_size, total, batch_size), total]
        stops, start, longest = [], 0, 0
        for place, (source, target) in enumerate(self.lengths[:, self.rank.argsort(stable=True)].T.tolist()):
            longest = max(longest, source, target)
            if place > start and (place + 1 - start) * longest > tokens:
                stops.append(place)
                start, longest = place, max(source, target)
        return [*stops, total]

    @property
    def examples(self) -> int:
        """Pairs an epoch; on average, if there is a limit."""
        return round(self.lengths.shape[1] * self.batches / len(self.stops))

    def __len__(self) -> int:
        """Batches an epoch."""
        return self.batches

    def rows(self) -> list[Tensor]:
        """Which rows of the dataset each batch of the current epoch has, `(batch,)` of int each."""
        total = len(self.rank)
        if self.shuffle:
            random = seeding.generator(self.seed, self.epoch)
            mixed = torch.randperm(total, generator=random)
            numbers = torch.randperm(len(self.stops), generator=random)
        else:
            mixed, numbers = torch.arange(total), torch.arange(len(self.stops))
        order = mixed[self.rank[mixed].argsort(stable=True)]
        starts = [0, *self.stops]
        return [order[starts[number] : self.stops[number]] for number in numbers[: self.batches].tolist()]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        rows = self.rows()
        while self.position < self.batches:
            chosen = rows[self.position]
            self.position += 1
            yield self.batch(chosen)
        self.epoch += 1
        self.position = 0

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The batch of these rows of the dataset."""
        source_steps, target_steps = self.lengths[:, rows].amax(dim=1).tolist()
        source = self._taken(self.x[:, :source_steps], rows)
        target = self._taken(self.y[:, :target_steps], rows)
        begin = target.new_full((len(rows), 1), BOS)
        return source, self._taken(self.x_length, rows), torch.cat([begin, target[:, :-1]], dim=1), target

    def _taken(self, tensor: Tensor, rows: Tensor) -> Tensor:
        return tensor.index_select(0, rows.to(tensor.device)).to(self.device, torch.int64)

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the position in it."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave; InputError if it is past the end."""
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position <= len(self):
            raise InputError(
                f"batches: expected a position from 0 to {len(self)}, got {position}; is it another run's?"
            )
        self.epoch, self.position = epoch, position

    def __repr__(self) -> str:
        size = f"up to {self.tokens:,} tokens" if self.tokens else f"{self.batch_size} pairs"
        return f"PairBatches({len(self)} an epoch of {size}, {self.examples:,} examples)"
