"""What Inception networks are made of: convolutions with batch norm, and branches whose outputs stand side by side."""

from collections.abc import Mapping
from typing import Any

import torch

from fathom.models.model import Model, concatenate

Size = int | tuple[int, int]


class BasicConv2d(Model):
    """Convolution, batch norm with ε = 0.001, ReLU; or, without norm, convolution with a bias, ReLU.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: pixels, along each axis or one number for both.
        stride: pixels from one window to the next.
        padding: zeros on every side.
        norm: whether there is a batch norm.
        nn: the namespace of layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        *,
        norm: bool = True,
        nn: Any = torch.nn,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=not norm)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001) if norm else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, out_channels, rows, columns)`."""
        return self.relu(self.bn(self.conv(x)))


class Branches(Model):
    """Several ways from one input, what they give side by side in the channels.

    Args:
        branches: a name and, for each way, a module, which gets that name; or a list of layers, one after the other,
            which get the name and a number: `branch_1`, `branch_2`. A pair of layers in such a list is a fork, whose
            two outputs stand side by side: `branch_3a`, `branch_3b`. Layers without parameters get no number, nor does
            a layer with parameters that is alone.
        first: the number of the first layer in a list.
        nn: the namespace of layers.
    """

    def __init__(self, branches: Mapping[str, Any], first: int = 1, *, nn: Any = torch.nn) -> None:
        super().__init__()
        self.paths: list[list[tuple[str, ...]]] = []
        for name, layers in branches.items():
            self.paths.append(self._path(name, layers if isinstance(layers, list) else [layers], first))

    def _path(self, name: str, layers: list[Any], number: int) -> list[tuple[str, ...]]:
        path, alone = [], sum(map(_has_parameters, layers)) < 2
        for layer in layers:
            if _has_parameters(layer):
                path.append(self._register(name if alone else f"{name}_{number}", layer))
                number += 1
            else:
                path.append(self._register(f"{name}_pooling", layer))
        return path

    def _register(self, label: str, layer: Any) -> tuple[str, ...]:
        names = (label,) if not isinstance(layer, tuple) else (f"{label}a", f"{label}b")
        for name, part in zip(names, _fork(layer), strict=True):
            setattr(self, name, part)
        return names

    def forward(self, x: Any) -> Any:
        """Map `(batch, in_channels, height, width)` to `(batch, sum of the branches' channels, rows, columns)`."""
        outputs = []
        for path in self.paths:
            last = [x]
            for names in path:
                y = concatenate(last, dim=1) if len(last) > 1 else last[0]
                last = [getattr(self, name)(y) for name in names]
            outputs += last
        return concatenate(outputs, dim=1)


def _fork(layer: Any) -> tuple[Any, ...]:
    return layer if isinstance(layer, tuple) else (layer,)


def _has_parameters(layer: Any) -> bool:
    return next(_fork(layer)[0].parameters(), None) is not None
