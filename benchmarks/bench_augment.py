"""Batches of pictures varied at random, from bytes to what the network takes: whole batches at once, by fathom and by
kornia, against picture after picture, by kornia, by Pillow and by torch's own functions, as a dataset's transforms are
written; and what that is of a training step.

Each has the same picture operations and draws its own random numbers. Rows by Pillow begin with bytes, those by torch
with floats; all end in one float tensor.
"""

import random
from collections.abc import Callable
from functools import partial

import kornia.augmentation as kornia
import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor, nn

from benchmarks.harness import Comparison, compare
from fathom import data
from fathom.data import augment
from fathom.models.resnet_cifar import resnet20_cifar

BATCHES = ((128, 32), (16, 224))  # pictures, pixels a side
SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
STRENGTH, HUE = 0.4, 0.1

OfPillow = Callable[[Image.Image], Image.Image]


# --- one picture, by Pillow -----------------------------------------------------------------------------------------


def pillow_crop(image: Image.Image) -> Image.Image:
    width, height = image.size
    left, top = random.randint(0, 8), random.randint(0, 8)
    return ImageOps.expand(image, 4).crop((left, top, left + width, top + height))


def pillow_flip(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


def pillow_resized_crop(image: Image.Image) -> Image.Image:
    top, left, height, width = a_window(*image.size[::-1])
    return image.resize(image.size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))


def pillow_jitter(image: Image.Image) -> Image.Image:
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(random.uniform(1 - STRENGTH, 1 + STRENGTH))
    hue, saturation, value = image.convert("HSV").split()
    turn = np.uint8(round(255 * random.uniform(-HUE, HUE)) % 256)
    return Image.merge("HSV", (Image.fromarray(np.asarray(hue) + turn), saturation, value)).convert("RGB")


def to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def a_window(rows: int, columns: int) -> tuple[int, int, int, int]:
    """Top, left, height and width."""
    for _ in range(10):
        area = random.uniform(*SCALE) * rows * columns
        ratio = float(np.exp(random.uniform(*np.log(RATIO))))
        height, width = round((area / ratio) ** 0.5), round((area * ratio) ** 0.5)
        if 0 < height <= rows and 0 < width <= columns:
            return random.randint(0, rows - height), random.randint(0, columns - width), height, width
    return 0, 0, rows, columns


# --- one picture, by torch ------------------------------------------------------------------------------------------


def torch_crop(x: Tensor) -> Tensor:
    _, height, width = x.shape
    top, left = random.randint(0, 8), random.randint(0, 8)
    return nn.functional.pad(x, (4, 4, 4, 4))[:, top : top + height, left : left + width]


def torch_flip(x: Tensor) -> Tensor:
    return x.flip(-1) if random.random() < 0.5 else x


def torch_resized_crop(x: Tensor) -> Tensor:
    top, left, height, width = a_window(*x.shape[1:])
    part = x[None, :, top : top + height, left : left + width]
    return nn.functional.interpolate(part, x.shape[1:], mode="bilinear")[0]


# --- pipelines ------------------------------------------------------------------------------------------------------

JITTER = partial(kornia.ColorJitter, STRENGTH, STRENGTH, STRENGTH, HUE, p=1.0, order=(0, 1, 2, 3))
OF_KORNIA = {
    "crop": lambda size: kornia.RandomCrop(size, padding=4),
    "flip": lambda size: kornia.RandomHorizontalFlip(),
    "resized-crop": lambda size: kornia.RandomResizedCrop(size, SCALE, RATIO),
    "colour-jitter": lambda size: JITTER(),
    "rotate": lambda size: kornia.RandomRotation(15.0, p=1.0),
}
OF_PILLOW: dict[str, OfPillow] = {
    "crop": pillow_crop,
    "flip": pillow_flip,
    "resized-crop": pillow_resized_crop,
    "colour-jitter": pillow_jitter,
    "rotate": lambda image: image.rotate(random.uniform(-15, 15), Image.Resampling.BILINEAR),
}
OF_TORCH = {"crop": torch_crop, "flip": torch_flip, "resized-crop": torch_resized_crop}


def chain(functions: list[Callable], x: object) -> object:
    for function in functions:
        x = function(x)
    return x


def pipelines(text: str, pixels: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Every way to take bytes `(batch, 3, side, side)` through the transforms that `text` names."""
    names, size = text.split("+"), tuple(pixels.shape[2:])
    vary = augment.create(text)
    by_kornia = [OF_KORNIA[name](size) for name in names]
    by_pillow = [OF_PILLOW[name] for name in names]
    arrays = [np.ascontiguousarray(picture) for picture in pixels.permute(0, 2, 3, 1).numpy()]

    def ours() -> Tensor:
        return vary((data.pixels(pixels),))[0]

    def kornia_whole() -> Tensor:
        return chain(by_kornia, pixels / 255)

    def kornia_each() -> Tensor:
        return torch.cat([chain(by_kornia, picture[None] / 255) for picture in pixels])

    def pillow_each() -> Tensor:
        return torch.stack([to_tensor(chain(by_pillow, Image.fromarray(picture))) for picture in arrays])

    def torch_each() -> Tensor:
        return torch.stack([chain([OF_TORCH[name] for name in names], picture / 255) for picture in pixels])

    found = {
        "fathom, whole batches": ours,
        "kornia, whole batches": kornia_whole,
        "kornia, each picture": kornia_each,
        "Pillow, each picture": pillow_each,
    }
    return {**found, "torch, each picture": torch_each} if set(names) <= set(OF_TORCH) else found


def varied(text: str, pictures: int, side: int, rounds: int) -> Comparison:
    pixels = torch.randint(256, (pictures, 3, side, side), dtype=torch.uint8)
    peers = pipelines(text, pixels)
    for name, vary in peers.items():
        found = vary()
        assert found.shape == pixels.shape, name
        assert found.dtype == torch.float32, name
        assert 0 <= found.min() <= found.max() <= 1, name
    (name, ours), *_ = peers.items()
    del peers[name]
    return compare(f"{text}, {pictures} pictures of {side} × {side}", (name, ours), peers, rounds)


def step(text: str, pictures: int, rounds: int) -> Comparison:
    """A training step of ResNet-20 with augmentation and without."""
    pixels = torch.randint(256, (pictures, 3, 32, 32), dtype=torch.uint8)
    labels, loss = torch.randint(10, (pictures,)), nn.CrossEntropyLoss()

    def train(vary: augment.Transform | None) -> Callable[[], None]:
        network = resnet20_cifar()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)

        def update() -> None:
            batch = (data.pixels(pixels), labels)
            x, y = vary(batch) if vary is not None else batch
            optimizer.zero_grad()
            loss(network(x), y).backward()
            optimizer.step()

        return update

    title = f"training step of ResNet-20, {pictures} pictures of 32 × 32"
    return compare(title, (f"with {text}", train(augment.create(text))), {"without": train(None)}, rounds)


def run(rounds: int) -> list[Comparison]:
    random.seed(0)
    torch.manual_seed(0)
    return [
        *(
            varied(text, pictures, side, rounds)
            for pictures, side in BATCHES
            for text in ("crop+flip", "resized-crop+flip", "colour-jitter", "rotate")
        ),
        step("crop+flip", 128, rounds),
    ]
