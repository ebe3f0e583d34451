"""Residual networks on ImageNet with the ResNet paper's whole recipe, or the same networks without shortcuts.

The pictures are decoded from their files in every epoch, by worker processes: a square cut from anywhere in the picture
at a random size, mirrored half the time, its colours shifted along their principal components.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from fathom import data, devices, metrics, models, plot
from fathom.data.streaming import FixedViews, RandomView, Streamed
from fathom.errors import DataError, FathomError, InputError
from fathom.layers import namespace
from fathom.models.views import mean_of_views
from fathom.recipes.common import exports
from fathom.records import Prediction, Result, RunFolder
from fathom.train import Listener, TrainConfig, evaluate, experiment, load_model
from fathom.train.experiment import Task, check_learnt, measured_again, measured_places, spread
from fathom.train.export import EXAMPLES, Exportable
from fathom.train.supervised import Measure

SECTION = "He et al. 2015, 3.4"
DATA = "imagenet"
PUBLISHED = [
    {
        "metric": "test_top1_error",
        "value": 0.2788,
        "split": "validation images",
        "source": "He et al. 2015, arXiv 1512.03385, table 2, ten crops",
    },
]
FIGURES = {  # top-1 error by depth, and whether the network is plain; the last three: table 3, shortcuts B
    (18, False): 0.2788,
    (18, True): 0.2794,
    (34, False): 0.2503,
    (34, True): 0.2854,
    (50, False): 0.2285,
    (101, False): 0.2175,
    (152, False): 0.2143,
}
DEPTHS = (18, 34, 50, 101, 152)
PLAIN_DEPTHS = (18, 34)
STRENGTH = 0.1  # standard deviation of the shift along each principal component, in that component's own
LEARNT_FROM = 10_240  # crops from which the mean picture and the principal components are taken
SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Config(TrainConfig):
    """The paper's settings: 600,000 updates of 256, momentum 0.9, 0.1 divided by 10 when the loss stands still.

    Args:
        depth: layers with weights: 18, 34, 50, 101 or 152.
        plain: leave out the shortcuts (18 and 34 layers only).
        shortcut: what goes round a block whose shape changes: A pads with zeros, B projects, C projects everywhere.
        crop: pixels of the square that the network sees.
        shortest: least length in pixels of a training picture's shorter side, from which the square is cut.
        longest: greatest length of it.
        test_side: length of the shorter side in testing and prediction.
        crops: squares that are cut from a test picture: 1 from the middle, or 10, over whose probabilities is averaged.
        workers: processes that decode; 0 takes one for each core, at most 16.
    """

    depth: int = 18
    plain: bool = False
    shortcut: Literal["A", "B", "C"] = "A"
    crop: int = 224
    shortest: int = 256
    longest: int = 480
    test_side: int = 256
    crops: int = 10
    workers: int = 0
    epochs: int = 120  # 600,000 updates of 256 out of 1,281,167 pictures
    optimizer: str = "sgd,momentum=0.9,weight_decay=0.0001"
    schedule: str = "plateau,factor=0.1,patience=5"
    data: str = DATA

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        self._check("crop", at_least=32)
        self._check("shortest", at_least=self.crop)
        self._check("longest", at_least=self.shortest)
        self._check("test_side", at_least=self.crop)
        self._check("workers", at_least=0, at_most=256)
        depths = PLAIN_DEPTHS if self.plain else DEPTHS
        for name, value, choices in (("depth", self.depth, depths), ("crops", self.crops, (1, 10))):
            if value not in choices:
                raise InputError(f"--{name}: expected one of {', '.join(map(str, choices))}, got {value}")

    def changes(self) -> dict[str, Any]:
        """Without `workers`, on which no number depends."""
        return {name: value for name, value in super().changes().items() if name != "workers"}

    @property
    def network(self) -> str:
        """Its name among the models."""
        return f"{'plain' if self.plain else 'resnet'}{self.depth}"

    @property
    def test_view(self) -> FixedViews:
        """What testing and prediction see of a picture."""
        return FixedViews(self.crop, self.test_side, self.crops)


class Prepared(nn.Module):
    """A network with what the training pictures have taught of pictures: their mean, and how their colours vary.

    What the network is given is not brought to unit variance: its first layer is followed by a batch norm.

    Args:
        network: maps `(batch, 3, side, side)` to logits `(batch, classes)`.
        side: pixels.
    """

    mean: Tensor
    colours: Tensor

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.zeros(3, side, side))
        self.register_buffer("colours", torch.zeros(3, 3))

    def forward(self, x: Tensor, normals: Tensor | None = None) -> Tensor:
        """Map pictures of float in 0–1 to logits `(batch, classes)`.

        Args:
            x: `(batch, 3, side, side)`; or several views of each, `(batch, views, 3, side, side)`: then the logarithm
                of the views' mean probabilities comes out.
            normals: `(batch, 3)`, how far each picture's colours are shifted along their components.
        """
        x = x - self.mean
        if normals is not None:
            x = x + STRENGTH * (normals @ self.colours.T)[:, :, None, None]
        if x.dim() == 4:
            logits: Tensor = self.network(x)
            return logits
        return mean_of_views(self.network(x.flatten(0, 1)).unflatten(0, x.shape[:2]))

    def learn(self, batches: Iterable[tuple[Tensor, ...]]) -> None:
        """Take mean picture and principal components from pictures."""
        self.mean, self.colours = statistics(batches)


def statistics(batches: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor]:
    """The mean picture `(3, side, side)`, the same mirrored, and the colours' principal components, `(3, 3)`.

    A column is a direction among red, green and blue, as long as one standard deviation along it.

    Args:
        batches: of `(x, …)`, x `(batch, 3, side, side)`.

    Source: Krizhevsky et al. 2012, section 4.1, which speaks of eigenvalues; their roots are in the units of a pixel.
    """
    count, total, products = 0, torch.zeros(1, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    for x, *_ in batches:
        colours = x.transpose(0, 1).flatten(1).double()
        count, total, products = count + len(x), total + x.sum(dim=0).double(), products + colours @ colours.T
    mean = total / count
    mean = (mean + mean.flip(-1)) / 2
    channels = mean.mean(dim=(1, 2))
    covariance = products / (count * mean[0].numel()) - torch.outer(channels, channels)
    variances, directions = torch.linalg.eigh(covariance)
    return mean.float(), (directions * variances.clamp(min=0).sqrt()).float().contiguous()


def error_measures(classes: int) -> dict[str, Measure]:
    """The shares whose class is not the likeliest, and not among the five likeliest."""
    most = min(5, classes)
    return {
        "top1_error": lambda logits, target: 1 - metrics.accuracy(logits, target),
        "top5_error": lambda logits, target: 1 - metrics.top_k_accuracy(logits, target, most),
    }


# --- the recipe -----------------------------------------------------------------------------------------------------


def load_split(config: Config, split: str) -> data.PictureFiles:
    """The files of one split, and what must be known of the squares that are cut from them."""
    found = data.load_files(config.data, split)
    sides = {"image_size": [config.crop, config.crop], "example_shape": [3, config.crop, config.crop]}
    return replace(found, about={**found.about, **sides})


def training_batches(config: Config, files: data.PictureFiles, device: torch.device, **changes: Any) -> Streamed:
    """Random squares in an order of their own each epoch, with what shifts their colours."""
    view = RandomView(config.crop, config.shortest, config.longest)
    settings = {"batch_size": config.batch_size, "limit": config.limit, "colours": True, **changes}
    return Streamed(files, view, shuffle=True, seed=config.seed, device=device, workers=config.workers, **settings)


def test_batches(config: Config, files: data.PictureFiles, device: torch.device) -> Streamed:
    """The middles of the pictures, or ten squares of each; with `limit`, of as many as in training, spread over all."""
    files = files.at(measured_places(files, config))
    size = max(1, config.batch_size // config.crops)
    return Streamed(files, config.test_view, batch_size=size, device=device, workers=config.workers)


def published(config: Config) -> list[dict[str, Any]]:
    """The paper's figure for the network of that depth."""
    deep = {"source": "He et al. 2015, arXiv 1512.03385, table 3, ten crops, shortcuts B"} if config.depth > 34 else {}
    return [{**PUBLISHED[0], "value": FIGURES[config.depth, config.plain], **deep}]


def build(config: Config, about: Mapping[str, Any]) -> Prepared:
    """The network with He's initial weights; mean and colours are yet to be learnt."""
    shortcut: dict[str, Any] = {} if config.plain else {"shortcut": config.shortcut}
    network = models.on_rung(
        config.network, config.rung, num_classes=len(about["classes"]), variant="paper", **shortcut
    )
    return Prepared(network, config.crop)


def run(config: Config, folder: RunFolder | None = None, *, listeners: Sequence[Listener] = ()) -> Result:
    """Train the network and measure it on the validation pictures after each epoch."""
    train, test = (load_split(config, split) for split in ("train", "test"))
    goes_on = folder is not None and folder.last.is_file()

    def fresh() -> Prepared:
        model = build(config, train.about)
        if not goes_on:  # else they are in the checkpoint
            fitting = math.ceil(LEARNT_FROM / config.batch_size)
            limit = min(config.limit or fitting, fitting)
            model.learn(training_batches(config, train, torch.device("cpu"), limit=limit, stream=1))
        return model

    task = Task(
        build=fresh,
        loss=namespace(config.rung).CrossEntropyLoss(),
        measures=error_measures(len(train.about["classes"])),
        monitor="test_top1_error",
        batches=lambda files, training, device: (training_batches if training else test_batches)(
            config, train if training else test, device
        ),
    )
    return experiment(
        "resnet-imagenet", config, task, train, test, published=published(config), folder=folder, listeners=listeners
    )


def trained(folder: RunFolder) -> tuple[nn.Module, Config]:
    """The best model of a run and its settings."""
    config = Config(**folder.config)
    return load_model(folder, partial(build, config, folder.data)), config


def measure(folder: RunFolder) -> Result:
    """Measure a run's best model on the validation pictures again."""
    model, config = trained(folder)
    (train, test), device = (load_split(config, split) for split in ("train", "test")), devices.choose(config.device)
    check_learnt(folder, train, test)
    loss = namespace(config.rung).CrossEntropyLoss()
    measures = {"loss": loss, **error_measures(len(folder.data["classes"]))}
    batches = test_batches(config, test, device)
    measured = evaluate(model.to(device), batches, measures, precision=config.precision)
    return measured_again(folder, config, measured, test.used, published(config), "the checkpoint of the best epoch")


def predict(folder: RunFolder, source: str | Path) -> Prediction:
    """What is in the picture file `source`, of any size?

    Raises:
        DataError: there is no such file, or it can't be decoded.
    """
    model, config = trained(folder)
    path, classes = Path(source), folder.data["classes"]
    if not path.is_file():
        raise DataError(f"{path}: expected a picture, but there is no such file; check the path")
    try:
        views = config.test_view(path)
    except ValueError as error:
        raise DataError(f"{path}: could not be decoded as a picture ({error}); give a PNG or JPEG file") from error
    with torch.inference_mode():
        probabilities = model(data.pixels(torch.from_numpy(np.ascontiguousarray(views))[None])).softmax(dim=1)[0]
    order = probabilities.argsort(descending=True, stable=True).tolist()
    ranked = {classes[number]: float(probabilities[number]) for number in order}
    return Prediction(input=str(source), label=classes[order[0]], probabilities=ranked)


def exportable(folder: RunFolder) -> Exportable:
    """A run's best model, for the middle of a picture, to be handed over."""
    model, config = trained(folder)
    try:
        x, _ = middles(config, EXAMPLES)
    except FathomError:  # the pictures are not on this machine
        x = None
    return exports.of_examples(
        folder, model, partial(build, config, folder.data), output="logits", meaning=exports.LOGITS, found=x
    )


def draw(folder: RunFolder) -> list[Path]:
    """Twelve validation pictures, spread over the classes, with what the run's best model takes them for."""
    model, config = trained(folder)
    x, y = middles(config, SHOWN)
    with torch.inference_mode():
        predicted = model(x).argmax(dim=1)
    classes = folder.data["classes"]
    return [
        plot.images(
            folder.path / "predictions.png",
            x,
            truth=[classes[number] for number in y.tolist()],
            predicted=[classes[number] for number in predicted.tolist()],
        )
    ]


def middles(config: Config, count: int) -> tuple[Tensor, Tensor]:
    """The middles of so many validation pictures, spread over the classes, and their classes."""
    test = load_split(config, "test")
    some = test.at(spread(len(test), count))
    x, y = next(iter(Streamed(some, replace(config.test_view, count=1), batch_size=count, workers=1)))
    return x, y
