"""What a training starts from instead of random weights: a run, a file of weights, or those that a package brings."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fathom.data import Dataset
from fathom.data.cache import remembered_digest
from fathom.data.options import expanded
from fathom.errors import InputError, RunFolderError
from fathom.models import efficientnet_lite
from fathom.models.published import read_weights
from fathom.models.stages import freeze, head, parameter_groups, start_from
from fathom.records import Result, RunFolder
from fathom.train import TrainConfig
from fathom.train.checkpoints import model_weights

PUBLISHED = "published"
FIELDS = ("from_", "freeze", "discriminative")
"""The settings of `PictureConfig` that only `Start` heeds: a recipe without it refuses them by `keep`."""


def check(config: Any) -> None:
    """InputError unless the fields of `FIELDS` go together."""
    if not 1 <= config.discriminative < math.inf:
        raise InputError(f"--discriminative: expected a factor of at least 1, got {config.discriminative}; 2.6, say")
    for name in FIELDS[1:]:
        if not config.from_ and getattr(config, name) not in ("", 1.0):
            raise InputError(f"--{name}: expected with --from, since random weights have learnt nothing; leave it out")
    if config.from_ and config.rung == "numpy":
        raise InputError(f"--from: expected rung torch or scratch, got numpy with --from {config.from_}")


@dataclass(frozen=True)
class Start:
    """What a training starts from; from nothing, if its settings have no `from_`.

    Args:
        config: of the training.
        origin: `name` as the settings have it, `file` and `sha256` of the weights; empty to start from nothing. The
            run's `data.json` keeps it as `start`.
        scales: `mean` and `std` by which the pictures of those weights were normalised, if they were.
        resumed: whether the training has a checkpoint of its own, so that the weights are not needed any more.
    """

    config: Any
    origin: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, Any] = field(default_factory=dict)
    resumed: bool = False

    @classmethod
    def of(cls, config: TrainConfig, folder: RunFolder | None) -> "Start":
        """What `config` asks for.

        Raises:
            InputError: there is no such run or file, or the package with the weights is not installed.
        """
        name = getattr(config, "from_", "")
        if not name:
            return cls(config)
        if folder is not None and folder.last.is_file():
            known = folder.data
            return cls(config, known.get("start", {"name": name}), normalisation(known), resumed=True)
        file = located(name)
        origin = {"name": name, "file": str(file), "sha256": remembered_digest(file)}
        return cls(config, origin, scales_of(name))

    def examples(self, train: Dataset) -> Dataset:
        """The training examples, `about` which the origin is noted, and how its pictures were normalised.

        What the settings say of that goes before.
        """
        if not self.origin:
            return train
        scales = {} if normalisation(train.about) else self.scales
        return replace(train, about={**train.about, **scales, "start": dict(self.origin)})

    def begin(self, model: nn.Module) -> nn.Module:
        """The fresh model with the weights that it starts from, its head left as it is, and its lowest stages frozen.

        Raises:
            InputError: the weights are of another network, or the network has no such stages; a file is damaged.
        """
        self.fill(model)
        if self.origin and self.config.freeze:
            freeze(model, self.config.freeze)
        return model

    def fill(self, model: nn.Module) -> None:
        """Give the fresh model the weights, all but those of its head; one that is resumed has others soon."""
        if not self.origin or self.resumed:
            return
        try:
            start_from(model, self.weights())
        except InputError as error:
            raise InputError(f"--from {self.config.from_}: {error}") from None

    def weights(self) -> dict[str, Tensor]:
        """The tensors by name, as the file has them."""
        return weights_in(Path(self.origin["file"]))

    @property
    def groups(self) -> Callable[[nn.Module], list[dict[str, Any]]] | None:
        """Splits the model's parameters into groups with rates of their own, for a `Task`."""
        if not self.origin:
            return None
        return lambda model: parameter_groups(model, self.config.lr, self.config.discriminative)

    def noted(self, result: Result) -> Result:
        """The result, which says what it started from."""
        if not self.origin:
            return result
        note = f"started from {self.origin['name']} (sha256 {self.origin.get('sha256', 'unknown')}), with a new head"
        return replace(result, notes=(*result.notes, note))


def located(name: str) -> Path:
    """The file of weights that `--from` names.

    Raises:
        InputError: there is none.
    """
    if name == PUBLISHED:
        return efficientnet_lite.packaged_weights()
    path = expanded(name)
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(
            f"--from: expected a run folder, a file of weights or {PUBLISHED}, got {name!r}; check the path"
        )
    folder = RunFolder.open(path)
    found = next((file for file in (folder.best, folder.last) if file.is_file()), None)
    if found is None:
        raise RunFolderError(
            f"--from: {folder.path} has no checkpoint yet; go on with fathom train --resume {folder.path}"
        )
    return found


def scales_of(name: str) -> dict[str, list[float]]:
    """`mean` and `std` of pixels in 0–1 by channel that the weights named by `--from` expect; may be empty."""
    if name == PUBLISHED:
        return {"mean": [efficientnet_lite.MEAN / 255] * 3, "std": [efficientnet_lite.STD / 255] * 3}
    path = expanded(name)
    return normalisation(RunFolder(path).data) if path.is_dir() else {}


def normalisation(about: Mapping[str, Any]) -> dict[str, Any]:
    """`mean` and `std` of each channel, if pictures are normalised by those of a run's `data.json`."""
    return {key: about[key] for key in ("mean", "std") if isinstance(about.get(key), list)}


def weights_in(file: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint of ours, of a `.safetensors` file, or of one that `torch.save` wrote."""
    try:
        return model_weights(file)
    except RunFolderError:
        return read_weights(file)


def check_classes(folder: RunFolder, model: nn.Module, classes: int) -> None:
    """RunFolderError if the run's checkpoint tells another number of classes than its `data.json` lists.

    Args:
        model: as the run's recipe builds it.
        classes: how many `data.json` lists.
    """
    file = folder.best if folder.best.is_file() else folder.last
    outputs = model_weights(file).get(f"{head(model)}.weight")
    if outputs is not None and len(outputs) != classes:
        raise RunFolderError(
            f"{file}: expected a network that tells the {classes} classes of data.json, got one of {len(outputs)}; "
            f"{advice(folder)}"
        )


def advice(folder: RunFolder) -> str:
    """How to train a run's network for other classes."""
    return f"for other classes: fathom train {folder.recipe} --from {folder.path} --data YOURS"
