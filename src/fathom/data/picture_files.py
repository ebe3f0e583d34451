"""Pictures that stay in their files and are decoded each time they are wanted, cut out anew: sets of any size."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fathom.data import cache
from fathom.errors import InputError
from fathom.records import DataUsed


@dataclass(frozen=True)
class PictureFiles:
    """One split of a set of picture files.

    Args:
        folder: in which the names are.
        names: `(examples,)` of bytes: paths below `folder`. One array, since a million Python strings would be copied
            into every process that decodes.
        labels: `(examples,)` of int64.
        used: which data these are. The digest is over names and labels: the files themselves are not read through.
        about: what prediction must know.
        skip_bad: whether pictures that can't be decoded are left out.
    """

    folder: Path
    names: np.ndarray
    labels: np.ndarray
    used: DataUsed
    about: dict[str, Any]
    skip_bad: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def path(self, number: int) -> Path:
        """Of one example."""
        return self.folder / os.fsdecode(self.names[number])

    def at(self, places: np.ndarray | Tensor) -> "PictureFiles":
        """The pictures at `places`, `(chosen,)` of int, in their order; what is said of the whole set stays."""
        chosen = np.asarray(places)
        return replace(self, names=self.names[chosen], labels=self.labels[chosen])

    @property
    def tensors(self) -> dict[str, Tensor]:
        """`x` `(examples, 3, 0, 0)`, since sizes differ and nothing is decoded yet, and `y` `(examples,)` of int64."""
        return {"x": torch.empty(len(self), 3, 0, 0), "y": torch.from_numpy(self.labels)}


def files(
    name: str,
    origin: str,
    folder: Path,
    classes: Sequence[str],
    pictures: Sequence[tuple[str, int]],
    split: str,
    skip_bad: bool = False,
) -> PictureFiles:
    """A set from paths below `folder` and numbers of classes.

    Raises:
        InputError: there is none.
    """
    if not pictures:
        raise InputError(f"{name}: expected pictures in the {split} split, got none; give more, or another test=")
    names = np.array([os.fsencode(path) for path, _ in pictures])
    labels = np.array([label for _, label in pictures], np.int64)
    digest = cache.digest_text(repr(classes) + names.tobytes().hex() + labels.tobytes().hex())
    used = DataUsed(name=name, origin=origin, path=str(folder), sha256={"names": digest}, sizes={split: len(names)})
    about = {"kind": "images", "classes": list(classes), "channels": 3, "mean": 0.0, "std": 1.0}
    return PictureFiles(folder, names, labels, used, about, skip_bad)
