"""Features designed against features learnt: HOG and SIFT with support vector machines, and LeNet, by examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fathom import data, models, plot
from fathom.errors import InputError
from fathom.models.initialise import kaiming
from fathom.models.lenet import lenet
from fathom.plot.panels import Panel, panels
from fathom.recipes.common import contest, designed
from fathom.recipes.common.classifier import load_splits
from fathom.recipes.common.contest_recipe import ContestRecipe
from fathom.records import Result, RunFolder
from fathom.train import Listener, TrainConfig
from fathom.train.experiment import conduct, describe, measured_places, prepare
from fathom.train.supervised import Measure

SECTION = "d2l-zh 7.1"
DATA = "fashion-mnist-sample"
PUBLISHED: list[dict[str, Any]] = [
    {
        "metric": "test_accuracy",
        "value": None,
        "split": "test images",
        "source": "d2l-zh 7.1",
        "note": "the book tells of features by hand before 2012, and that learnt ones win with enough data; no figure",
    },
]
WISHES = {"size": 28, "channels": 1}
TITLES = {
    "pixels_linear": "pixels, linear",
    "pixels_rbf": "pixels, kernel",
    "hog_linear": "HOG, linear",
    "hog_rbf": "HOG, kernel",
    "sift_linear": "SIFT, linear",
    "sift_rbf": "SIFT, kernel",
    "lenet": "LeNet",
}


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """LeNet with ReLU and Adam; 100 to 10,000 images of Fashion-MNIST.

    An epoch is as many images as the largest size has; the networks of smaller sizes see theirs again and again, so all
    learn the same number of batches.

    Args:
        sizes: training examples, the first of the set; each network and machine has its own.
        cell: pixels a side of a cell of HOG.
        words: of the visual vocabulary, found by k-means without labels among descriptors of the first images.
        components: principal components of a feature that a machine sees at most, found in its own images.
        penalty: C of the linear machines; the kernel machines have ten times as much.
    """

    sizes: tuple[int, ...] = (100, 300, 1000, 3000, 10000)
    cell: int = 4
    words: int = 300
    components: int = 200
    penalty: float = 1.0
    epochs: int = 15
    batch_size: int = 64
    lr: float = 0.002
    optimizer: str = "adam"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if len(self.sizes) < 2 or list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] < 2:
            raise InputError(f"--sizes: expected at least two rising numbers from 2, got {self.sizes}")
        for name in ("cell", "words", "components"):
            self._check(name, at_least=1)
        self._check("penalty", above=0)
        self.keep((*contest.UNUSED, "patience"), contest.WHY_UNUSED)


def build(config: Config, about: Mapping[str, Any]) -> nn.ModuleDict:
    """A LeNet for each size, as `lenet_100`; all begin with the same weights."""
    channels, *size = about["example_shape"]
    network = partial(
        lenet,
        in_channels=channels,
        num_classes=len(about["classes"]),
        input_size=tuple(size),
        activation="relu",
        pooling="max",
    )
    first = models.on_rung(network, config.rung, initialise=kaiming)
    networks = {}
    for count in config.sizes:
        networks[f"lenet_{count}"] = models.on_rung(network, config.rung)
        networks[f"lenet_{count}"].load_state_dict(first.state_dict())
    return nn.ModuleDict(networks)


class BySize(contest.Contest):
    """The contest in which each network learns from the first so many examples alone.

    Args:
        networks: what `build` gives.
        loss: `(logits, target)` to the mean.
        config: of the run.
        x, y: as many examples as the largest size.
    """

    def __init__(self, networks: nn.ModuleDict, loss: Measure, config: Config, x: Tensor, y: Tensor) -> None:
        super().__init__(networks, reference(config), loss, contest.Rule(config.optimizer, config.lr))
        self.x, self.y = x, y

    def __call__(self, batch: tuple[Tensor, ...]) -> dict[str, float | Tensor]:
        """Update each network from the examples at `batch`, places `(batch,)`, taken modulo its size."""
        values: dict[str, float | Tensor] = {}
        for name in self.models:
            places = batch[0] % count_of(name)
            loss, accuracy = self.learn(name, data.pixels(self.x[places]), self.y[places])
            values |= {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
        return {"loss": values[f"{self.reference}_loss"], "accuracy": values[f"{self.reference}_accuracy"], **values}


def reference(config: Config) -> str:
    """The name of the network that has the most examples."""
    return f"lenet_{config.sizes[-1]}"


def count_of(name: str) -> int:
    """The number behind the last `_`."""
    return int(name.rpartition("_")[2])


RECIPE = ContestRecipe(
    recipe="classical-features",
    config=Config,
    build=build,
    reference=reference,
    published=PUBLISHED,
    load=lambda config: load_splits(config, **WISHES),
)
measure, predict = RECIPE.measure, RECIPE.predict  # of the networks; the machines are not kept


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Fit the machines, train the networks; `test_hog_rbf_1000_accuracy` is of a kernel machine on 1,000 HOGs.

    `test_accuracy` is that of the network with the most examples.

    Raises:
        InputError: there are fewer training examples than the largest size, or the pictures are too small.
    """
    train, test = load_splits(config, **WISHES)
    train.require_images()
    x, y = examples(config, train)
    device = prepare(config)
    machines = classical(config, x, y, test)
    prepare(config)  # describing pictures may have drawn random numbers, or not, if the cache knew them
    networks = build(config, describe(train)).to(device)
    x, y = x.to(device), y.to(device)
    step = BySize(networks, nn.CrossEntropyLoss(), config, x, y)
    batches = data.Batches(
        torch.arange(len(x), device=device), batch_size=config.batch_size, shuffle=True, seed=config.seed,
        limit=config.limit,
    )  # fmt: skip
    return conduct(
        "classical-features",
        config,
        step,
        batches,
        {"model": networks, "step": step},
        train,
        evaluate=lambda: RECIPE.numbers(config, networks, train, test),
        monitor="",  # the last state is what is compared
        published=PUBLISHED,
        folder=folder,
        listeners=listeners,
        amend=lambda result: replace(result, metrics={**result.metrics, **machines}),
    )


def examples(config: Config, train: data.Dataset) -> tuple[Tensor, Tensor]:
    """As many training pictures and labels as the largest size asks for, in an order drawn from the seed 0.

    Raises:
        InputError: there are not so many, they have less than two cells of HOG a side, or the first of them are of one
            class.
    """
    x, y = train.tensors["x"], train.tensors["y"]
    if config.sizes[-1] > len(x):
        raise InputError(f"--sizes: expected at most {len(x)}, the training examples, got {config.sizes[-1]}")
    if min(x.shape[2:]) < 2 * config.cell:
        raise InputError(
            f"--cell: expected at most {min(x.shape[2:]) // 2}, so that two fit into the pictures, got {config.cell}"
        )
    places = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: config.sizes[-1]]
    if len(y[places[: config.sizes[0]]].unique()) < 2:
        raise InputError(f"--sizes: expected two classes in each, got one in the first {config.sizes[0]}; begin higher")
    return x[places], y[places]


def classical(config: Config, x: Tensor, y: Tensor, test: data.Dataset) -> dict[str, float]:
    """Test accuracy of each machine on each kind of feature at each size, as `test_sift_linear_300_accuracy`."""
    places = measured_places(test, config)
    target, found = test.tensors["y"][places], {}
    for kind, (seen, unseen) in features(config, x, test.tensors["x"][places]).items():
        for kernel, penalty in (("linear", config.penalty), ("rbf", 10 * config.penalty)):
            for size in config.sizes:
                machine = designed.support_vectors(kernel, seen[:size], y[:size], penalty, config.components)
                right = (machine(unseen) == target).double().mean().item()
                found[f"test_{kind}_{kernel}_{size}_accuracy"] = right
    return found


def features(config: Config, x: Tensor, unseen: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Pixels, HOG and words of SIFT of both sets of pictures, each `(examples, features)`; from the cache if it can."""
    grey = [data.pixels(part).mean(dim=1, keepdim=True) for part in (x, unseen)]
    words = designed.kept(
        f"words {config.words} {config.seed}",
        grey[0],
        lambda part: designed.vocabulary(part, config.words, config.seed),
    )
    hogs = [designed.kept(f"hog {config.cell}", part, lambda part: designed.hog(part, config.cell)) for part in grey]
    bags = [designed.kept("bags", part, lambda part: designed.bags(part, words), words) for part in grey]
    return {"pixels": (grey[0].flatten(1), grey[1].flatten(1)), "hog": (hogs[0], hogs[1]), "sift": (bags[0], bags[1])}


# --- pictures -------------------------------------------------------------------------------------------------------


def draw(folder: RunFolder) -> list[Path]:
    """Accuracy by examples; pictures, their HOGs, and what LeNet's first kernels look for."""
    config, result = Config(**folder.config), folder.result
    pictures = [draw_features(folder.path / "features.png", folder, config)]
    if result is not None:
        pictures.insert(0, draw_accuracy(folder.path / "by-examples.png", config, result))
    return pictures


def draw_accuracy(path: Path, config: Config, result: Result) -> Path:
    """Linear and kernel machines beside LeNet, by the number of training examples."""

    def course(names: Sequence[str]) -> dict[str, tuple[Sequence[int], list[float]]]:
        return {
            TITLES[name]: (config.sizes, [result.metrics[f"test_{name}_{size}_accuracy"] for size in config.sizes])
            for name in names
        }

    low = min(value for name, value in result.metrics.items() if name.endswith("_accuracy"))
    charts = [
        Panel(
            series=course([*(name for name in TITLES if name.endswith(kind)), "lenet"]),
            title=title,
            xlabel="training examples",
            logx=True,
            ylim=(max(0.0, low - 0.03), 1.0 if low < 0.4 else 0.95),
        )
        for kind, title in (("linear", "Test accuracy, linear machines"), ("rbf", "Test accuracy, kernel machines"))
    ]
    return panels(path, charts)


def draw_features(path: Path, folder: RunFolder, config: Config) -> Path:
    """Six test images, their histograms of gradients, and the kernels of LeNet's first layer."""
    _, test = load_splits(config, **WISHES)
    x = data.pixels(test.tensors["x"][:6]).mean(dim=1)
    network = RECIPE.trained(folder)[reference(config)]
    first: Any = next(part for part in network.modules() if hasattr(part, "kernel_size"))
    kernels = first.weight.detach().mean(dim=1)
    stars = [designed.hog_picture(picture, config.cell) for picture in x]
    titles = ["image"] * len(x) + ["HOG"] * len(x) + ["LeNet, kernel"] * len(kernels[:6])
    return plot.images(path, [*x, *stars, *kernels[:6]], titles, columns=len(x))
