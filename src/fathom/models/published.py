"""Published weights into our models: torchvision's files for the architectures whose layout it defines."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fathom import models
from fathom.errors import DataError, InputError

PROGRAMS = (".pt2", ".onnx")  # files of whole models
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads that only training needs: GoogLeNet's and Inception's
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")  # norm.1 for norm1, in torchvision's first files
SHOWN = 3


def load_published(model: Any, path: str | Path, **kwargs: Any) -> Any:
    """The model with the weights of a published file, ready to use: in evaluation mode.

    A file with auxiliary heads fills a model without them; a file of before 2018 may leave out how many batches the
    batch norms have seen, and may have torchvision's old names of DenseNet's layers.

    Args:
        model: a model, which is filled in place, or the name of one, which is built.
        path: as in `read_weights`.
        kwargs: what the constructor takes, with a name.

    Raises:
        DataError: the file is missing or damaged, or holds no weights.
        InputError: the weights are not this model's; names the first that differ, and how.
    """
    weights = read_weights(path)
    if isinstance(model, str):
        model = models.create(model, **kwargs)
    weights = renamed(model, weights)
    found = differences(model.state_dict(), weights)
    if found:
        rest = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise InputError(f"{path}: expected the weights of this model, but {'; '.join(found[:SHOWN])}{rest}")
    on_torch = isinstance(model, torch.nn.Module)
    model.load_state_dict(weights if on_torch else {key: value.numpy() for key, value in weights.items()})
    return model.eval()


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file, by name, on the CPU; nothing in it is run.

    Args:
        path: a `.safetensors` file, or else one that `torch.save` wrote.

    Raises:
        DataError: the file is missing or damaged, or holds anything but named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: expected a file of weights, found none; give a .safetensors or .pth file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise DataError(f"{path}: expected a file of weights alone, but {error}; get it again") from None
    except Exception:  # an unpickler raises almost anything
        program = path.suffix in PROGRAMS
        what = "a program; export it with --format safetensors" if program else "none, or damaged; get it again"
        raise DataError(f"{path}: expected a file of weights alone, but it is {what}") from None
    if not isinstance(held, Mapping) or not all(isinstance(value, Tensor) for value in held.values()):
        what = f"an entry {next(iter(held))!r}" if isinstance(held, Mapping) and held else type(held).__name__
        raise DataError(f"{path}: expected tensors by name, got {what}; save the state dict alone")
    return dict(held)


def differences(expected: Mapping[str, Any], weights: Mapping[str, Any]) -> list[str]:
    """One phrase for each name that only one of the two has, or whose shapes differ, in the order of the model."""
    found = []
    for name in [*expected, *(name for name in weights if name not in expected)]:
        if name not in weights:
            found.append(f"{name} is missing")
        elif name not in expected:
            found.append(f"{name} is not in the model")
        elif tuple(weights[name].shape) != tuple(expected[name].shape):
            found.append(f"{name} is {tuple(weights[name].shape)} instead of {tuple(expected[name].shape)}")
    return found


def renamed(model: Any, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """A file's weights under our names, without heads that the model lacks, with the counts that the file lacks."""
    expected: Mapping[str, Any] = model.state_dict()
    translated = getattr(model, "translated", dict)(weights)
    named = {OLD_DENSENET.sub(r"\1\2.", name): tensor for name, tensor in translated.items()}
    kept = {name: value for name, value in named.items() if name in expected or not name.startswith(AUXILIARY)}
    counts = {name: value for name, value in expected.items() if name.endswith("num_batches_tracked")}
    return {**{name: torch.as_tensor(value) for name, value in counts.items()}, **kept}
