"""An epoch of training at batch 256 on Fashion-MNIST, loss and accuracy counted.

`bare` is the shortest loop over resident tensors that an expert would write. `DataLoader` is the way the book loads
data: one PIL image at a time turned into a tensor, batches put together by torch, with 0 and 4 worker processes.
"""

import os
import warnings
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from benchmarks.harness import Comparison, compare
from fathom import data, metrics, models
from fathom.train import Progress, fit, supervised

BATCH = 256
NETWORKS = {
    "softmax regression": lambda: models.create("softmax_regression"),
    "MLP": lambda: models.create("mlp"),
    "LeNet": lambda: models.create("lenet"),
}


class PictureByPicture(Dataset):
    """Examples as a vision dataset gives them: the stored array to a PIL image to a float tensor, one at a time."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = (images[:, 0] * 255).round().to(torch.uint8), labels

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self.images[index].numpy())
        pixels = torch.from_numpy(np.array(picture, dtype=np.uint8))
        return pixels.view(1, 28, 28).to(torch.float32).div(255), int(self.labels[index])

    def __len__(self) -> int:
        return len(self.labels)


def bare(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], object]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def epoch() -> tuple[float, float]:
        order = torch.randperm(len(x))
        loss_sum = right = 0.0
        for start in range(0, len(x), BATCH):
            chosen = order[start : start + BATCH]
            images, labels = x[chosen], y[chosen]
            outputs = model(images)
            loss = cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(labels)
            right += (outputs.argmax(1) == labels).sum().item()
        return loss_sum / len(x), right / len(x)

    return epoch


def by_loader(model: nn.Module, loader: DataLoader) -> Callable[[], object]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def epoch() -> tuple[float, float]:
        loss_sum = right = seen = 0.0
        for images, labels in loader:
            outputs = model(images)
            loss = cross_entropy(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(labels)
            right += (outputs.argmax(1) == labels).sum().item()
            seen += len(labels)
        return loss_sum / seen, right / seen

    return epoch


def ours(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], object]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = supervised(model, cross_entropy, optimizer, measures={"accuracy": metrics.accuracy})
    batches = data.Batches(x, y, batch_size=BATCH, shuffle=True)
    return lambda: fit(step, batches, epochs=1, state={"progress": Progress()})


def run(rounds: int) -> list[Comparison]:
    """Compare on each network; workers are left out where there is nothing to run them on."""
    dataset = data.load(os.environ.get("FATHOM_BENCH_DATA", "fashion-mnist"), "train")
    x, y = dataset.tensors["x"], dataset.tensors["y"]
    pictures = PictureByPicture(x, y)
    warnings.filterwarnings("ignore", "This DataLoader will create")  # 4 workers are what the book takes
    comparisons = []
    for name, build in NETWORKS.items():
        peers = {"bare": bare(build(), x, y)}
        for workers in (0, 4):
            loader = DataLoader(pictures, batch_size=BATCH, shuffle=True, num_workers=workers)
            peers[f"DataLoader, {workers} workers"] = by_loader(build(), loader)
        title = f"{name}, {len(x):,} images"
        comparisons.append(compare(title, ("fathom", ours(build(), x, y)), peers, rounds))
    return comparisons
