"""Models that take pixels in 0–1 and see them in units of the training pictures: less their mean, over their spread."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fathom.errors import ShapeError


def normalised(model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """Let the model see (x - mean) / std of every picture that it gets, in training, testing and an exported program.

    State dicts are as ever: the numbers belong to the data, and stand in a run's `data.json`.

    Args:
        model: maps pictures `(batch, channels, height, width)` in 0–1; changed in place, and returned.
        mean, std: one number for each channel.
    """
    for name, values in (("input_mean", mean), ("input_std", std)):
        model.register_buffer(name, torch.tensor(values, dtype=torch.float32)[:, None, None], persistent=False)
    model.register_forward_pre_hook(_scaled)
    return model


def scaled(model: nn.Module, about: Mapping[str, Any]) -> nn.Module:
    """The model, `normalised` if the run's `data.json` has the mean and the spread of each channel of its pictures."""
    mean, std = about.get("mean"), about.get("std")
    if about.get("kind") != "images" or not isinstance(mean, list) or not isinstance(std, list):
        return model
    return normalised(model, mean, std)


def statistics(x: Tensor) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel over all pictures and pixels; a channel of one value has spread 1.

    Args:
        x: `(examples, channels, height, width)`, of uint8 or of float in 0–1; the numbers are those of 0–1.
    """
    count = x.numel() // x.shape[1]
    most = 255 if x.dtype == torch.uint8 else 1
    total, squares = torch.zeros(2, x.shape[1], dtype=torch.float64, device=x.device)
    for part in x.split(1000):  # of all at once, doubles would take eight times the memory
        values = part.double() / most
        total += values.sum((0, 2, 3))
        squares += values.square().sum((0, 2, 3))
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return mean.tolist(), torch.where(std > 1e-6, std, 1.0).tolist()


def _scaled(model: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    x, *rest = inputs
    if x.shape[1] != len(model.input_mean):
        raise ShapeError(
            f"normalise: expected pictures with {len(model.input_mean)} channels, got {tuple(x.shape)}; change "
            "--normalise or the data"
        )
    return ((x - model.input_mean) / model.input_std, *rest)
