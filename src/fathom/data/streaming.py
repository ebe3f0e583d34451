"""Batches cut anew from picture files in each epoch, decoded by worker processes, in an order that can be resumed."""

import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fathom import seeding
from fathom.data import store
from fathom.data.batches import pixels
from fathom.data.decoding import cores, in_8_bits, open_picture, reason
from fathom.data.picture_files import PictureFiles
from fathom.errors import DataError, InputError

MOST_WORKERS = 16


View = Callable[[Path, np.random.Generator], np.ndarray]
"""What is shown of a picture: `(3, side, side)` of uint8, or several squares, `(views, 3, side, side)`."""


@dataclass(frozen=True)
class RandomView:
    """A square from anywhere in the picture, brought to a random size before and mirrored half the time.

    Source: Simonyan and Zisserman 2014, arXiv 1409.1556, section 3.1 (scale jittering); He et al. 2015, section 3.4.

    Args:
        side: pixels of the square.
        shortest, longest: between which the picture's shorter side is drawn, in pixels.
    """

    side: int
    shortest: int
    longest: int

    def __call__(self, path: Path, random: np.random.Generator) -> np.ndarray:
        """`(3, side, side)` of uint8."""
        short = int(random.integers(self.shortest, self.longest, endpoint=True))
        across, down = random.random(2)
        image = opened_at(path, short)
        square = cut(image, short, self.side, across, down)
        return square[:, :, ::-1] if random.random() < 0.5 else square


@dataclass(frozen=True)
class FixedViews:
    """The middle of a picture; or, if there are ten, also its four corners, and all mirrored.

    Source: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", section 4.1.

    Args:
        side: pixels of a square.
        short: to which the picture's shorter side is brought, in pixels.
        count: 1 or 10.
    """

    side: int
    short: int
    count: int = 1

    def __call__(self, path: Path, random: np.random.Generator | None = None) -> np.ndarray:
        """`(3, side, side)` of uint8, or `(10, 3, side, side)`."""
        image = opened_at(path, self.short)
        middle = cut(image, self.short, self.side, 0.5, 0.5)
        if self.count == 1:
            return middle
        corners = [cut(image, self.short, self.side, across, down) for down in (0.0, 1.0) for across in (0.0, 1.0)]
        squares = np.stack([middle, *corners])
        return np.concatenate([squares, squares[..., ::-1]])


def opened_at(path: Path, short: int) -> Image.Image:
    """The picture in red, green and blue; of a JPEG no more is decoded than a shorter side of `short` pixels needs.

    Raises:
        ValueError: it can't be decoded.
    """
    try:
        with open_picture(path) as image:
            scale = short / min(image.size)
            image.draft("RGB", (round(image.width * scale), round(image.height * scale)))
            return in_8_bits(ImageOps.exif_transpose(image)).convert("RGB")
    except Exception as error:  # pillow's decoders raise almost anything on damaged files
        raise ValueError(reason(error)) from error


def cut(image: Image.Image, short: int, side: int, across: float, down: float) -> np.ndarray:
    """A square of the picture as it would be with a shorter side of `short`, `(3, side, side)` of uint8.

    Only the square is scaled, not the whole picture.

    Args:
        across, down: its place, from 0 (left, top) to 1 (right, bottom), at whole pixels of the scaled picture.
    """
    scale = min(image.size) / short  # pixels of the file in one of the scaled picture
    free = [max(0, round(length / scale) - side) for length in image.size]  # pixels by which the square may move
    left, top = (min(int(place * (room + 1)), room) * scale for place, room in zip((across, down), free, strict=True))
    box = (left, top, min(left + side * scale, image.width), min(top + side * scale, image.height))
    square = image.resize((side, side), Image.Resampling.BILINEAR, box=box)
    return np.asarray(square).transpose(2, 0, 1)


# --- batches --------------------------------------------------------------------------------------------------------

Example = tuple[np.ndarray, np.ndarray, int] | str
"""Views, three normal numbers, the label; or what was wrong with the file."""


class _Examples(Dataset[Example]):
    """An example by `(epoch, number)`, its random numbers drawn from both and the seed: any process gives the same."""

    def __init__(self, files: PictureFiles, view: View, seed: tuple[int, ...]) -> None:
        self.files, self.view, self.seed = files, view, seed

    def __getitem__(self, key: tuple[int, int]) -> Example:
        random = np.random.default_rng((*self.seed, *key))
        path = self.files.path(key[1])
        try:
            views = self.view(path, random)
        except ValueError as error:
            return f"{path}: could not be decoded as a picture ({error})"
        return views, random.standard_normal(3, dtype=np.float32), int(self.files.labels[key[1]])


def _collated(examples: list[Example]) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    good = [example for example in examples if not isinstance(example, str)]
    bad = [example for example in examples if isinstance(example, str)]
    if not good:
        return torch.empty(0), torch.empty(0), torch.empty(0), bad
    views, normals, labels = zip(*good, strict=True)
    return torch.from_numpy(np.stack(views)), torch.from_numpy(np.stack(normals)), torch.tensor(labels), bad


def _in_worker(number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training's process hears of it, and ends its workers


class Streamed:
    """An iterable of one epoch at a time over picture files, whose place can be saved and put back as of `Batches`.

    What a batch holds depends on the seed, the epoch and its place alone: not on the workers, nor on where it began.

    Args:
        files: the pictures.
        view: what is shown of each.
        batch_size: examples a batch, at least 1.
        shuffle: a new permutation every epoch, drawn from `(seed, epoch)`; else as they lie.
        colours: whether each batch also holds three normal numbers an example, by which its colours may be shifted.
        seed: `0 <= seed < 2**32`.
        stream: sets apart what is drawn from one seed for several purposes.
        device: where batches come out.
        limit: at most this many batches an epoch; 0 is all.
        workers: processes that decode; 0 takes one for each core, at most 16.

    Raises:
        InputError: a number is out of range.
    """

    def __init__(
        self,
        files: PictureFiles,
        view: View,
        *,
        batch_size: int,
        shuffle: bool = False,
        colours: bool = False,
        seed: int = 0,
        stream: int = 0,
        device: torch.device | str = "cpu",
        limit: int = 0,
        workers: int = 0,
    ) -> None:
        if batch_size < 1 or limit < 0 or workers < 0:
            wanted = "a batch_size of at least 1, a limit and workers of at least 0"
            raise InputError(f"streamed: expected {wanted}, got {batch_size}, {limit}, {workers}")
        self.files, self.view, self.batch_size = files, view, batch_size
        self.shuffle, self.colours, self.seed, self.stream = shuffle, colours, seed, stream
        self.device = torch.device(device)
        self.examples = min(len(files), limit * batch_size) if limit else len(files)  # in an epoch
        self.workers = workers or min(MOST_WORKERS, cores())
        self.epoch = 0
        self.position = 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return -(-self.examples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Batches `(x, y)` or `(x, normals, y)`.

        `x` is `(batch, 3, side, side)` of float in 0–1, with ten views `(batch, 10, 3, side, side)`; `normals` is
        `(batch, 3)`; `y` `(batch,)` of int64.

        Raises:
            DataError: a picture can't be decoded; with `skip_bad` it is left out of its batch.
        """
        for views, normals, y, bad in self._decoded() if self.position < len(self) else ():
            self.position += 1
            self._complain(bad)
            if len(y):
                x = pixels(views.to(self.device, non_blocking=True))
                rest = (normals, y) if self.colours else (y,)
                yield x, *(part.to(self.device, non_blocking=True) for part in rest)
        self.epoch += 1
        self.position = 0

    def _decoded(self) -> Iterator[Any]:
        """The batches of this epoch that are still to come."""
        order = torch.arange(len(self.files))
        if self.shuffle:
            order = torch.randperm(len(self.files), generator=seeding.generator(self.seed, self.stream, self.epoch))
        batches = order[: self.examples].split(self.batch_size)[self.position :]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores, as was asked
            loader = DataLoader(
                _Examples(self.files, self.view, (self.seed, self.stream)),
                batch_sampler=[[(self.epoch, number) for number in batch.tolist()] for batch in batches],
                num_workers=min(self.workers, len(batches)),
                collate_fn=_collated,
                pin_memory=self.device.type == "cuda",
                worker_init_fn=_in_worker,
                generator=torch.Generator(),  # else it would draw from torch's own
            )
            return iter(loader)

    def _complain(self, bad: list[str]) -> None:
        if bad and not self.files.skip_bad:
            raise DataError(f"{bad[0]}; remove it, or go on without it by --skip-bad (skip_bad=true)")
        for line in bad:
            store.say(f"{line}; it is left out")

    def state_dict(self) -> dict[str, Any]:
        """The epoch, and how many of its batches have been handed out; not those that wait in the workers."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the place that `state_dict` gave.

        Raises:
            InputError: the position is past the end.
        """
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position <= len(self):
            raise InputError(
                f"streamed: expected a position from 0 to {len(self)}, got {position}; is it another run's?"
            )
        self.epoch, self.position = epoch, position

    def __repr__(self) -> str:
        order = f"shuffled from seed {self.seed}" if self.shuffle else "in order"
        return f"Streamed({len(self)} an epoch of {self.batch_size}, {self.examples:,} pictures, {order})"
