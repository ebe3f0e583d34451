"""From what `predict` is given, a file or numbers, to the tensor that the model was trained on."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fathom import data
from fathom.errors import DataError, InputError


def encode(about: Mapping[str, Any], source: str | Path) -> Tensor:
    """The examples in `source`, as `(examples, ...)` float.

    Args:
        about: the run folder's `data.json`: what kind of data the run was trained on.
        source: a picture file, a CSV file with the columns of the training table, or, for other data, numbers
            with commas between them (`0.3,-1`).

    Raises:
        DataError: the file is missing or not what it should be.
        InputError: the numbers are not as many as the inputs of the model, or no numbers.
    """
    if about["kind"] == "images":
        height, width = about["image_size"]
        return data.read_image(source, size=(height, width), channels=about["channels"])[None]
    if about["kind"] == "table":
        rows = data.read_rows(source, about)
        try:
            return data.encode_rows(about, rows)
        except DataError as error:
            raise DataError(f"{source}: {error}") from None
    example = torch.tensor([numbers(source, math.prod(about["example_shape"]))])
    if about["kind"] == "numbers":  # in their own units; the model has learnt from standardised ones
        return (example - torch.tensor(about["means"])) / torch.tensor(about["stds"])
    return example


def numbers(source: str | Path, count: int) -> list[float]:
    """`count` numbers from text with commas between them."""
    words = str(source).split(",")
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count or not all(math.isfinite(value) for value in values):
        example = ",".join(["0.5"] * min(count, 3)) + (",…" if count > 3 else "")
        raise InputError(
            f"expected {count} numbers with commas between them, as in {example}, got {str(source)[:60]!r}"
        )
    return values
