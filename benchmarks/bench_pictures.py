"""A folder of JPEG files as training pictures of 3×224×224: images a second in the first epoch, which decodes, and in a
later one.

Ours decodes by as many threads as there are cores, once, and keeps bytes; every later epoch and run takes them from the
cache. The peer is a `torch.utils.data.DataLoader` with as many worker processes over a map-style dataset that opens a
file with Pillow, scales it and makes it float in 0–1: it does so in every epoch. Both hand out shuffled batches of 64.
Threads here are decoders; torch itself has as many. `cores busy` is processor time over wall time, workers included.

The last two rows are for pictures that are cut anew each time, as ImageNet's are: `Streamed` with a random square of a
random size, and the same DataLoader that scales the whole picture and cuts the square out of it.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.harness import Comparison, Timing
from fathom import data
from fathom.data import picture_cache, streaming

COUNT = 400  # JPEG files
LARGEST = (500, 400)  # width and height in pixels; the least are three quarters of it
SIDE, BATCH = 224, 64
SHORTEST, LONGEST = 256, 480


def photographs(folder: Path, count: int = COUNT) -> Path:
    """Smooth shades with grain, two classes, of about the bytes a pixel that photographs have."""
    random = np.random.default_rng(0)
    for number in range(count):
        width, height = (int(side * random.uniform(0.75, 1)) for side in LARGEST)
        small = Image.fromarray(random.integers(0, 256, (9, 12, 3), np.uint8)).resize((width, height), Image.BICUBIC)
        grain = random.normal(0, 6, (height, width, 1))
        pixels = (np.asarray(small) + grain).clip(0, 255).astype(np.uint8)
        path = folder / ("even", "odd")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, quality=85)
    return folder


class Folder(Dataset):
    """What one writes first: open, scale, divide by 255."""

    def __init__(self, folder: Path, cut: bool = False) -> None:
        self.paths, self.cut = sorted(folder.rglob("*.jpg")), cut

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        path = self.paths[number]
        with Image.open(path) as file:
            image = self.square(file.convert("RGB")) if self.cut else file.convert("RGB").resize((SIDE, SIDE))
        x = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return x, int(path.parent.name == "odd")

    def square(self, image: Image.Image) -> Image.Image:
        short = int(torch.randint(SHORTEST, LONGEST + 1, ()))
        scale = short / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        left, top = (int(torch.randint(0, length - SIDE + 1, ())) for length in image.size)
        image = image.crop((left, top, left + SIDE, top + SIDE))
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if torch.rand(()) < 0.5 else image


@dataclass
class Busy:
    """Wall and processor seconds of the measured runs of one contender."""

    wall: list[float]
    processor: list[float]

    def add(self, run: Callable[[], object]) -> None:
        before, start = os.times(), time.perf_counter()
        run()
        self.wall.append(time.perf_counter() - start)
        after = os.times()
        self.processor.append(sum(after[:4]) - sum(before[:4]))

    def timing(self, name: str) -> Timing:
        cores = statistics.median(used / wall for used, wall in zip(self.processor, self.wall, strict=True))
        speed = COUNT / statistics.median(self.wall)
        return Timing(f"{name}: {speed:,.0f} images/s, {cores:.1f} cores busy", tuple(self.wall))


def epoch(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Take every batch."""
    count = sum(len(y) for _, y in batches)
    assert count == COUNT


def run(rounds: int) -> list[Comparison]:
    """First and later epochs of ours and of the DataLoader, in turns, each round with an empty cache."""
    workers = torch.get_num_threads()
    kept = picture_cache.cores, os.environ.get("FATHOM_CACHE")
    with tempfile.TemporaryDirectory() as temporary:
        folder = photographs(Path(temporary, "photographs"))
        os.environ["FATHOM_CACHE"] = str(Path(temporary, "cache"))
        picture_cache.cores = lambda: workers
        spec = f"images:{folder},size={SIDE},channels=3,test=0"
        files = data.load_files(spec)
        view = streaming.RandomView(SIDE, SHORTEST, LONGEST)

        def first() -> None:
            shutil.rmtree(os.environ["FATHOM_CACHE"], ignore_errors=True)
            later()

        def later() -> None:
            train = data.load(spec)
            epoch(data.Batches(*train.tensors.values(), batch_size=BATCH, shuffle=True))

        def loader(cut: bool) -> Callable[[], None]:
            return lambda: epoch(DataLoader(Folder(folder, cut), BATCH, shuffle=True, num_workers=workers))

        def streamed() -> None:
            epoch(data.Streamed(files, view, batch_size=BATCH, shuffle=True, workers=workers))

        contenders: dict[str, Callable[[], None]] = {
            "first": first, "first again": first, "later": later, "later again": later, "loader": loader(False),
            "streamed": streamed, "streamed again": streamed, "cutting loader": loader(True),
        }  # fmt: skip
        try:
            found = turns(contenders, rounds)
        finally:
            picture_cache.cores = kept[0]
            os.environ.pop("FATHOM_CACHE")
            if kept[1] is not None:
                os.environ["FATHOM_CACHE"] = kept[1]
    peer = found["loader"].timing("DataLoader, any epoch")
    return [
        Comparison("first epoch", found["first"].timing("fathom, decoding"), found["first again"].timing(""), (peer,)),
        Comparison(
            "later epoch", found["later"].timing("fathom, from its cache"), found["later again"].timing(""), (peer,)
        ),
        Comparison(
            "squares cut anew", found["streamed"].timing("fathom, Streamed"), found["streamed again"].timing(""),
            (found["cutting loader"].timing("DataLoader that cuts"),),
        ),
    ]  # fmt: skip


def turns(contenders: dict[str, Callable[[], None]], rounds: int) -> dict[str, Busy]:
    """Each contender once a round, in an order shuffled anew, after one round that is not measured."""
    found = {name: Busy([], []) for name in contenders}
    random = np.random.default_rng(0)
    for number in range(rounds + 1):
        for name in random.permutation(list(contenders)):
            if number:
                found[name].add(contenders[name])
            else:
                contenders[name]()
    return found
