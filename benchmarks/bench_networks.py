"""A training step of each network of the book's chapter on modern convolutional networks, beside plain eager code.

A step is forward, cross-entropy, backward and SGD, on images of one channel that belong to 10 classes. `plain` is the
same network as one writes it with torch.nn alone, in this file. Before anything is timed, both get the same weights and
have to give the same outputs and gradients. `channels_last` is ours with pictures and kernels in that order in memory;
FATHOM_BENCH_COMPILE=1 adds ours under torch.compile. FATHOM_BENCH_NETWORKS=nin,resnet18 takes some networks only.
"""

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.harness import Comparison, compare
from fathom import models
from fathom.train import supervised
from fathom.train.channels_last import channels_last
from fathom.train.compiled import compiled

CLASSES = 10


def conv(into: int, out: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, kernel, stride, padding), nn.ReLU())


def dense_head(features: int) -> list[nn.Module]:
    hidden = [nn.Linear(features, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()]
    return [nn.Flatten(), *hidden, nn.Linear(4096, CLASSES)]


def alexnet() -> nn.Module:
    return nn.Sequential(
        *conv(1, 96, 11, 4, 1),
        nn.MaxPool2d(3, 2),
        *conv(96, 256, 5, padding=2),
        nn.MaxPool2d(3, 2),
        *conv(256, 384, 3, padding=1),
        *conv(384, 384, 3, padding=1),
        *conv(384, 256, 3, padding=1),
        nn.MaxPool2d(3, 2),
        *dense_head(256 * 5 * 5),
    )


def vgg11() -> nn.Module:
    layers, into = [], 1
    for depth, out in ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512)):
        for _ in range(depth):
            layers += conv(into, out, 3, padding=1)
            into = out
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers, *dense_head(512 * 2 * 2))


def nin() -> nn.Module:
    def block(into: int, out: int, *kernel: int) -> list[nn.Module]:
        return [*conv(into, out, *kernel), *conv(out, out, 1), *conv(out, out, 1)]

    return nn.Sequential(
        *block(1, 96, 11, 4),
        nn.MaxPool2d(3, 2),
        *block(96, 256, 5, 1, 2),
        nn.MaxPool2d(3, 2),
        *block(256, 384, 3, 1, 1),
        nn.MaxPool2d(3, 2),
        nn.Dropout(),
        *block(384, CLASSES, 3, 1, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Inception(nn.Module):
    def __init__(self, into: int, a: int, b: tuple[int, int], c: tuple[int, int], d: int) -> None:
        super().__init__()
        self.a = conv(into, a, 1)
        self.b = nn.Sequential(*conv(into, b[0], 1), *conv(*b, 3, padding=1))
        self.c = nn.Sequential(*conv(into, c[0], 1), *conv(*c, 5, padding=2))
        self.d = nn.Sequential(nn.MaxPool2d(3, 1, 1), *conv(into, d, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.a(x), self.b(x), self.c(x), self.d(x)), 1)


def googlenet() -> nn.Module:
    return nn.Sequential(
        *conv(1, 64, 7, 2, 3),
        nn.MaxPool2d(3, 2, 1),
        *conv(64, 64, 1),
        *conv(64, 192, 3, padding=1),
        nn.MaxPool2d(3, 2, 1),
        Inception(192, 64, (96, 128), (16, 32), 32),
        Inception(256, 128, (128, 192), (32, 96), 64),
        nn.MaxPool2d(3, 2, 1),
        Inception(480, 192, (96, 208), (16, 48), 64),
        Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64),
        Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128),
        nn.MaxPool2d(3, 2, 1),
        Inception(832, 256, (160, 320), (32, 128), 128),
        Inception(832, 384, (192, 384), (48, 128), 128),
        *mean_head(1024),
    )


class Residual(nn.Module):
    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, 1), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1), nn.BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.around = nn.Conv2d(into, out, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.around(x))


def resnet18() -> nn.Module:
    blocks = [Residual(into, out, 1 + (into < out)) for into, out in ((64, 64), (64, 128), (128, 256), (256, 512))]
    pairs = [layer for block in blocks for layer in (block, Residual(*[block.conv2.out_channels] * 2, 1))]
    return nn.Sequential(*stem(), nn.ReLU(), nn.MaxPool2d(3, 2, 1), *pairs, *mean_head(512))


class DenseLayer(nn.Module):
    def __init__(self, into: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm2d(into), nn.ReLU(), nn.Conv2d(into, 32, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.layers(x)), 1)


def densenet121() -> nn.Module:
    layers, channels = [*stem(), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for number in range(4):
        layers += [DenseLayer(channels + 32 * index) for index in range(4)]
        channels += 4 * 32
        if number < 3:
            layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels // 2, 1), nn.AvgPool2d(2, 2)]
            channels //= 2
    return nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(), *mean_head(channels))


def stem() -> list[nn.Module]:
    return [nn.Conv2d(1, 64, 7, 2, 3), nn.BatchNorm2d(64)]


def mean_head(features: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, CLASSES)]


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {  # the plain one, examples, pixels a side
    "alexnet": (alexnet, 4, 224),
    "vgg11": (vgg11, 2, 64),
    "nin": (nin, 4, 224),
    "googlenet": (googlenet, 8, 96),
    "resnet18": (resnet18, 8, 96),
    "densenet121": (densenet121, 8, 96),
}


def fathoms(name: str, side: int) -> Any:
    variant = {} if name == "nin" else {"variant": "book"}
    return models.create(name, in_channels=1, num_classes=CLASSES, input_size=side, **variant)


def by_hand(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], object]:
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def step() -> float:
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def ours(model: nn.Module, x: Tensor, y: Tensor, called: Any = None) -> Callable[[], object]:
    step = supervised(called or model, cross_entropy, torch.optim.SGD(model.parameters(), lr=1e-4))
    return lambda: step((x, y))


def check(mine: nn.Module, plain: nn.Module, x: Tensor, y: Tensor) -> None:
    """AssertionError unless both give the same outputs and gradients, dropout drawn alike."""
    outputs = []
    for model in (mine, plain):
        torch.manual_seed(1)
        outputs.append(model(x))
        cross_entropy(outputs[-1], y).backward()
    torch.testing.assert_close(*outputs)
    for left, right in zip(mine.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(left.grad, right.grad)


def contenders(name: str) -> tuple[Callable[[], object], dict[str, Callable[[], object]]]:
    """Our step, and the peers', each with a model of its own and the same weights."""
    build, examples, side = NETWORKS[name]
    torch.manual_seed(0)
    x, y = torch.randn(examples, 1, side, side), torch.randint(CLASSES, (examples,))
    mine, plain = fathoms(name, side), build()
    state = zip(plain.state_dict(), mine.state_dict().values(), strict=True)
    plain.load_state_dict(dict(state))
    check(mine, plain, x, y)
    peers = {"plain": by_hand(plain, x, y), "channels_last": ours(channels_last(fathoms(name, side)), x, y)}
    if os.environ.get("FATHOM_BENCH_COMPILE") == "1":
        model = fathoms(name, side)
        peers["compiled"] = ours(model, x, y, compiled(model))
    return ours(mine, x, y), peers


def run(rounds: int) -> list[Comparison]:
    """Compare on each network."""
    comparisons = []
    for name in os.environ.get("FATHOM_BENCH_NETWORKS", ",".join(NETWORKS)).split(","):
        _, examples, side = NETWORKS[name]
        mine, peers = contenders(name)
        comparisons.append(compare(f"{name}, {examples} images of {side} pixels", ("fathom", mine), peers, rounds))
    return comparisons
