"""Batches of tensors that are resident in memory: index operations on whole tensors, no Python per example."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fathom import seeding
from fathom.errors import InputError, ShapeError

SHARE = 0.5  # of a GPU's free memory that a tensor may take to be kept there whole


def pixels(x: Tensor) -> Tensor:
    """Pictures as float in 0–1: bytes divided by 255, floats as they are, not copied.

    Args:
        x: `(..., channels, height, width)` of uint8 in 0–255, or of float in 0–1.
    """
    return x.float().div_(255) if x.dtype == torch.uint8 else x  # twice as fast as dividing bytes


def are_bytes(x: Tensor) -> bool:
    """Whether `x` holds pictures as bytes, `(examples, ..., channels, height, width)` of uint8."""
    return x.dtype == torch.uint8 and x.dim() >= 4


def placed(tensor: Tensor, device: torch.device | str) -> Tensor:
    """`tensor` on `device`; where it is, if it would take more than `SHARE` of a GPU's free memory."""
    device = torch.device(device)
    if device.type == "cuda" and tensor.device.type == "cpu" and tensor.nbytes > SHARE * _free(device):
        return tensor
    return tensor.to(device)


def _free(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0]


class Batches:
    """An iterable of one epoch at a time, whose place can be saved and put back.

    Each `for batch in batches` goes from the current position to the end of the current epoch; then the next epoch
    begins. `position` counts the batches handed out, the one being worked on included: a state saved after its step
    resumes with the next one. (Saved after an epoch's last step, it resumes at that epoch's end: the first loop is
    empty.) Use one iterator at a time.

    Args:
        tensors: each `(examples, ...)`, all with the same number of examples. Pictures kept as bytes (uint8 with four
            axes or more) come out as `pixels` of each batch; all others come out in their own type.
        batch_size: examples a batch, at least 1; the last batch of an epoch may be smaller.
        shuffle: a new permutation every epoch, drawn from `(seed, epoch)` alone; without it batches are views.
        seed: `0 <= seed < 2**32`.
        device: where batches come out, and where the tensors are kept if they fit; None leaves them where they are.
        limit: at most this many batches an epoch; 0 is all.
        drop_last: leave out a last batch that is smaller.

    Raises:
        ShapeError: the tensors have different numbers of examples.
        InputError: there is no tensor or no example, or a number is out of range.
    """

    def __init__(
        self,
        *tensors: Tensor,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        device: torch.device | str | None = None,
        limit: int = 0,
        drop_last: bool = False,
    ) -> None:
        if not tensors or tensors[0].dim() == 0:
            raise InputError("batches: expected at least one tensor (examples, ...), got none")
        total = len(tensors[0])
        if any(len(tensor) != total for tensor in tensors):
            raise ShapeError(f"batches: expected tensors of one length, got {[len(tensor) for tensor in tensors]}")
        if batch_size < 1:
            raise InputError(f"batch_size: expected at least 1, got {batch_size}")
        if limit < 0:
            raise InputError(f"limit: expected 0 (all batches) or more, got {limit}")
        whole = total // batch_size * batch_size if drop_last else total
        if whole == 0:
            reason = f"{total} examples do not fill a batch of {batch_size}" if total else "there are no examples"
            raise InputError(f"batches: expected at least one batch, but {reason}; give more data")
        self.tensors = tuple(placed(tensor, device) for tensor in tensors) if device is not None else tensors
        self.device = torch.device(device) if device is not None else tensors[0].device
        self._elsewhere = any(tensor.device.type != self.device.type for tensor in self.tensors)
        self._bytes = any(map(are_bytes, tensors))
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.examples = min(whole, limit * batch_size) if limit else whole  # in an epoch
        self.epoch = 0
        self.position = 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-self.examples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        orders = self._orders() if self.shuffle else None
        while self.position < len(self):
            start = self.position * self.batch_size
            stop = min(start + self.batch_size, self.examples)
            self.position += 1
            if orders is None:
                batch = tuple(tensor[start:stop] for tensor in self.tensors)
            else:
                batch = tuple(tensor.index_select(0, orders[tensor.device][start:stop]) for tensor in self.tensors)
            if self._elsewhere:
                batch = tuple(part.to(self.device) for part in batch)
            yield tuple(pixels(part) if are_bytes(part) else part for part in batch) if self._bytes else batch
        self.epoch += 1
        self.position = 0

    def _orders(self) -> dict[torch.device, Tensor]:
        """The current epoch's permutation, `(total,)` of int, on each device that holds tensors."""
        permutation = torch.randperm(len(self.tensors[0]), generator=seeding.generator(self.seed, self.epoch))
        return {device: permutation.to(device) for device in {tensor.device for tensor in self.tensors}}

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the position in it."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave.

        Raises:
            InputError: the position is past the end: the state is of batches of another size or number.
        """
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position <= len(self):
            raise InputError(
                f"batches: expected a position from 0 to {len(self)}, got {position}; is it another run's?"
            )
        self.epoch, self.position = epoch, position

    def __repr__(self) -> str:
        order = f"shuffled from seed {self.seed}" if self.shuffle else "in order"
        return f"Batches({len(self)} an epoch of {self.batch_size}, {self.examples:,} examples, {order})"
