"""The table of twins: every layer of ours beside the framework's that it must equal, in value and gradient."""

import torch
from torch import nn

from fathom.layers.ladder import Draw
from fathom.layers.rows import classes, probabilities, row
from fathom.layers.sequence_twins import SEQUENCES


def shares(*shape: int) -> Draw:
    """Draws numbers from 0 to 1."""
    return lambda generator: torch.rand(shape, generator=generator, dtype=torch.float64)


def log_probabilities(*shape: int) -> Draw:
    """Draws logarithms of distributions over axis 1."""
    return lambda generator: torch.randn(shape, generator=generator, dtype=torch.float64).log_softmax(1)


def fed(layer: nn.Module, *shape: int) -> nn.Module:
    """A layer of deferred initialisation after its first input, which is all ones."""
    layer(torch.ones(shape))
    return layer


IMAGES = (2, 3, 11, 7)  # batch, channels, height, width: prime and unequal, so that swapped axes fail

LINEAR = (
    row("", "Linear", (2, 5), args=(5, 3)),
    row("no bias", "Linear", (2, 5), args=(5, 3), bias=False),
    row("more leading axes", "Linear", (2, 7, 5), args=(5, 3)),
    row("", "Flatten", (2, 3, 5, 7)),
    row("middle axes", "Flatten", (2, 3, 5, 7), args=(1, 2)),
)

CONVOLUTIONS = (
    row("", "Conv1d", (2, 3, 11), args=(3, 5, 3)),
    row("no bias, even kernel", "Conv1d", (2, 3, 11), args=(3, 5, 4), bias=False),
    row("stride 2, padding 3, dilation 2", "Conv1d", (2, 3, 11), args=(3, 5, 3), stride=2, padding=3, dilation=2),
    row("3 groups", "Conv1d", (2, 3, 11), args=(3, 6, 5), groups=3),
    row("same", "Conv1d", (2, 3, 11), args=(3, 5, 4), padding="same", dilation=2),
    row("one sequence", "Conv1d", (3, 11), args=(3, 5, 3)),
    row("", "Conv2d", IMAGES, args=(3, 5, 3)),
    row("no bias, kernel 5×2", "Conv2d", IMAGES, args=(3, 5, (5, 2)), bias=False),
    row("stride 2×3, padding 1×2", "Conv2d", IMAGES, args=(3, 5, 3), stride=(2, 3), padding=(1, 2)),
    row("dilation 2", "Conv2d", IMAGES, args=(3, 5, 3), dilation=2, padding=2),
    row("3 groups", "Conv2d", IMAGES, args=(3, 6, 3), groups=3, padding=1),
    row("same", "Conv2d", IMAGES, args=(3, 5, (5, 3)), padding="same"),
    row("one image", "Conv2d", (3, 11, 7), args=(3, 5, 3)),
)

TRANSPOSED_CONVOLUTIONS = (
    row("", "ConvTranspose2d", IMAGES, args=(3, 5, 3)),
    row("no bias, kernel 5×2", "ConvTranspose2d", IMAGES, args=(3, 5, (5, 2)), bias=False),
    row("stride 2×3, padding 1×2", "ConvTranspose2d", IMAGES, args=(3, 5, 5), stride=(2, 3), padding=(1, 2)),
    row("stride 3, output padding 2×1", "ConvTranspose2d", IMAGES, args=(3, 5, 3), stride=3, output_padding=(2, 1)),
    row("dilation 3, output padding 2", "ConvTranspose2d", IMAGES, args=(3, 5, 2), dilation=3, output_padding=2),
    row("3 groups", "ConvTranspose2d", IMAGES, args=(3, 6, 3), stride=2, padding=1, groups=3),
    row("one image", "ConvTranspose2d", (3, 11, 7), args=(3, 5, 3), stride=2),
)

POOLING = (
    row("", "AdaptiveAvgPool2d", IMAGES, args=(1,)),
    row("windows overlap", "AdaptiveAvgPool2d", IMAGES, args=((5, 3),)),
    row("one axis kept", "AdaptiveAvgPool2d", IMAGES, args=((None, 2),)),
    row("output larger than input", "AdaptiveAvgPool2d", (2, 3, 3, 2), args=((7, 5),)),
    row("one image", "AdaptiveAvgPool2d", (3, 11, 7), args=(2,)),
    row("", "AvgPool2d", IMAGES, args=(2,)),
    row("overlapping, padding", "AvgPool2d", IMAGES, args=(3,), stride=2, padding=1),
    row("padding not counted", "AvgPool2d", IMAGES, args=((5, 3),), stride=2, padding=1, count_include_pad=False),
    row("", "MaxPool2d", IMAGES, args=(2,)),
    row("overlapping, padding", "MaxPool2d", IMAGES, args=(3,), stride=2, padding=1),
    row("dilation 2", "MaxPool2d", IMAGES, args=((3, 2),), stride=1, dilation=2),
    row("rounded up", "MaxPool2d", (2, 3, 12, 8), args=(3,), stride=2, ceil_mode=True),
    row("rounded up, padding", "MaxPool2d", IMAGES, args=(2,), stride=(2, 3), padding=1, ceil_mode=True),
)

ACTIVATIONS = (
    row("", "Sigmoid", (3, 5, 7)),
    row("", "Tanh", (3, 5, 7)),
    row("", "ReLU", (3, 5, 7)),
    row("", "LeakyReLU", (3, 5, 7)),
    row("slope 0.3", "LeakyReLU", (3, 5, 7), args=(0.3,)),
    row("", "PReLU", (3, 5, 7)),
    row("a slope for each channel", "PReLU", (3, 5, 7), args=(5,), init=0.1),
    row("a slope for each feature", "PReLU", (3, 5), args=(5,)),
    row("", "ELU", (3, 5, 7)),
    row("alpha 0.7", "ELU", (3, 5, 7), args=(0.7,)),
    row("", "GELU", (3, 5, 7)),
    row("tanh", "GELU", (3, 5, 7), approximate="tanh"),
    row("", "SiLU", (3, 5, 7)),
    row("", "Softplus", (3, 5, 7)),
    row("beta 3, threshold 1", "Softplus", (3, 5, 7), args=(3.0, 1.0)),
    row("", "Softmax", (3, 5, 7), args=(1,)),
    row("last axis", "Softmax", (3, 5, 7), args=(-1,)),
    row("", "LogSoftmax", (3, 5, 7), args=(1,)),
    row("last axis", "LogSoftmax", (3, 5, 7), dim=-1),
    row("", "Dropout", (3, 5, 7)),
    row("p 0.2", "Dropout", (3, 5, 7), args=(0.2,)),
    row("evaluation", "Dropout", (3, 5, 7), training=False),
)

NORMALISATIONS = (
    row("", "BatchNorm1d", (7, 5), args=(5,)),
    row("steps", "BatchNorm1d", (7, 5, 3), args=(5,)),
    row("evaluation", "BatchNorm1d", (7, 5), args=(5,), training=False),
    row("plain mean of batches", "BatchNorm1d", (7, 5), args=(5,), momentum=None),
    row("no running statistics", "BatchNorm1d", (7, 5), args=(5,), track_running_stats=False),
    row(
        "no running statistics, evaluation", "BatchNorm1d", (7, 5), args=(5,), track_running_stats=False, training=False
    ),
    row("", "BatchNorm2d", IMAGES, args=(3,)),
    row("eps 0.1, momentum 0.7", "BatchNorm2d", IMAGES, args=(3, 0.1, 0.7)),
    row("no scale and shift", "BatchNorm2d", IMAGES, args=(3,), affine=False),
    row("evaluation", "BatchNorm2d", IMAGES, args=(3,), training=False),
    row("no scale and shift, evaluation", "BatchNorm2d", IMAGES, args=(3,), affine=False, training=False),
    row("", "LayerNorm", (3, 5, 7), args=(7,)),
    row("two axes", "LayerNorm", (2, 3, 5, 7), args=((5, 7),)),
    row("eps 0.1", "LayerNorm", (3, 7), args=(7, 0.1)),
    row("no shift", "LayerNorm", (3, 5, 7), args=(7,), bias=False),
    row("no scale and shift", "LayerNorm", (3, 5, 7), args=(7,), elementwise_affine=False),
    row("", "GroupNorm", (2, 6, 5, 7), args=(3, 6)),
    row("one group", "GroupNorm", (2, 6, 5), args=(1, 6)),
    row("each channel alone, eps 0.1", "GroupNorm", (2, 6, 5, 7), args=(6, 6, 0.1)),
    row("features only", "GroupNorm", (7, 6), args=(2, 6)),
    row("no scale and shift", "GroupNorm", (2, 6, 5), args=(3, 6), affine=False),
)

EMBEDDINGS = (
    row("", "Embedding", classes(11, 2, 7), args=(11, 5)),
    row("one index", "Embedding", classes(11), args=(11, 5)),
    row("padding", "Embedding", classes(5, 7, 3), args=(5, 2), padding_idx=2),
    row("padding counted from the end", "Embedding", classes(5, 7, 3), args=(5, 2), padding_idx=-1),
)

DEFERRED = (
    row("after its first input", "LazyLinear", (2, 5), make=lambda rung: fed(rung.LazyLinear(3), 2, 5)),
    row("no bias", "LazyLinear", (2, 7, 5), make=lambda rung: fed(rung.LazyLinear(3, bias=False), 2, 7, 5)),
    row("after its first input", "LazyConv2d", IMAGES, make=lambda rung: fed(rung.LazyConv2d(5, 3), *IMAGES)),
    row(
        "3 groups, stride 2, no bias",
        "LazyConv2d",
        IMAGES,
        make=lambda rung: fed(rung.LazyConv2d(6, 3, 2, groups=3, bias=False), *IMAGES),
    ),
    row("after its first input", "LazyBatchNorm1d", (7, 5), make=lambda rung: fed(rung.LazyBatchNorm1d(), 7, 5)),
    row("after its first input", "LazyBatchNorm2d", IMAGES, make=lambda rung: fed(rung.LazyBatchNorm2d(), *IMAGES)),
    row(
        "no scale and shift",
        "LazyBatchNorm2d",
        IMAGES,
        make=lambda rung: fed(rung.LazyBatchNorm2d(affine=False), *IMAGES),
    ),
)

CLASS_WEIGHTS = torch.tensor([0.3, 2.0, 1.1, 0.7, 1.7])

LOSSES = (
    row("", "MSELoss", (3, 5), (3, 5)),
    row("sum", "MSELoss", (3, 5), (3, 5), reduction="sum"),
    row("one by one", "MSELoss", (3, 5), (3, 5), reduction="none"),
    row("", "L1Loss", (3, 5), (3, 5)),
    row("sum", "L1Loss", (3, 5), (3, 5), reduction="sum"),
    row("one by one", "L1Loss", (3, 5), (3, 5), reduction="none"),
    row("", "HuberLoss", (3, 5), (3, 5)),
    row("delta 0.3, sum", "HuberLoss", (3, 5), (3, 5), args=("sum", 0.3)),
    row("delta 2, one by one", "HuberLoss", (3, 5), (3, 5), reduction="none", delta=2.0),
    row("", "SmoothL1Loss", (3, 5), (3, 5)),
    row("beta 0.3, sum", "SmoothL1Loss", (3, 5), (3, 5), reduction="sum", beta=0.3),
    row("beta 0, one by one", "SmoothL1Loss", (3, 5), (3, 5), reduction="none", beta=0.0),
    row("", "BCEWithLogitsLoss", (7, 5), shares(7, 5)),
    row("sum", "BCEWithLogitsLoss", (7, 5), shares(7, 5), reduction="sum"),
    row("weights", "BCEWithLogitsLoss", (7, 5), shares(7, 5), weight=CLASS_WEIGHTS, reduction="none"),
    row("positive weights", "BCEWithLogitsLoss", (7, 5), shares(7, 5), pos_weight=CLASS_WEIGHTS),
    row("", "KLDivLoss", log_probabilities(7, 5), probabilities(7, 5), reduction="batchmean"),
    row("sum", "KLDivLoss", log_probabilities(7, 5, 3), probabilities(7, 5, 3), reduction="sum"),
    row("one by one", "KLDivLoss", log_probabilities(7, 5), probabilities(7, 5), reduction="none"),
    row(
        "target as logarithms",
        "KLDivLoss",
        log_probabilities(7, 5),
        log_probabilities(7, 5),
        reduction="batchmean",
        log_target=True,
    ),
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

TWINS = (
    *LINEAR,
    *CONVOLUTIONS,
    *TRANSPOSED_CONVOLUTIONS,
    *POOLING,
    *ACTIVATIONS,
    *NORMALISATIONS,
    *EMBEDDINGS,
    *DEFERRED,
    *LOSSES,
    *SEQUENCES,
)
