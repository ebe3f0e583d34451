"""What constructors check and choose at the door: sizes, activations and poolings by name."""

from collections.abc import Sequence
from typing import Any

from fathom.errors import InputError, ShapeError
from fathom.registry import unknown

ACTIVATIONS = {"relu": "ReLU", "sigmoid": "Sigmoid", "tanh": "Tanh"}
POOLINGS = {"avg": "AvgPool2d", "max": "MaxPool2d"}


def at_least(minimum: int, **sizes: int) -> None:
    """InputError, naming the argument, unless every size is an int of at least `minimum`."""
    for name, size in sizes.items():
        if not isinstance(size, int) or size < minimum:
            raise InputError(f"{name}: expected a whole number of at least {minimum}, got {size!r}")


def image_size(input_size: int | Sequence[int], smallest: int) -> tuple[int, int]:
    """Height and width in pixels; InputError if a side is below `smallest`, which kernels and poolings would use up.

    Args:
        input_size: one number if both are equal.
        smallest: the shortest side that leaves a pixel at the end.
    """
    height, width = (input_size, input_size) if isinstance(input_size, int) else input_size
    if min(height, width) < smallest:
        raise InputError(
            f"input_size: expected at least {smallest} pixels a side, which the kernels and poolings need, "
            f"got {height}×{width}; enlarge the images"
        )
    return height, width


def expect_images(x: Any, in_channels: int, smallest: int) -> None:
    """ShapeError unless `x` is `(batch, in_channels, height, width)` with at least `smallest` pixels a side."""
    if len(x.shape) != 4 or x.shape[1] != in_channels or min(x.shape[2:]) < smallest:
        raise ShapeError(
            f"x: expected images (batch, {in_channels}, height, width) of at least {smallest} pixels a side, "
            f"got {tuple(x.shape)}; build the model with other in_channels or resize the images"
        )


def check_choice(kind: str, name: str, known: Sequence[str]) -> None:
    """UnknownNameError with a suggestion unless `name` is one of those known."""
    if name not in known:
        raise unknown(kind, name, known)


def activation_layer(name: str, nn: Any) -> Any:
    """The activation called `name`, from the namespace `nn`."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return getattr(nn, ACTIVATIONS[name])()


def pooling_layer(name: str, nn: Any, **kwargs: Any) -> Any:
    """The pooling called `name`, from the namespace `nn`; `kwargs` are its arguments."""
    if name not in POOLINGS:
        raise unknown("pooling", name, POOLINGS)
    return getattr(nn, POOLINGS[name])(**kwargs)
