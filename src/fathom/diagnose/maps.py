"""Feature maps: which layers have them, which is the last, and what a layer shows for a picture."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fathom.diagnose.network import Network, listening
from fathom.errors import InputError
from fathom.layers.evaluating import evaluating
from fathom.registry import unknown

SHOWN = 12  # layers that a message names, of a network that may have hundreds


@dataclass(frozen=True)
class Maps:
    """A layer that gives maps.

    Args:
        name: as `named_modules` has it.
        kind: the name of its class.
        channels: how many maps there are.
        rows, columns: pixels of a map.
        convolves: whether it has a kernel of its own.
    """

    name: str
    kind: str
    channels: int
    rows: int
    columns: int
    convolves: bool = False

    def __str__(self) -> str:
        return f"{self.name!r} ({self.kind}): {self.channels} maps of {self.rows}×{self.columns}"


def map_layers(model: Network, images: Tensor) -> list[Maps]:
    """The layers of `model` that give `(examples, channels, rows, columns)`, in the order in which they end.

    Args:
        model: runs once, in evaluation mode.
        images: `(examples, channels, height, width)`; the first is enough.
    """
    found: dict[str, Maps] = {}

    def note(name: str, module: Any, output: Tensor) -> None:
        if name and output.dim() == 4:
            found.pop(name, None)  # one that is used again ends where it ends last
            channels, rows, columns = output.shape[1:]
            found[name] = Maps(name, type(module).__name__, channels, rows, columns, _has_kernel(module))

    with torch.no_grad(), evaluating(model), listening(model, note):
        model(images[:1])
    return list(found.values())


def find_layer(model: Network, images: Tensor, name: str = "") -> Maps:
    """The layer called `name`, or the one whose maps say most about the answer.

    Without a name it is where the last convolution with maps of more than one pixel is over: behind the batch norm,
    the activation or the end of the block that leave the maps as large as they are.

    Raises:
        UnknownNameError: there is no such layer; suggests one.
        InputError: it gives no maps, or no layer does.
    """
    layers = map_layers(model, images)
    if not layers:
        raise InputError("layer: expected a network with maps (channels, rows, columns), got one without; take a CNN")
    if not name:
        return layers[_last(layers)]
    names = [layer.name for layer in layers]
    if name in names:
        return layers[names.index(name)]
    outermost = sorted(names, key=lambda each: each.count("."))[:SHOWN]
    listing = ", ".join(each for each in names if each in outermost) + (", …" if len(names) > SHOWN else "")
    if name in dict(model.named_modules()):
        raise InputError(f"layer {name!r}: expected one that gives maps, got one that does not; there are: {listing}")
    raise unknown("layer", name, names, f"there are: {listing}")


def _last(layers: list[Maps]) -> int:
    """The place of the last layer that goes on with the maps of the last convolution."""
    convolutions = [place for place, layer in enumerate(layers) if layer.convolves]
    wide = [place for place in convolutions if layers[place].rows * layers[place].columns > 1]
    place = (wide or convolutions or [len(layers) - 1])[-1]
    size = layers[place].rows, layers[place].columns
    while place + 1 < len(layers) and (layers[place + 1].rows, layers[place + 1].columns) == size:
        place += 1
    return place


def _has_kernel(module: Any) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.dim() == 4


def feature_maps(model: Network, images: Tensor, layer: str = "") -> Tensor:
    """What a layer gives for `images`: `(examples, channels, rows, columns)`.

    Args:
        model: runs in evaluation mode.
        images: `(examples, channels, height, width)`.
        layer: as in `find_layer`, with its errors.
    """
    name = find_layer(model, images, layer).name
    seen: list[Tensor] = []

    def note(at: str, module: Any, output: Tensor) -> None:
        if at == name:
            seen[:] = [output.clone()]  # what comes next may work in place

    with torch.no_grad(), evaluating(model), listening(model, note):
        model(images)
    return seen[0]
