"""ResNet-50 learns from pictures of 224 pixels on a CUDA card: bf16, channels_last, torch.compile.

A step is forward, cross-entropy, backward and SGD with momentum, on random pictures that lie on the card. The peer is
timm's `resnet50`, or where timm can't be imported, the same network written with torch.nn alone, in this file; its step
is the one that one writes by hand. Both are compiled, get the same weights, and have to give the same outputs and
gradients before anything is timed. `peak` is the fastest of several square matrix products in the same precision, taken
before and after the steps; a share of it counts two operations for each multiplication and addition of the network's
convolutions and matrix products, forward and backward. Without a card a tiny size runs on the processor, eager and in
float32, only so that this file is known to run.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import Comparison, Timing, compare
from fathom import models
from fathom.train import supervised
from fathom.train.channels_last import channels_last
from fathom.train.compiled import compiled
from fathom.train.supervised import PRECISIONS, autocast

CLASSES = 1000
NO_CARD = (
    "**No CUDA card was there.** These figures are of a tiny size on the processor, in float32 and not compiled; they "
    "say nothing about a card, and no figure of this network on a card is claimed."
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is timed: `steps` with `batch_size` pictures of `side` pixels; matrices whose product gives the peak."""

    device: str
    batch_size: int
    side: int
    steps: int
    precision: str
    compile: bool
    matrices: tuple[int, ...]


CARD = Setting(
    device="cuda", batch_size=256, side=224, steps=10, precision="bf16", compile=True, matrices=(4096, 8192, 16384)
)
PROCESSOR = Setting(
    device="cpu", batch_size=2, side=32, steps=1, precision="fp32", compile=False, matrices=(256, 512, 1024)
)

# --- the peer -------------------------------------------------------------------------------------------------------


class Bottleneck(nn.Module):
    def __init__(self, into: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(into, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, out, 1, bias=False), nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + around)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        into = 64
        for number, depth in enumerate((3, 4, 6, 3)):
            width, blocks = 64 * 2**number, []
            for index in range(depth):
                blocks.append(Bottleneck(into, width, 2 if number and index == 0 else 1))
                into = 4 * width
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(into, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # type: ignore[operator]
        return self.fc(x.mean((2, 3)))


def peer() -> tuple[str, nn.Module, str]:
    """Its name, the network, and why it is not timm's; "" if it is."""
    try:
        import timm

        return f"timm {timm.__version__}", timm.create_model("resnet50", num_classes=CLASSES), ""
    except Exception as error:  # a torchvision that does not fit torch raises whatever it happens to meet
        reason = " ".join(str(error).split())[:100]
        return "plain torch.nn", Plain(), f"timm could not be imported ({type(error).__name__}: {reason})."


def check(mine: nn.Module, theirs: nn.Module) -> None:
    """Give the peer our weights; AssertionError unless both then give the same outputs and gradients, in float64."""
    theirs.load_state_dict(mine.state_dict())
    torch.manual_seed(0)
    x, y = torch.randn(2, 3, 64, 64, dtype=torch.float64), torch.randint(CLASSES, (2,))
    outputs, gradients = [], []
    for model in (mine.double(), theirs.double()):
        outputs.append(model(x))
        cross_entropy(outputs[-1], y).backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
        model.zero_grad()
        model.float()
    torch.testing.assert_close(*outputs)
    torch.testing.assert_close(*gradients)
    theirs.load_state_dict(mine.state_dict())


# --- the steps ------------------------------------------------------------------------------------------------------


def pictures(setting: Setting) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(setting.batch_size, 3, setting.side, setting.side, device=setting.device)
    y = torch.randint(CLASSES, (setting.batch_size,), device=setting.device)
    return x.contiguous(memory_format=torch.channels_last), y


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)


def ours(model: nn.Module, setting: Setting) -> Callable[[], object]:
    """As `fathom train` does it."""
    batch = pictures(setting)
    model = channels_last(model.to(setting.device))
    called = compiled(model) if setting.compile else model
    step = supervised(called, cross_entropy, sgd(model), precision=setting.precision)
    return several(lambda: step(batch), setting)


def by_hand(model: nn.Module, setting: Setting) -> Callable[[], object]:
    x, y = pictures(setting)
    model = model.to(setting.device, memory_format=torch.channels_last)
    optimizer = sgd(model)
    called: Any = torch.compile(model) if setting.compile else model

    def step() -> Tensor:
        optimizer.zero_grad()
        with autocast(setting.precision, x.device):
            loss = cross_entropy(called(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return several(step, setting)


def several(step: Callable[[], object], setting: Setting) -> Callable[[], object]:
    def run() -> None:
        for _ in range(setting.steps):
            step()
        wait(setting)

    return run


def wait(setting: Setting) -> None:
    if setting.device == "cuda":
        torch.cuda.synchronize()


# --- what is said of them -------------------------------------------------------------------------------------------


def operations(side: int) -> int:
    """Of one picture, forward and backward, in convolutions and matrix products; two for each multiply-add."""
    model = models.create("resnet50", num_classes=CLASSES).to("meta")
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(2, 3, side, side, device="meta")).sum().backward()
    return counter.get_total_flops() // 2


def peak(setting: Setting, repeats: int = 10) -> float:
    """Operations a second of the fastest square matrix product, each size the best of five."""
    fastest = 0.0
    dtype = PRECISIONS[setting.precision] or torch.float32
    for size in setting.matrices:
        a, b = (torch.randn(size, size, device=setting.device, dtype=dtype) for _ in range(2))
        for _ in range(5):
            wait(setting)
            start = time.perf_counter()
            for _ in range(repeats):
                a @ b
            wait(setting)
            fastest = max(fastest, 2 * size**3 * repeats / (time.perf_counter() - start))
    return fastest


def run(setting: Setting, rounds: int) -> tuple[Comparison, float, str]:
    """The steps side by side, the peak of the same run, and a remark about the peer."""
    torch.backends.cudnn.benchmark = True
    name, theirs, remark = peer()
    mine = models.create("resnet50", num_classes=CLASSES)
    check(mine, theirs)
    before = peak(setting)
    title = f"{setting.batch_size} pictures of {setting.side} pixels, {setting.precision}"
    comparison = compare(title, ("fathom", ours(mine, setting)), {name: by_hand(theirs, setting)}, rounds)
    return comparison, max(before, peak(setting)), remark


def table(comparison: Comparison, setting: Setting, fastest: float) -> str:
    """Rates and shares of the peak, in Markdown."""
    work = operations(setting.side)

    def row(timing: Timing, verdict: str) -> str:
        rate = setting.batch_size * setting.steps / timing.median
        return f"| {timing.name} | {rate:,.0f} | {rate * work / 1e12:.3g} | {rate * work / fastest:.1%} | {verdict} |"

    lines = [
        "| contender | images/s | TFLOP/s | share of the peak | fathom against it |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    lines.append(row(comparison.ours, f"A/A control {comparison.noise:.3f}"))
    lines += [row(timing, comparison.verdict(timing)) for timing in comparison.peers]
    return "\n".join(lines)


def machine(setting: Setting) -> str:
    from benchmarks.__main__ import machine as processor

    if setting.device == "cpu":
        return processor()
    card = torch.cuda.get_device_properties(0)
    return f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}; {processor()}"


def page(setting: Setting, rounds: int) -> str:
    """The whole page."""
    assert __doc__
    comparison, fastest, remark = run(setting, rounds)
    how = f"{comparison.title}{', channels_last, torch.compile' if setting.compile else ', channels_last'}"
    parts = [
        "# resnet50",
        __doc__.strip(),
        f"`python -m benchmarks.resnet50 --rounds {rounds} --batch-size {setting.batch_size}` on {machine(setting)}.",
        NO_CARD if setting.device == "cpu" else "",
        remark,
        f"{how}; {setting.steps} steps in each run; measured peak {fastest / 1e12:.3g} TFLOP/s in {setting.precision}.",
        table(comparison, setting, fastest),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resnet50", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, help="pictures a step; fewer for a small card")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the page resnet50.md is written, too")
    words = parser.parse_args()
    setting = CARD if torch.cuda.is_available() else PROCESSOR
    if words.batch_size:
        setting = Setting(**vars(setting) | {"batch_size": words.batch_size})
    written = page(setting, words.rounds)
    print(written)
    if words.out is not None:
        words.out.mkdir(parents=True, exist_ok=True)
        (words.out / "resnet50.md").write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
