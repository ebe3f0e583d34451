"""What a model is made of, for `fathom show`: measured for one example, as tables and as plain values."""

import inspect
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fathom import models
from fathom.cli.printing import bold, faint, table
from fathom.errors import FathomError, InputError, ShapeError
from fathom.registry import arguments, spec, unknown

if TYPE_CHECKING:
    from torch import nn

    from fathom.models.measure import Cost, Part

VOCABULARY, STEPS = 10_000, 35  # of a text, where the model's constructor leaves them open
BLOCK_INPUT, BLOCK_CHANNELS = (192, 28, 28), 256  # what GoogLeNet's first Inception block takes and gives
FLOPS = "FLOPs of one forward pass: matrix products and convolutions, a multiply-add counts as two"
MEMORY = "memory: all that the operations put out for one example, in float32"
FIELD = "field: pixels of the image, along a side, that one unit sees, borders included"


@dataclass(frozen=True)
class Anatomy:
    """A model that was measured.

    Args:
        name: as it was asked for.
        told: the arguments that its constructor was given.
        shape: of one example.
        cost: what was measured.
    """

    name: str
    told: dict[str, Any]
    shape: tuple[int, ...]
    cost: "Cost"


def blocks() -> dict[str, Callable[[int], "nn.Module"]]:
    """Blocks to compare, by name: input channels to a module that gives as many channels as an Inception block."""
    from torch.nn import Conv2d, Sequential

    from fathom.models.googlenet import BLOCKS, Inception

    def conv(channels: int, size: int) -> "nn.Module":
        return Conv2d(channels, BLOCK_CHANNELS, size, padding=size // 2)

    return {
        "conv3x3": lambda channels: conv(channels, 3),
        "conv5x5": lambda channels: conv(channels, 5),
        "inception": lambda channels: Inception(channels, *BLOCKS["inception3a"], norm=False),
        "two-conv3x3": lambda channels: Sequential(conv(channels, 3), conv(BLOCK_CHANNELS, 3)),
    }


def look_at(words: str, shape: tuple[int, ...] | None = None) -> Anatomy:
    """Measure a model or block for one example.

    Args:
        words: its name, with options as in `alexnet,variant=book`.
        shape: of one example, without the batch; None takes what the model's defaults ask for.

    Raises:
        UnknownNameError: there is no such model, block or argument.
        ShapeError: it can't take such an example.
    """
    import torch

    from fathom.models.measure import measure

    name, options = spec(words)
    if name in models.names():
        told = {**_told(name, shape), **arguments(f"model {name}", models.constructor(name), options, ["nn"])}
        known = inspect.signature(models.constructor(name)).parameters
        text, device = "vocab_size" in known, "meta" if "in_channels" in known else "cpu"
        with torch.device(device):
            model = models.create(name, **told)
        usual: Callable[[], tuple[torch.Tensor, ...]] | None = getattr(model, "example", None)
        if shape is None and usual is not None:
            inputs = usual()
            return Anatomy(words, told, tuple(inputs[0].shape[1:]), measure(model, *inputs))
        shape = shape or _default_shape(name, told)
    elif name in blocks() and not options:
        told, shape, text, device = {}, shape or BLOCK_INPUT, False, "meta"
        with torch.device(device):
            model = blocks()[name](shape[0])
    else:
        raise unknown("model or block", name, {*models.names(), *blocks()})
    example = torch.zeros(1, *shape, dtype=torch.long if text else torch.float, device=device)
    try:
        return Anatomy(words, told, shape, measure(model, example))
    except FathomError:
        raise
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ShapeError(
            f"{name}: expected an example that it can take, got {_sizes(shape, 'x')} ({reason}); try another --input"
        ) from None


def _told(name: str, shape: tuple[int, ...] | None) -> dict[str, Any]:
    """What the constructor must be told: the sizes that `shape` sets, and a size for what has no default."""
    known = inspect.signature(models.constructor(name)).parameters
    told: dict[str, Any] = {}
    if shape is not None:
        if "in_channels" in known and len(shape) == 3:
            told["in_channels"] = shape[0]
        if "input_size" in known and len(shape) == 3:
            told["input_size"] = shape[1] if shape[1] == shape[2] else tuple(shape[1:])
        if "in_features" in known:
            told["in_features"] = math.prod(shape)
    for word, parameter in known.items():
        if parameter.default is parameter.empty and word not in told and word not in ("nn", "kwargs"):
            told[word] = VOCABULARY if word == "vocab_size" else 2
    return told


def _default_shape(name: str, told: dict[str, Any]) -> tuple[int, ...]:
    """One example as the constructor's arguments and defaults take it."""
    known = inspect.signature(models.constructor(name)).parameters

    def value(word: str, otherwise: Any) -> Any:
        default = known[word].default if word in known else inspect.Parameter.empty
        return told.get(word, otherwise if default is inspect.Parameter.empty else default)

    if "in_channels" in known:
        size = value("input_size", 224)
        return (value("in_channels", 1), *((size, size) if isinstance(size, int) else size))
    if "in_features" in known:
        return (value("in_features", 2),)
    if "vocab_size" in known:
        return (min(STEPS, value("max_steps", STEPS)),)
    raise InputError(f"{name}: expected --input with the shape of one example, got none; write --input 3x224x224")


# --- plain values ---------------------------------------------------------------------------------------------------


def about(seen: Anatomy, level: int | None = None) -> dict[str, Any]:
    """The model and its rows, which together are all of it.

    Args:
        seen: the model.
        level: how far to look into blocks, at least 1; None chooses by their number.
    """
    if level is not None and level < 1:
        raise InputError(f"--depth: expected a whole number of at least 1, got {level}")
    level = level or seen.cost.readable_level()
    rows = [{"layer": part.name, "type": part.kind, **_values(part)} for part in seen.cost.rows(level)]
    return {**summary(seen), "level": level, "layers": rows}


def summary(seen: Anatomy) -> dict[str, Any]:
    """The model as a whole."""
    named = {"name": seen.name, "arguments": seen.told, "input": list(seen.shape)}
    return {**named, **_values(seen.cost.whole), "depth": seen.cost.depth}


def _values(part: "Part") -> dict[str, Any]:
    return {
        "output": list(part.output),
        "parameters": part.parameters,
        "flops": part.flops,
        "activation_bytes": part.activations,
        "receptive_field": list(part.field.size) if part.field else None,
    }


# --- tables ---------------------------------------------------------------------------------------------------------


def text(found: dict[str, Any], *, quiet: bool = False) -> str:
    """The rows of `about` as a table that fits the terminal."""
    told = ", ".join(f"{word}={value}" for word, value in found["arguments"].items())
    rows = [*found["layers"], {"layer": "all", "type": "", **{key: found[key] for key in _COLUMNS}}]
    head = ("layer", "type", "output", "parameters", "FLOPs", "memory", "field")
    fields = any(row["receptive_field"] for row in rows)
    wide = [[*_named(row), *_cells(row, _exact)] for row in rows]
    narrow = [[*_named(row), *_cells(row, _short, "x")] for row in rows]
    lines = [f"{bold('model ' + found['name'])}({told}), one example {_sizes(found['input'])}"]
    lines.append(_fitting(head if fields else head[:-1], [wide, narrow], right=(3, 4, 5, 6), drop=1))
    if not quiet:
        lines += [faint(line) for line in (FLOPS, MEMORY, FIELD)[: 3 if fields else 2]]
    return "\n".join(lines)


def comparison(rows: Sequence[dict[str, Any]], *, quiet: bool = False) -> str:
    """Models side by side as a table that fits the terminal."""
    head = ("model", "input", "output", "parameters", "FLOPs", "memory", "layers deep")
    tables = []
    for write, between in ((_exact, " x "), (_short, "x")):
        tables.append(
            [
                (
                    row["name"],
                    _sizes(row["input"], between),
                    _sizes(row["output"], between),
                    *(write(row[key], unit) for key, unit in _COSTS.items()),
                    str(row["depth"]),
                )
                for row in rows
            ]
        )
    lines = [_fitting(head, tables, right=(3, 4, 5, 6), drop=2)]
    if not quiet:
        lines += [faint(FLOPS), faint(MEMORY), faint("layers deep: layers with weights on the longest way")]
    return "\n".join(lines)


_COSTS = {"parameters": "", "flops": "FLOPs", "activation_bytes": "B"}
_COLUMNS = ("output", *_COSTS, "receptive_field")


def _named(row: dict[str, Any]) -> tuple[str, str]:
    return row["layer"] or "(itself)", row["type"]


def _cells(row: dict[str, Any], write: Callable[[int, str], str], between: str = " x ") -> list[str]:
    field = row["receptive_field"]
    seen = [] if field is None else [str(field[0]) if field[0] == field[1] else _sizes(field, between)]
    return [_sizes(row["output"], between), *(write(row[key], unit) for key, unit in _COSTS.items()), *(seen or [""])]


def _exact(number: int, unit: str) -> str:
    return f"{number:,}" + (" B" if unit == "B" else "")


def _short(number: int, unit: str) -> str:
    if not unit:
        return f"{number:,}"
    unit = unit if unit == "B" else ""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{number / 10**power:.4g} {letter}{unit}"
    return f"{number} {unit}".rstrip()


def _fitting(head: Sequence[str], tables: Sequence[Sequence[Sequence[str]]], *, right: Sequence[int], drop: int) -> str:
    """The first of the tables that fits the terminal; the last without one column, if none does."""
    columns = shutil.get_terminal_size((80, 24)).columns
    for rows in tables:
        lines = table(head, [row[: len(head)] for row in rows], right=right)
        if max(map(len, lines.splitlines())) <= columns:
            return lines
    rest = [place for place in range(len(head)) if place != drop]
    rows = [[row[place] for place in rest] for row in tables[-1]]
    return table([head[place] for place in rest], rows, right=[rest.index(place) for place in right if place in rest])


def _sizes(sizes: Sequence[int], between: str = " x ") -> str:
    return between.join(map(str, sizes)) or "()"
