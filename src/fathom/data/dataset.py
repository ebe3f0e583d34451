"""What a dataset is: its card (facts that need no bytes) and, once loaded, its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fathom.errors import DataError
from fathom.records import DataUsed

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a dataset.

    Args:
        name: the file's name, in any folder where it may lie.
        urls: mirrors, tried in this order; empty for a file that is shipped in the package.
        sha256: every accepted digest of the file's bytes; the first is that of the file at the `urls`.
        size: bytes of the file at the `urls`.
    """

    name: str
    urls: tuple[str, ...]
    sha256: tuple[str, ...]
    size: int


@dataclass(frozen=True, kw_only=True)
class Card:
    """The facts about a dataset.

    Args:
        name: under which `load` finds it.
        title: its name in the world.
        example: what one example is.
        splits: number of examples by split.
        licence: as its source states it.
        homepage: where to read more.
        files: what it is made of; empty for a generated set.
        sample: the registered set that stands in when the files can't be had; empty: none does.
        task: `classification` or `regression`.
        classes: names of the labels, in the order of their numbers.
        folder: its folder's name in `FATHOM_DATA`; empty: as the set.
        by_hand: how to get a set that nobody may offer for download; empty for the others.
    """

    name: str
    title: str
    example: str
    splits: Mapping[str, int]
    licence: str
    homepage: str = ""
    files: tuple[RemoteFile, ...] = ()
    sample: str = ""
    task: str = "classification"
    classes: tuple[str, ...] = ()
    folder: str = ""
    by_hand: str = ""


@dataclass(frozen=True)
class Dataset:
    """One split of a dataset, resident in memory.

    Args:
        card: the facts; of the sample, when a sample stands in.
        split: `train` or `test`.
        tensors: `x` and `y` first, in this order; the first axis of each is `examples`. Pictures are float in 0–1, or
            uint8, of which `Batches` and `pixels` make that.
        used: which data these are, for the result to remember.
        about: all that prediction must know (classes, sizes, normalisation, columns), in plain values.
    """

    card: Card
    split: str
    tensors: dict[str, Tensor]
    used: DataUsed
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tensors["x"])

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {tuple(tensor.shape)}" for name, tensor in self.tensors.items())
        return f"Dataset({self.used.name} {self.split}, {len(self):,} examples, {shapes})"

    def at(self, places: Tensor | slice) -> Dataset:
        """The examples at `places`, `(chosen,)` of int64, in their order; what is said of the whole set stays."""
        return replace(self, tensors={name: tensor[places] for name, tensor in self.tensors.items()})

    def require_images(self) -> Dataset:
        """This set, if its `x` is `(examples, channels, height, width)`.

        Raises:
            DataError: its examples are rows of numbers.
        """
        shape = tuple(self.tensors["x"].shape)
        if len(shape) != 4:
            raise DataError(
                f"{self.used.name}: expected pictures (examples, channels, height, width), got {shape}; "
                "give images:DIR, fashion-mnist or mnist"
            )
        return self
