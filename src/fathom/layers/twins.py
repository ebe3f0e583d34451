"""The table of twins: every layer of ours beside the framework's that it must equal, in value and gradient."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from fathom import layers
from fathom.layers.ladder import Draw, Twin


def classes(count: int, *shape: int, ignored: bool = False) -> Draw:
    """Draws classes from 0 to `count - 1`; with `ignored`, the first is -100."""

    def draw(generator: Generator) -> Tensor:
        drawn = torch.randint(count, shape, generator=generator)
        if ignored:
            drawn.view(-1)[0] = -100
        return drawn

    return draw


def probabilities(*shape: int) -> Draw:
    """Draws distributions over axis 1."""
    return lambda generator: torch.rand(shape, generator=generator, dtype=torch.float64).softmax(1)


def row(
    name: str,
    layer: str,
    *inputs: tuple[int, ...] | Draw,
    args: tuple[Any, ...] = (),
    use: Callable[..., Any] | None = None,
    training: bool = True,
    **kwargs: Any,
) -> Twin:
    """A row whose two sides are the layer of one name in either namespace, built with the same arguments.

    Args:
        name: what is special about the row; empty for nothing.
        layer: the name in `torch.nn` and in `fathom.layers`.
        inputs: as in `Twin`.
        args: positional arguments of the constructor.
        use: as in `Twin`.
        training: as in `Twin`.
        kwargs: named arguments of the constructor.
    """
    return Twin(
        name=f"{layer}: {name}" if name else layer,
        scratch=lambda: getattr(layers, layer)(*args, **kwargs),
        twin=lambda: getattr(nn, layer)(*args, **kwargs),
        inputs=inputs,
        training=training,
        **({} if use is None else {"use": use}),
    )


IMAGES = (2, 3, 11, 7)  # batch, channels, height, width: prime and unequal, so that swapped axes fail

LINEAR = (
    row("", "Linear", (2, 5), args=(5, 3)),
    row("no bias", "Linear", (2, 5), args=(5, 3), bias=False),
    row("more leading axes", "Linear", (2, 7, 5), args=(5, 3)),
    row("", "Flatten", (2, 3, 5, 7)),
    row("middle axes", "Flatten", (2, 3, 5, 7), args=(1, 2)),
)

CONVOLUTIONS = (
    row("", "Conv2d", IMAGES, args=(3, 5, 3)),
    row("no bias, kernel 5×2", "Conv2d", IMAGES, args=(3, 5, (5, 2)), bias=False),
    row("stride 2×3, padding 1×2", "Conv2d", IMAGES, args=(3, 5, 3), stride=(2, 3), padding=(1, 2)),
    row("dilation 2", "Conv2d", IMAGES, args=(3, 5, 3), dilation=2, padding=2),
    row("3 groups", "Conv2d", IMAGES, args=(3, 6, 3), groups=3, padding=1),
    row("same", "Conv2d", IMAGES, args=(3, 5, (5, 3)), padding="same"),
    row("one image", "Conv2d", (3, 11, 7), args=(3, 5, 3)),
)

POOLING = (
    row("", "AvgPool2d", IMAGES, args=(2,)),
    row("overlapping, padding", "AvgPool2d", IMAGES, args=(3,), stride=2, padding=1),
    row("padding not counted", "AvgPool2d", IMAGES, args=((5, 3),), stride=2, padding=1, count_include_pad=False),
    row("", "MaxPool2d", IMAGES, args=(2,)),
    row("overlapping, padding", "MaxPool2d", IMAGES, args=(3,), stride=2, padding=1),
    row("dilation 2", "MaxPool2d", IMAGES, args=((3, 2),), stride=1, dilation=2),
)

ACTIVATIONS = (
    row("", "Sigmoid", (3, 5, 7)),
    row("", "Tanh", (3, 5, 7)),
    row("", "ReLU", (3, 5, 7)),
    row("", "Dropout", (3, 5, 7)),
    row("p 0.2", "Dropout", (3, 5, 7), args=(0.2,)),
    row("evaluation", "Dropout", (3, 5, 7), training=False),
)

CLASS_WEIGHTS = torch.tensor([0.3, 2.0, 1.1, 0.7, 1.7])

LOSSES = (
    row("", "MSELoss", (3, 5), (3, 5)),
    row("sum", "MSELoss", (3, 5), (3, 5), reduction="sum"),
    row("one by one", "MSELoss", (3, 5), (3, 5), reduction="none"),
    row("", "CrossEntropyLoss", (7, 5), classes(5, 7)),
    row("sum", "CrossEntropyLoss", (7, 5), classes(5, 7), reduction="sum"),
    row(
        "pixels, one ignored, one by one",
        "CrossEntropyLoss",
        (2, 5, 3),
        classes(5, 2, 3, ignored=True),
        reduction="none",
    ),
    row("weights, one ignored", "CrossEntropyLoss", (7, 5), classes(5, 7, ignored=True), weight=CLASS_WEIGHTS),
    row("smoothing, one ignored", "CrossEntropyLoss", (7, 5), classes(5, 7, ignored=True), label_smoothing=0.1),
    row(
        "smoothing, weights, one ignored",
        "CrossEntropyLoss",
        (2, 5, 3),
        classes(5, 2, 3, ignored=True),
        weight=CLASS_WEIGHTS,
        label_smoothing=0.1,
    ),
    row("soft labels", "CrossEntropyLoss", (7, 5), probabilities(7, 5)),
    row(
        "soft labels, smoothing, weights",
        "CrossEntropyLoss",
        (7, 5, 3),
        probabilities(7, 5, 3),
        weight=CLASS_WEIGHTS,
        label_smoothing=0.1,
    ),
    row("", "NLLLoss", (7, 5), classes(5, 7)),
    row("weights, one ignored", "NLLLoss", (7, 5), classes(5, 7, ignored=True), weight=CLASS_WEIGHTS),
)

TWINS = (*LINEAR, *CONVOLUTIONS, *POOLING, *ACTIVATIONS, *LOSSES)
